import { describe, expect, it } from 'vitest'
import { decrementHopLimit } from '../../lib/encode/hop-limit.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { readPacket, tcp4, tcp6 } from '../support/packets.ts'

const ENDS_4 = { source: '10.9.0.1:3000', destination: '10.0.0.1:80' }
const ENDS_6 = { source: '[fd09::1]:3000', destination: '[fd00::1]:80' }

describe('decrementHopLimit', () => {
  it('takes one off every TTL there is, and the header checksum stays right', () => {
    for (let ttl = 1; ttl <= 255; ttl++) {
      const bytes = tcp4({ ...ENDS_4, ttl, identification: ttl * 257 })
      decrementHopLimit(readPacket(bytes))
      expectPacket(bytes)
        .ipv4({ ttl: ttl - 1 })
        .checksumsAreValid()
    }
  })

  it('keeps the header checksum right, whatever it was', () => {
    for (let identification = 0; identification <= 0xffff; identification += 61) {
      const bytes = tcp4({ ...ENDS_4, identification })
      decrementHopLimit(readPacket(bytes))
      expectPacket(bytes).ipv4({ ttl: 63, identification }).headerChecksumIsValid()
    }
  })

  it('takes one off an IPv6 hop limit, and touches nothing else', () => {
    const bytes = tcp6({ ...ENDS_6, hopLimit: 255, trafficClass: 0xff, flowLabel: 0xfffff })
    const expected = tcp6({ ...ENDS_6, hopLimit: 254, trafficClass: 0xff, flowLabel: 0xfffff })
    decrementHopLimit(readPacket(bytes))
    expect(bytes).toEqual(expected)
  })

  it('leaves a wrong header checksum wrong', () => {
    const bytes = tcp4(ENDS_4)
    bytes[10]! ^= 0x40
    decrementHopLimit(readPacket(bytes))
    expect(() => expectPacket(bytes).headerChecksumIsValid()).toThrow()
  })
})
