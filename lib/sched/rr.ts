/** Round robin: each eligible destination in turn, whatever its weight. ipvsadm(8), `rr`. */

import { isEligible, type SchedulerFactory } from '../service/scheduler.ts'

const BEFORE_FIRST = -1

export const rr: SchedulerFactory = () => {
  /** Place of the destination chosen last. */
  let cursor = BEFORE_FIRST
  return {
    pick(_flow, pool) {
      for (let step = 1; step <= pool.length; step++) {
        const index = (cursor + step) % pool.length
        const destination = pool[index]!
        if (!isEligible(destination)) continue
        cursor = index
        return destination
      }
      return null
    },
    poolChanged(_pool, change) {
      if (change.kind === 'attached') cursor = BEFORE_FIRST
      else if (cursor === BEFORE_FIRST) return
      else if (change.kind === 'added') cursor++
      // When the last chosen itself leaves, the round goes on behind its predecessor.
      else if (change.kind === 'removed' && change.index <= cursor) cursor--
    },
  }
}
