/** What the schedulers' previews have in common. */

import type { Destination } from '../service/destination.ts'
import { ineligibility, type PassedOver, type Preview } from '../service/scheduler.ts'

export interface Judgement {
  readonly picked: Destination | null
  readonly by: string
  /** Left out where nothing is compared. */
  readonly score?: (destination: Destination, index: number) => number | null
  /** What speaks against an eligible destination that is not the one picked. */
  readonly against: PassedOver | ((destination: Destination) => PassedOver)
}

/** The preview of a scheduler that draws no lots: what speaks against everybody but the one picked. */
export function judge(pool: readonly Destination[], { picked, by, score, against }: Judgement): Preview {
  const reasonAgainst = typeof against === 'string' ? () => against : against
  return {
    picked,
    by,
    candidates: pool.map((destination, index) => {
      const isPicked = destination === picked
      return {
        destination,
        score: score?.(destination, index) ?? null,
        chance: isPicked ? 1 : 0,
        passedOver: isPicked ? null : (ineligibility(destination) ?? reasonAgainst(destination)),
      }
    }),
  }
}
