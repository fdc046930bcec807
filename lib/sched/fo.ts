/** Weighted failover: the heaviest eligible destination takes everything; of equals, the newest. ipvsadm(8), `fo`. */

import type { SchedulerFactory } from '../service/scheduler.ts'
import { isEligible } from '../service/scheduler.ts'
import { heaviest } from './heaviest.ts'

export const fo: SchedulerFactory = () => ({ pick: (_flow, pool) => heaviest(pool, isEligible) })
