/** Shortest expected delay: as wlc, counting only active connections, and the new one among them. ipvsadm(8), `sed`. */

import type { SchedulerFactory } from '../service/scheduler.ts'
import { expectedDelay, judgeByWeight, leastByWeight } from './least-by-weight.ts'

export const sed: SchedulerFactory = () => ({
  pick: (_flow, pool) => leastByWeight(pool, expectedDelay),
  preview: (_flow, pool) => judgeByWeight(pool, expectedDelay, '(active + 1)'),
})
