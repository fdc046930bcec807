/** Weighted least connection, the default: the least load in proportion to weight. ipvsadm(8), `wlc`. */

import { overhead, type SchedulerFactory } from '../service/scheduler.ts'
import { judgeByWeight, leastByWeight } from './least-by-weight.ts'

export const wlc: SchedulerFactory = () => ({
  pick: (_flow, pool) => leastByWeight(pool, overhead),
  preview: (_flow, pool) => judgeByWeight(pool, overhead, 'overhead'),
})
