import { describe, expect, it } from 'vitest'
import { fold16, wordDelta } from '../../lib/bytes/checksum.ts'
import {
  describeIcmp,
  emitIcmp,
  ICMP_TYPE,
  IcmpView,
  icmpAt,
  icmpFlaw,
  isIcmpError,
  parseIcmp,
} from '../../lib/wire/icmp.ts'
import { emitted, prefixes } from '../support/buffers.ts'
import { fromHex, referenceChecksum } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const message = () => fromHex(KERNEL.icmp4FragmentationNeeded).slice(20)
const described = (hex: string) => describeIcmp(new IcmpView(fromHex(hex), 0))

describe('icmpAt', () => {
  it('reads every field of an error the kernel relayed', () => {
    const view = icmpAt(message())
    expect(view).toMatchObject({
      kind: 'icmp',
      type: 3,
      code: 4,
      checksum: 0xeb3a,
      rest: 1400,
      mtu: 1400,
      bodyStart: 8,
    })
  })

  it('reads an echo', () => {
    expect(icmpAt(fromHex('08 00 0000 0007 0102'))).toMatchObject({ type: 8, identifier: 7, sequence: 0x102 })
  })

  it('refuses every prefix shorter than the header, and none that holds it', () => {
    for (const prefix of prefixes(message())) {
      const reason = icmpFlaw(prefix, 0, prefix.length)?.reason
      expect(reason, `${prefix.length}`).toBe(prefix.length < 8 ? 'icmp-truncated' : undefined)
    }
  })
})

describe('isIcmpError', () => {
  it('holds for the five types that quote a packet', () => {
    const errors = Array.from({ length: 256 }, (_, type) => type).filter(isIcmpError)
    expect(errors).toEqual([3, 4, 5, 11, 12])
  })
})

describe('IcmpView', () => {
  it('tells a right checksum from a wrong one', () => {
    const view = new IcmpView(message(), 0)
    expect(view.checksumIsValid(view.bytes.length)).toBe(true)
    view.code = 3
    expect(view.checksumIsValid(view.bytes.length)).toBe(false)
  })

  it('finishes the checksum afresh', () => {
    const view = new IcmpView(message(), 0)
    view.type = ICMP_TYPE.timeExceeded
    view.code = 0
    view.rest = 0
    view.finishChecksum(view.bytes.length)
    expect(referenceChecksum(view.bytes)).toBe(0)
    expect(view.bytes.subarray(0, 2)).toEqual(Uint8Array.of(11, 0))
    expect(view.rest).toBe(0)
  })

  it('keeps the checksum valid when the MTU changes', () => {
    const view = new IcmpView(message(), 0)
    view.setMtuWithChecksum(1380)
    expect(view.mtu).toBe(1380)
    expect(view.checksumIsValid(view.bytes.length)).toBe(true)
  })

  it('keeps the checksum valid when the quoted packet changes', () => {
    const view = new IcmpView(message(), 0)
    view.bytes.set([192, 168, 1, 1], 8 + 12)
    view.adjustChecksumBy(fold16(wordDelta(0x0a00_0001, 0xc0a8_0101)))
    expect(view.checksumIsValid(view.bytes.length)).toBe(true)
  })
})

describe('emitIcmp', () => {
  it('writes back, octet for octet, the header it parsed, checksum included', () => {
    const header = parseIcmp(new IcmpView(message(), 0))
    expect(header).toEqual({ type: 3, code: 4, rest: 1400 })
    const body = message().slice(8)
    const bytes = emitted(message().length, (to, at) => {
      to.set(body, at + 8)
      expect(emitIcmp(to, at, at + 8 + body.length, header)).toBe(at + 8)
      return at + 8 + body.length
    })
    expect(bytes).toEqual(message())
  })

  it('writes every value at its greatest', () => {
    const header = { type: 255, code: 255, rest: 0xffff_ffff }
    const bytes = emitted(8, (to, at) => emitIcmp(to, at, at + 8, header))
    expect(bytes).toEqual(fromHex('ffff 0000 ffffffff'))
  })
})

describe('describeIcmp', () => {
  it('names what operators look for', () => {
    expect(described('08 00 0000 0007 0001')).toBe('icmp echo request id 7 seq 1')
    expect(described('00 00 0000 0007 0001')).toBe('icmp echo reply id 7 seq 1')
    expect(described('03 00 0000 00000000')).toBe('icmp network unreachable')
    expect(described('03 01 0000 00000000')).toBe('icmp host unreachable')
    expect(described('03 02 0000 00000000')).toBe('icmp protocol unreachable')
    expect(described('03 03 0000 00000000')).toBe('icmp port unreachable')
    expect(described('03 04 0000 00000578')).toBe('icmp fragmentation needed mtu 1400')
    expect(described('03 0d 0000 00000000')).toBe('icmp unreachable code 13')
    expect(described('04 00 0000 00000000')).toBe('icmp source quench')
    expect(described('0b 00 0000 00000000')).toBe('icmp time exceeded')
    expect(described('0b 01 0000 00000000')).toBe('icmp reassembly time exceeded')
    expect(described('0d 01 0000 00000000')).toBe('icmp type 13 code 1')
  })
})
