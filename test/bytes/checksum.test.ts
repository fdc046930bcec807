import { describe, expect, it } from 'vitest'
import {
  adjust,
  adjustBy,
  checksum,
  fold16,
  invertDelta,
  pseudoHeaderSum4,
  pseudoHeaderSum6,
  sum16,
  wordDelta,
} from '../../lib/bytes/checksum.ts'
import { fromHex, referenceChecksum } from '../support/packets.ts'
import { KERNEL, RFC1071_EXAMPLE, RFC1624_EXAMPLE } from '../vectors/wire-packets.ts'

const pattern = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 167 + 13) & 0xff)

describe('sum16', () => {
  it('sums the example of RFC 1071 §3', () => {
    const bytes = fromHex(RFC1071_EXAMPLE)
    expect(sum16(bytes, 0, bytes.length)).toBe(0xddf2)
    expect(checksum(bytes, 0, bytes.length)).toBe(0x220d)
  })

  it('agrees with a word-by-word sum at every length and start, odd ones too', () => {
    const bytes = pattern(150)
    for (let start = 0; start < 20; start++) {
      for (let end = start; end <= bytes.length; end++) {
        const wanted = referenceChecksum(bytes.subarray(start, end))
        expect(checksum(bytes, start, end), `[${start}, ${end})`).toBe(wanted)
      }
    }
  })

  it('takes an odd last octet as the high half of a word', () => {
    expect(sum16(Uint8Array.of(0x12, 0x34, 0x56), 0, 3)).toBe(0x1234 + 0x5600)
  })

  it('goes on from the sum of the octets before', () => {
    const bytes = pattern(90)
    for (let middle = 0; middle <= bytes.length; middle += 2) {
      expect(sum16(bytes, middle, bytes.length, sum16(bytes, 0, middle))).toBe(sum16(bytes, 0, bytes.length))
    }
  })

  it('loses no carry in 64 KiB of ones', () => {
    const bytes = new Uint8Array(65_536).fill(0xff)
    expect(sum16(bytes, 0, bytes.length, 0xffff)).toBe(0xffff)
    expect(sum16(bytes, 0, bytes.length - 1)).toBe(0xff00)
  })

  it('is zero for nothing and for zeros alone', () => {
    expect(sum16(pattern(8), 4, 4)).toBe(0)
    expect(sum16(new Uint8Array(64), 0, 64)).toBe(0)
    expect(sum16(Uint8Array.of(0xff, 0xff), 0, 2)).toBe(0xffff)
  })

  it('finds the kernel’s IPv4 header checksums valid', () => {
    for (const hex of [KERNEL.tcp4, KERNEL.tcp4Masqueraded, KERNEL.udp4LaterFragment, KERNEL.ah4]) {
      expect(checksum(fromHex(hex), 0, 20)).toBe(0)
    }
  })
})

describe('fold16', () => {
  it('folds carries until none is left', () => {
    expect(fold16(0x1_0000)).toBe(1)
    expect(fold16(0x1_ffff)).toBe(1)
    expect(fold16(0xffff)).toBe(0xffff)
    expect(fold16(0x7fff_ffff)).toBe(0x7fff)
    expect(fold16(0xffff * 0x7fff)).toBe(0xffff)
  })
})

describe('adjust', () => {
  it('follows the example of RFC 1624 §4, where eqn. 2 of RFC 1141 fails', () => {
    const { checksum, was, is, becomes } = RFC1624_EXAMPLE
    expect(adjust(checksum, was, is)).toBe(becomes)
  })

  it('does what the kernel did when it masqueraded a port and an address', () => {
    let tcp = adjust(0x8ead, 0x0050, 0x1f90)
    tcp = adjust(tcp, 0x0a00, 0xc0a8)
    tcp = adjust(tcp, 0x0001, 0x0101)
    expect(tcp).toBe(0xb7c4)
  })
})

describe('wordDelta and adjustBy', () => {
  it('come to what the kernel wrote, in one addition', () => {
    const delta = fold16(wordDelta(0x0a00_0001, 0xc0a8_0101 | 0) + wordDelta(80, 8080))
    expect(adjustBy(0x8ead, delta)).toBe(0xb7c4)
    expect(adjustBy(0xb7c4, invertDelta(delta))).toBe(0x8ead)
  })

  it('take signed and unsigned words alike', () => {
    expect(wordDelta(0xc0a8_0101, 0xffff_fffe)).toBe(wordDelta(0xc0a8_0101 | 0, -2))
  })

  it('leave every checksum but 0xffff as it is when nothing changed, and turn that into its equal', () => {
    const nothing = fold16(wordDelta(0x1234_5678, 0x1234_5678))
    for (const each of [0, 1, 0x8000, 0xfffe]) expect(adjustBy(each, nothing)).toBe(each)
    expect(adjustBy(0xffff, nothing)).toBe(0)
  })
})

describe('pseudoHeaderSum4', () => {
  it('makes the kernel’s TCP segment sum to all ones', () => {
    const bytes = fromHex(KERNEL.tcp4)
    expect(sum16(bytes, 20, bytes.length, pseudoHeaderSum4(bytes, 0, 6, bytes.length - 20))).toBe(0xffff)
  })

  it('reads the addresses where the header stands', () => {
    const bytes = fromHex(`ffffff ${KERNEL.tcp4}`)
    expect(sum16(bytes, 23, bytes.length, pseudoHeaderSum4(bytes, 3, 6, bytes.length - 23))).toBe(0xffff)
  })
})

describe('pseudoHeaderSum6', () => {
  it('makes the kernel’s TCP segment sum to all ones', () => {
    const bytes = fromHex(KERNEL.tcp6)
    expect(sum16(bytes, 40, bytes.length, pseudoHeaderSum6(bytes, 0, 6, bytes.length - 40))).toBe(0xffff)
  })

  it('counts a length beyond 16 bits in both halves', () => {
    const bytes = new Uint8Array(40)
    expect(pseudoHeaderSum6(bytes, 0, 17, 0x1_0005)).toBe(17 + 1 + 5)
  })
})
