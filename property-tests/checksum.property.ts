/** The laws of the internet checksum: two ways of computing it agree, and every way there has a way back. */

import fc from 'fast-check'
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
} from '../lib/bytes/checksum.ts'
import { readI32, readU16, readU32, writeU16, writeU32 } from '../lib/bytes/octets.ts'
import { referenceChecksum } from '../test/support/packets.ts'
import { uint16, uint32 } from './arbitraries/address.ts'

/**
 * Octets whose first word is not 0, and stays as it is. Over zeros alone the two ways differ by RFC 1624 §3's
 * corner: computed afresh the sum is 0, adjusted it is 0xffff, its equal. No packet is zeros alone.
 */
const area = (): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: 12, maxLength: 200 }).map((bytes) => {
    bytes[0] = 0x45
    return bytes
  })

describe('sum16', () => {
  it('agrees with the dull sum of 16-bit words, wherever the area lies', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(64), fc.nat(64), (bytes, before, behind) => {
        const start = Math.min(before, bytes.length)
        const end = Math.max(start, bytes.length - behind)
        expect(checksum(bytes, start, end)).toBe(referenceChecksum(bytes.subarray(start, end)))
      }),
    )
  })

  it('is the same in one go and in two, cut at any even place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(150), uint16(), (bytes, pairs, initial) => {
        const middle = Math.min(pairs * 2, bytes.length & ~1)
        const first = sum16(bytes, 0, middle, initial)
        expect(sum16(bytes, middle, bytes.length, first)).toBe(sum16(bytes, 0, bytes.length, initial))
      }),
    )
  })

  it('is all ones over octets that hold their own checksum', () => {
    fc.assert(
      fc.property(area(), (bytes) => {
        writeU16(bytes, 4, 0)
        writeU16(bytes, 4, checksum(bytes, 0, bytes.length))
        expect(sum16(bytes, 0, bytes.length)).toBe(0xffff)
      }),
    )
  })
})

describe('adjust', () => {
  it('comes to what computing afresh comes to, whichever word changes to whatever', () => {
    fc.assert(
      fc.property(area(), fc.nat(), uint16(), (bytes, place, is) => {
        const at = 2 + 2 * (place % ((bytes.length >>> 1) - 1))
        const before = checksum(bytes, 0, bytes.length)
        const was = readU16(bytes, at)
        writeU16(bytes, at, is)
        expect(adjust(before, was, is)).toBe(checksum(bytes, 0, bytes.length))
      }),
    )
  })
})

describe('wordDelta, adjustBy and invertDelta', () => {
  it('come to what computing afresh comes to, however many words change', () => {
    fc.assert(
      fc.property(area(), fc.array(fc.tuple(fc.nat(), uint32()), { maxLength: 12 }), (bytes, changes) => {
        const before = checksum(bytes, 0, bytes.length)
        let delta = 0
        for (const [place, is] of changes) {
          const at = 4 + 4 * (place % ((bytes.length >>> 2) - 1))
          // Signed or unsigned must not matter; take one of each.
          delta += wordDelta(
            place % 2 === 0 ? readI32(bytes, at) : readU32(bytes, at),
            place % 3 === 0 ? is | 0 : is,
          )
          writeU32(bytes, at, is)
        }
        expect(adjustBy(before, fold16(delta))).toBe(
          changes.length === 0 ? before : checksum(bytes, 0, bytes.length),
        )
      }),
    )
  })

  it('lead there and back again', () => {
    fc.assert(
      fc.property(uint16(), fc.array(fc.tuple(uint32(), uint32()), { maxLength: 6 }), (before, changes) => {
        const delta = fold16(changes.reduce((sum, [was, is]) => sum + wordDelta(was, is), 0))
        const there = adjustBy(before, delta)
        const back = adjustBy(there, invertDelta(delta))
        expect(back % 0xffff).toBe(before % 0xffff) // 0xffff comes back as its equal, 0
        if (before !== 0xffff) expect(back).toBe(before)
      }),
    )
  })

  it('is for one word the same as adjusting its halves', () => {
    fc.assert(
      fc.property(uint16(), uint32(), uint32(), (before, was, is) => {
        const high = adjust(before, was >>> 16, is >>> 16)
        const both = adjust(high, was & 0xffff, is & 0xffff)
        expect(adjustBy(before, fold16(wordDelta(was, is)))).toBe(both)
      }),
    )
  })
})

describe('the pseudo-header sums', () => {
  it('are the sums of the pseudo-headers as the RFCs draw them', () => {
    const bytes = fc.uint8Array({ minLength: 60, maxLength: 60 })
    fc.assert(
      fc.property(bytes, fc.nat(20), fc.nat(255), uint16(), (bytes, start, protocol, length) => {
        const tail = Uint8Array.of(0, protocol, length >>> 8, length & 0xff)
        const drawn4 = referenceChecksum(tail, bytes.subarray(start + 12, start + 20))
        const drawn6 = referenceChecksum(tail, bytes.subarray(start + 8, start + 40))
        expect(~pseudoHeaderSum4(bytes, start, protocol, length) & 0xffff).toBe(drawn4)
        expect(~pseudoHeaderSum6(bytes, start, protocol, length) & 0xffff).toBe(drawn6)
      }),
    )
  })
})
