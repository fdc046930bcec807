/**
 * Numbers in [0, 1) from a seed, so that every run is the same: the high bits of a linear congruential
 * generator.
 */
export function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
}
