/** Never queue: the first idle destination, whatever its weight; when none is idle, as sed. ipvsadm(8), `nq`. */

import type { Destination } from '../service/destination.ts'
import { isEligible, type SchedulerFactory } from '../service/scheduler.ts'
import { expectedDelay, judgeByWeight, leastByWeight } from './least-by-weight.ts'
import { judge } from './preview.ts'

export const nq: SchedulerFactory = () => ({
  pick: (_flow, pool) => firstIdle(pool) ?? leastByWeight(pool, expectedDelay),
  preview(_flow, pool) {
    const idle = firstIdle(pool)
    if (idle === null) return judgeByWeight(pool, expectedDelay, '(active + 1)')
    const against = ({ active }: Destination) => (active === 0 ? 'outdone' : 'not-idle')
    return judge(pool, { picked: idle, by: 'the first idle one', score: ({ active }) => active, against })
  },
})

const firstIdle = (pool: readonly Destination[]): Destination | null =>
  pool.find((destination) => destination.active === 0 && isEligible(destination)) ?? null
