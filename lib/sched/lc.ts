/** Least connection: the eligible destination that carries least; of equals, the newest. ipvsadm(8), `lc`. */

import type { Destination } from '../service/destination.ts'
import { isEligible, overhead, type SchedulerFactory } from '../service/scheduler.ts'
import { judge } from './preview.ts'

export const lc: SchedulerFactory = () => ({
  pick: (_flow, pool) => leastLoaded(pool),
  preview: (_flow, pool) =>
    judge(pool, { picked: leastLoaded(pool), by: 'least overhead', score: overhead, against: 'outdone' }),
})

function leastLoaded(pool: readonly Destination[]): Destination | null {
  let best: Destination | null = null
  let least = 0
  for (const destination of pool) {
    if (!isEligible(destination)) continue
    const load = overhead(destination)
    if (best !== null && load >= least) continue
    best = destination
    least = load
  }
  return best
}
