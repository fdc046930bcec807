/** What can be fuzzed: each target makes cases and says of one whether it is as it must be. */

import type fc from 'fast-check'

/**
 * A case is plain JSON, whole in itself: one that was found is kept as it is, and means the same when all that made it has
 * changed.
 */
export interface Target<Case> {
  /** What is fuzzed, in a few words. */
  readonly about: string
  /** Its part of a run's time, in proportion to the others'. */
  readonly share: number
  readonly cases: () => fc.Arbitrary<Case>
  /** Throws an Error that says what is wrong. `tally` is told what happened, for figures. */
  readonly check: (of: Case, tally?: Tally) => void
  /** A case in lines for people. */
  readonly describe: (of: Case) => string[]
}

/** How often what happened. */
export class Tally {
  readonly counts = new Map<string, number>()

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }
}

/** Fails the case that is being checked. The sentence says what must be. */
export function must(isSo: boolean, sentence: string | (() => string)): asserts isSo {
  if (!isSo) throw new Error(typeof sentence === 'string' ? sentence : sentence())
}
