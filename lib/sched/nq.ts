/** Never queue: the first idle destination, whatever its weight; when none is idle, as sed. ipvsadm(8), `nq`. */

import { isEligible, type SchedulerFactory } from '../service/scheduler.ts'
import { leastByWeight } from './least-by-weight.ts'

export const nq: SchedulerFactory = () => ({
  pick(_flow, pool) {
    const idle = pool.find((destination) => destination.active === 0 && isEligible(destination))
    return idle ?? leastByWeight(pool, ({ active }) => active + 1)
  },
})
