/**
 * Weighted overflow: the heaviest destination until its active connections exceed its weight, then the next.
 * ipvsadm(8), `ovf`.
 */

import type { Destination } from '../service/destination.ts'
import { isEligible, type SchedulerFactory } from '../service/scheduler.ts'
import { heaviest } from './heaviest.ts'
import { judge } from './preview.ts'

export const ovf: SchedulerFactory = () => ({
  pick: (_flow, pool) => heaviest(pool, hasRoom),
  preview: (_flow, pool) =>
    judge(pool, {
      picked: heaviest(pool, hasRoom),
      by: 'greatest weight, until as many are active',
      score: ({ weight }) => weight,
      against: (destination) => (hasRoom(destination) ? 'lighter' : 'full'),
    }),
})

const hasRoom = (destination: Destination): boolean =>
  isEligible(destination) && destination.active <= destination.weight
