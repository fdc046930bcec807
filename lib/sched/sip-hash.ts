/**
 * SipHash-1-3 of one 32-bit number, truncated to 32 bits: what the kernel's Maglev hashing draws its places by. 64-bit
 * words are pairs of 32-bit halves, since BigInts would allocate. J.-P. Aumasson, D. J. Bernstein, *SipHash*, 2012.
 */

/** A keyed hash, its 32 bits as a signed number, which never needs memory. Both 64-bit key words are the key. */
export type Hash32 = (value: number) => number

/** In the top octet of the last block: its length in octets. */
const LENGTH = 4 << 24
const FINALIZATION = 0xff
/** One for the only block, and three to finish. */
const ROUNDS = 4

/**
 * The state is four words, `v0` to `v3`, of a low and a high half each. They are variables, and the rounds are written out:
 * kept in an array, by functions that add and rotate its elements, a hash took 7 times as long.
 */
export function sipHash(key: number): Hash32 {
  return (value) => {
    let low0 = 0x70736575 ^ key
    let high0 = 0x736f6d65
    let low1 = 0x6e646f6d ^ key
    let high1 = 0x646f7261
    let low2 = 0x6e657261 ^ key
    let high2 = 0x6c796765
    let low3 = 0x79746573 ^ key ^ value
    let high3 = 0x74656462 ^ LENGTH
    for (let round = 1; ; round++) {
      low0 = (low0 + low1) | 0
      high0 = (high0 + high1 + carry(low0, low1)) | 0
      let swapped = low1
      low1 = low0 ^ ((low1 << 13) | (high1 >>> 19))
      high1 = high0 ^ ((high1 << 13) | (swapped >>> 19))
      swapped = low0
      low0 = high0
      high0 = swapped

      low2 = (low2 + low3) | 0
      high2 = (high2 + high3 + carry(low2, low3)) | 0
      swapped = low3
      low3 = low2 ^ ((low3 << 16) | (high3 >>> 16))
      high3 = high2 ^ ((high3 << 16) | (swapped >>> 16))

      low0 = (low0 + low3) | 0
      high0 = (high0 + high3 + carry(low0, low3)) | 0
      swapped = low3
      low3 = low0 ^ ((low3 << 21) | (high3 >>> 11))
      high3 = high0 ^ ((high3 << 21) | (swapped >>> 11))

      low2 = (low2 + low1) | 0
      high2 = (high2 + high1 + carry(low2, low1)) | 0
      swapped = low1
      low1 = low2 ^ ((low1 << 17) | (high1 >>> 15))
      high1 = high2 ^ ((high1 << 17) | (swapped >>> 15))
      swapped = low2
      low2 = high2
      high2 = swapped

      if (round === ROUNDS) return low0 ^ low1 ^ low2 ^ low3
      if (round > 1) continue
      low0 ^= value
      high0 ^= LENGTH
      low2 ^= FINALIZATION
    }
  }
}

/** What a sum of low halves carries into the high ones: a sum that overflowed is less than what was added. */
const carry = (sum: number, added: number): number => (sum >>> 0 < added >>> 0 ? 1 : 0)
