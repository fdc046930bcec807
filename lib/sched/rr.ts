/** Round robin: each eligible destination in turn, whatever its weight. ipvsadm(8), `rr`. */

import type { Destination } from '../service/destination.ts'
import { isEligible, type SchedulerFactory } from '../service/scheduler.ts'
import { judge } from './preview.ts'

const BEFORE_FIRST = -1
const NOBODY = -1

export const rr: SchedulerFactory = () => {
  /** Place of the destination chosen last. */
  let cursor = BEFORE_FIRST
  return {
    pick(_flow, pool) {
      const index = nextAfter(cursor, pool)
      if (index === NOBODY) return null
      cursor = index
      return pool[index]!
    },
    preview(_flow, pool) {
      const last = cursor
      return judge(pool, {
        picked: pool[nextAfter(last, pool)] ?? null,
        by: 'the next in turn',
        score: (_destination, index) => ((index - last - 1 + pool.length) % pool.length) + 1,
        against: 'later-turn',
      })
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

/** Place of the first eligible destination behind `last`, all the way round to itself, or {@link NOBODY}. */
function nextAfter(last: number, pool: readonly Destination[]): number {
  for (let step = 1; step <= pool.length; step++) {
    const index = (last + step) % pool.length
    if (isEligible(pool[index]!)) return index
  }
  return NOBODY
}
