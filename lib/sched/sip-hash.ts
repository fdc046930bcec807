/**
 * SipHash-1-3 of one 32-bit number, truncated to 32 bits: what the kernel's Maglev hashing draws its places by. 64-bit
 * words are pairs of 32-bit halves, since BigInts would allocate. J.-P. Aumasson, D. J. Bernstein, *SipHash*, 2012.
 */

/** The state v0 … v3 as halves, low half first. One area, since hashing is synchronous. */
const state = new Int32Array(8)

/** A keyed hash; both 64-bit key words are `key`. */
export type Hash32 = (value: number) => number

export function sipHash(key: number): Hash32 {
  return (value) => {
    const v = state
    v[0] = 0x70736575 ^ key
    v[1] = 0x736f6d65
    v[2] = 0x6e646f6d ^ key
    v[3] = 0x646f7261
    v[4] = 0x6e657261 ^ key
    v[5] = 0x6c796765
    v[6] = 0x79746573 ^ key ^ value
    v[7] = 0x74656462 ^ (4 << 24) // the last block: its length in octets on top of the value
    round(v)
    v[0]! ^= value
    v[1]! ^= 4 << 24
    v[4]! ^= 0xff
    round(v)
    round(v)
    round(v)
    return (v[0]! ^ v[2]! ^ v[4]! ^ v[6]!) >>> 0
  }
}

function round(v: Int32Array): void {
  add(v, 0, 2)
  rotate(v, 2, 13)
  xor(v, 2, 0)
  swap(v, 0)
  add(v, 4, 6)
  rotate(v, 6, 16)
  xor(v, 6, 4)
  add(v, 0, 6)
  rotate(v, 6, 21)
  xor(v, 6, 0)
  add(v, 4, 2)
  rotate(v, 2, 17)
  xor(v, 2, 4)
  swap(v, 4)
}

/** `v[a] += v[b]`, 64 bits. */
function add(v: Int32Array, a: number, b: number): void {
  const low = (v[a]! >>> 0) + (v[b]! >>> 0)
  v[a + 1] = v[a + 1]! + v[b + 1]! + (low > 0xffff_ffff ? 1 : 0)
  v[a] = low
}

function xor(v: Int32Array, a: number, b: number): void {
  v[a]! ^= v[b]!
  v[a + 1]! ^= v[b + 1]!
}

/** Rotates left by less than 32. */
function rotate(v: Int32Array, a: number, bits: number): void {
  const low = v[a]!
  const high = v[a + 1]!
  v[a] = (low << bits) | (high >>> (32 - bits))
  v[a + 1] = (high << bits) | (low >>> (32 - bits))
}

/** Rotates by 32. */
function swap(v: Int32Array, a: number): void {
  const low = v[a]!
  v[a] = v[a + 1]!
  v[a + 1] = low
}
