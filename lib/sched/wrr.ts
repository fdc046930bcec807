/** Weighted round robin: a falling threshold lets the heavier destinations come round more often. ipvsadm(8), `wrr`. */

import type { Destination } from '../service/destination.ts'
import type { SchedulerFactory } from '../service/scheduler.ts'
import { judge } from './preview.ts'

const BEFORE_FIRST = -1

export const wrr: SchedulerFactory = () => {
  /** Place of the destination chosen last. */
  let cursor = BEFORE_FIRST
  /** Greatest common divisor of the weights above 0: the step by which the threshold falls. */
  let step = 1
  /** The threshold's highest value; the correction by `step` makes its lowest value 1. */
  let highest = 0
  let threshold = 0

  const pick = (pool: readonly Destination[]): Destination | null => {
    if (highest === 0) return null
    const last = cursor
    /** In the final pass of a second descent, the place at which everybody has been asked. */
    let stop = BEFORE_FIRST
    let hasRestarted = false
    let isLastPass = false
    let from = cursor
    for (;;) {
      for (let index = from + 1; index < pool.length; index++) {
        const destination = pool[index]!
        if (!destination.isOverloaded && destination.weight >= threshold) {
          cursor = index
          return destination
        }
        if (index === stop) {
          cursor = index
          return null
        }
      }
      from = BEFORE_FIRST
      threshold -= step
      if (threshold <= 0) {
        threshold = highest
        if (isLastPass || last === BEFORE_FIRST) {
          cursor = BEFORE_FIRST
          return null
        }
        hasRestarted = true
      }
      threshold = skipUnmet(threshold, step, pool)
      isLastPass = threshold <= step
      if (isLastPass && hasRestarted && last !== BEFORE_FIRST) stop = last
    }
  }

  return {
    pick: (_flow, pool) => pick(pool),
    preview(_flow, pool) {
      // Nobody looks on in the meantime: what the rehearsal moves is put back before the call ends.
      const [cursorBefore, thresholdBefore] = [cursor, threshold]
      const picked = pick(pool)
      const present = threshold
      cursor = cursorBefore
      threshold = thresholdBefore
      return judge(pool, {
        picked,
        by: `the next in turn of weight ${present} or more`,
        score: ({ weight }) => weight,
        against: ({ weight }) => (weight < present ? 'below-threshold' : 'later-turn'),
      })
    },
    poolChanged(pool, change) {
      cursor = BEFORE_FIRST
      step = commonDivisor(pool)
      highest = pool.reduce((most, { weight }) => Math.max(most, weight), 0) - (step - 1)
      if (change.kind === 'attached' || threshold > highest || threshold === 0) threshold = highest
      else if (step > 1) threshold = Math.floor(threshold / step) * step + 1
    },
  }
}

/**
 * The first threshold from this one down that a destination meets, or the lowest. Those between are asked in vain: with
 * the heaviest destination of weight 2^31 - 1 overloaded, one by one, for seconds.
 */
function skipUnmet(threshold: number, step: number, pool: readonly Destination[]): number {
  let most = 1
  for (const { isOverloaded, weight } of pool) if (!isOverloaded && weight > most) most = weight
  return threshold <= most ? threshold : threshold - Math.ceil((threshold - most) / step) * step
}

/** Of the weights above 0; 1 where there are none. */
function commonDivisor(pool: readonly Destination[]): number {
  let divisor = 0
  for (let { weight } of pool) while (weight > 0) [divisor, weight] = [weight, divisor % weight]
  return divisor === 0 ? 1 : divisor
}
