import { describe, expect, it } from 'vitest'
import { fold16, wordDelta } from '../../lib/bytes/checksum.ts'
import { transportChecksumIsValid } from '../../lib/wire/transport-checksum.ts'
import { describeUdp, emitUdp, parseUdp, UdpView, udpAt, udpChecksum, udpFlaw } from '../../lib/wire/udp.ts'
import { emitted, prefixes, withOctet } from '../support/buffers.ts'
import { fromHex, readPacket, udp4 } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const datagram = () => fromHex(KERNEL.udp4WithOptions).slice(24)
const reasonOf = (bytes: Uint8Array) => udpFlaw(bytes, 0, bytes.length)?.reason

describe('udpAt', () => {
  it('reads every field of a datagram the kernel sent', () => {
    expect(udpAt(datagram())).toMatchObject({
      kind: 'udp',
      sourcePort: 3004,
      destinationPort: 53,
      datagramBytes: 12,
      checksum: 0x1b14,
    })
  })

  it('refuses every truncated prefix of a datagram', () => {
    for (const prefix of prefixes(datagram())) {
      const reason = prefix.length < 8 ? 'udp-truncated' : 'udp-payload-truncated'
      expect(reasonOf(prefix), `${prefix.length}`).toBe(reason)
    }
  })

  it('refuses a length shorter than its header', () => {
    expect(reasonOf(withOctet(datagram(), 5, 7))).toBe('udp-length')
    expect(reasonOf(withOctet(datagram(), 5, 8))).toBeUndefined()
  })

  it('allows octets behind the length', () => {
    expect(reasonOf(fromHex(`${KERNEL.udp4WithOptions} 00`).slice(24))).toBeUndefined()
  })
})

describe('UdpView', () => {
  it('writes fields without touching the checksum', () => {
    const view = new UdpView(datagram(), 0)
    view.sourcePort = 0xffff
    view.destinationPort = 1
    view.datagramBytes = 9
    expect(view.bytes.subarray(0, 8)).toEqual(fromHex('ffff 0001 0009 1b14'))
  })

  it('keeps the checksum valid when a port changes', () => {
    const bytes = fromHex(KERNEL.udp4WithOptions)
    const view = new UdpView(bytes, 24)
    view.setDestinationPortWithChecksum(5300)
    view.setSourcePortWithChecksum(1)
    expect(view).toMatchObject({ sourcePort: 1, destinationPort: 5300 })
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
  })

  it('leaves a datagram without a checksum without one', () => {
    const view = new UdpView(fromHex(KERNEL.udp4WithoutChecksum), 20)
    view.setDestinationPortWithChecksum(5300)
    view.setSourcePortWithChecksum(1)
    view.adjustChecksumBy(0x1234)
    expect(view.checksum).toBe(0)
  })

  it('writes a checksum that becomes 0 as 0xffff, so that it does not say "none"', () => {
    const bytes = udp4({ source: '10.9.0.1:3002', destination: '10.0.0.1:53', payload: 'abc' })
    const view = new UdpView(bytes, 20)
    // Moving the whole checksum into a port leaves 0 behind.
    view.setSourcePortWithChecksum((view.sourcePort + view.checksum) % 0xffff)
    expect(view.checksum).toBe(0xffff)
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
  })

  it('carries its checksum through a change of address', () => {
    const bytes = fromHex(KERNEL.udp4WithOptions)
    bytes.set([192, 168, 1, 1], 16)
    new UdpView(bytes, 24).adjustChecksumBy(fold16(wordDelta(0x0a00_0001, 0xc0a8_0101)))
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
  })
})

describe('udpChecksum', () => {
  it('turns 0 into all ones and nothing else', () => {
    expect(udpChecksum(0)).toBe(0xffff)
    expect(udpChecksum(0xffff)).toBe(0xffff)
    expect(udpChecksum(1)).toBe(1)
  })
})

describe('emitUdp', () => {
  it('writes back, octet for octet, the header it parsed, but for the checksum', () => {
    const header = parseUdp(new UdpView(datagram(), 0))
    expect(header).toEqual({ sourcePort: 3004, destinationPort: 53, payloadBytes: 4 })
    expect(emitted(8, (to, at) => emitUdp(to, at, header))).toEqual(fromHex('0bbc 0035 000c 0000'))
  })

  it('writes every value at its greatest', () => {
    const header = { sourcePort: 0xffff, destinationPort: 0xffff, payloadBytes: 0xffff - 8 }
    expect(emitted(8, (to, at) => emitUdp(to, at, header))).toEqual(fromHex('ffff ffff ffff 0000'))
  })
})

describe('describeUdp', () => {
  it('shows the length of the payload', () => {
    expect(describeUdp(new UdpView(datagram(), 0))).toBe('udp len 4')
  })
})
