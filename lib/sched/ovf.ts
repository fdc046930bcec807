/**
 * Weighted overflow: the heaviest destination until its active connections exceed its weight, then the next.
 * ipvsadm(8), `ovf`.
 */

import { isEligible, type SchedulerFactory } from '../service/scheduler.ts'
import { heaviest } from './heaviest.ts'

export const ovf: SchedulerFactory = () => ({
  pick: (_flow, pool) =>
    heaviest(pool, (destination) => isEligible(destination) && destination.active <= destination.weight),
})
