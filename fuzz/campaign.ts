/** A run of one target: cases until time or number is up, or one fails; that one is made as small as it can be. */

import fc from 'fast-check'
import { Tally, type Target } from './target.ts'

export interface CampaignOptions {
  readonly seed: number
  /** Where in the seed's cases to begin: what a find's report names. */
  readonly path?: string
  readonly cases: number
  readonly timeMs: number
}

export interface Campaign<Case> {
  readonly cases: number
  readonly tally: Tally
  readonly find: Find<Case> | null
}

/** A case that failed, at its smallest. */
export interface Find<Case> {
  readonly case: Case
  readonly message: string
  readonly path: string
}

/** What making a find smaller may take; the smallest by then is taken. */
const SHRINK_TIME_MS = 60_000

export function campaign<Case>(target: Target<Case>, options: CampaignOptions): Campaign<Case> {
  const tally = new Tally()
  const property = fc.property(target.cases(), (each) => target.check(each, tally))
  const { seed, cases, timeMs } = options
  const found = fc.check(property, {
    seed,
    numRuns: cases,
    interruptAfterTimeLimit: timeMs,
    // The first that fails is not made smaller yet: time may be short.
    endOnFailure: true,
    ...(options.path === undefined ? {} : { path: options.path }),
  })
  if (!found.failed || found.counterexamplePath === null) return { cases: found.numRuns, tally, find: null }
  const shrunk = fc.check(property, {
    seed,
    path: found.counterexamplePath,
    interruptAfterTimeLimit: SHRINK_TIME_MS,
    markInterruptAsFailure: true,
  })
  const details = shrunk.counterexamplePath === null ? found : shrunk
  const error = details.errorInstance
  return {
    cases: found.numRuns,
    tally,
    find: {
      case: details.counterexample![0],
      message: error instanceof Error ? error.message : String(error),
      path: details.counterexamplePath!,
    },
  }
}
