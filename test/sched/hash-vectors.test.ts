import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { foldAddress, parseAddress } from '../../lib/bytes/address.ts'
import { sipHash } from '../../lib/sched/sip-hash.ts'

/** Computed with algorithms that a running kernel agreed with; the file says so. */
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/hash-vectors.json', import.meta.url), 'utf8'),
) as {
  fold32: Record<string, number>
  hsiphash_1u32_key1: Record<string, number>
  hsiphash_1u32_key2: Record<string, number>
}

describe('sipHash', () => {
  it.each([
    [2_654_435_761, vectors.hsiphash_1u32_key1],
    [2_654_446_892, vectors.hsiphash_1u32_key2],
  ])('agrees with SipHash-1-3 under the key %i', (key, table) => {
    const hash = sipHash(key)
    for (const [value, expected] of Object.entries(table))
      expect(hash(Number(value) | 0) >>> 0, value).toBe(expected)
  })
})

describe('foldAddress', () => {
  it('folds as the kernel’s hashing schedulers do', () => {
    for (const [text, expected] of Object.entries(vectors.fold32)) {
      const { w0, w1, w2, w3 } = parseAddress(text)!
      expect(foldAddress(w0, w1, w2, w3) >>> 0, text).toBe(expected)
    }
  })
})
