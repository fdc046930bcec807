import { describe, expect, it } from 'vitest'
import { fold16, wordDelta } from '../../lib/bytes/checksum.ts'
import {
  describeIcmpv6,
  emitIcmpv6,
  Icmpv6View,
  icmpv6At,
  icmpv6Flaw,
  isIcmpv6Error,
  parseIcmpv6,
} from '../../lib/wire/icmpv6.ts'
import { transportChecksumIsValid } from '../../lib/wire/transport-checksum.ts'
import { emitted, prefixes } from '../support/buffers.ts'
import { fromHex, icmp6, readPacket } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const message = () => fromHex(KERNEL.icmp6PacketTooBig).slice(40)
const described = (hex: string) => describeIcmpv6(new Icmpv6View(fromHex(hex), 0))

describe('icmpv6At', () => {
  it('reads every field of an error the kernel relayed', () => {
    const view = icmpv6At(message())
    expect(view).toMatchObject({
      kind: 'icmpv6',
      type: 2,
      code: 0,
      checksum: 0x97c2,
      rest: 1400,
      mtu: 1400,
      bodyStart: 8,
    })
  })

  it('refuses every prefix shorter than the header, and none that holds it', () => {
    for (const prefix of prefixes(message())) {
      const reason = icmpv6Flaw(prefix, 0, prefix.length)?.reason
      expect(reason, `${prefix.length}`).toBe(prefix.length < 8 ? 'icmpv6-truncated' : undefined)
    }
  })
})

describe('isIcmpv6Error', () => {
  it('holds for the lower half of the types', () => {
    expect([0, 1, 127].every(isIcmpv6Error)).toBe(true)
    expect([128, 129, 135, 255].some(isIcmpv6Error)).toBe(false)
  })
})

describe('Icmpv6View', () => {
  it('keeps the checksum valid when the MTU changes, all 32 bits of it', () => {
    const bytes = fromHex(KERNEL.icmp6PacketTooBig)
    const view = new Icmpv6View(bytes, 40)
    view.setMtuWithChecksum(0x8001_0500)
    expect(view.mtu).toBe(0x8001_0500)
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
  })

  it('keeps the checksum valid when an echo’s identifier changes', () => {
    const bytes = icmp6({
      source: 'fd09::1',
      destination: 'fd00::1',
      type: 128,
      rest: 0x0007_0001,
      body: 'abc',
    })
    const view = new Icmpv6View(bytes, 40)
    view.setIdentifierWithChecksum(0xfffe)
    expect(view).toMatchObject({ identifier: 0xfffe, sequence: 1 })
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
  })

  it('carries its checksum through a change of address', () => {
    const bytes = fromHex(KERNEL.icmp6PacketTooBig)
    bytes[25] = 1 // the destination fd00::1 becomes fd01::1
    new Icmpv6View(bytes, 40).adjustChecksumBy(fold16(wordDelta(0xfd00_0000, 0xfd01_0000)))
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
  })
})

describe('emitIcmpv6', () => {
  it('writes back, octet for octet, the header it parsed, but for the checksum', () => {
    const header = parseIcmpv6(new Icmpv6View(message(), 0))
    expect(header).toEqual({ type: 2, code: 0, rest: 1400 })
    expect(emitted(8, (to, at) => emitIcmpv6(to, at, header))).toEqual(fromHex('02 00 0000 00000578'))
  })

  it('writes every value at its greatest', () => {
    const header = { type: 255, code: 255, rest: 0xffff_ffff }
    expect(emitted(8, (to, at) => emitIcmpv6(to, at, header))).toEqual(fromHex('ffff 0000 ffffffff'))
  })
})

describe('describeIcmpv6', () => {
  it('names what operators look for', () => {
    expect(described('01 00 0000 00000000')).toBe('icmpv6 no route')
    expect(described('01 01 0000 00000000')).toBe('icmpv6 administratively prohibited')
    expect(described('01 03 0000 00000000')).toBe('icmpv6 address unreachable')
    expect(described('01 04 0000 00000000')).toBe('icmpv6 port unreachable')
    expect(described('01 06 0000 00000000')).toBe('icmpv6 unreachable code 6')
    expect(described('02 00 0000 00000500')).toBe('icmpv6 packet too big mtu 1280')
    expect(described('03 00 0000 00000000')).toBe('icmpv6 time exceeded')
    expect(described('03 01 0000 00000000')).toBe('icmpv6 reassembly time exceeded')
    expect(described('80 00 0000 0007 0001')).toBe('icmpv6 echo request id 7 seq 1')
    expect(described('81 00 0000 0007 0001')).toBe('icmpv6 echo reply id 7 seq 1')
    expect(described('87 00 0000 00000000')).toBe('icmpv6 type 135 code 0')
  })
})
