/** Weighted failover: the heaviest eligible destination takes everything; of equals, the newest. ipvsadm(8), `fo`. */

import type { SchedulerFactory } from '../service/scheduler.ts'
import { isEligible } from '../service/scheduler.ts'
import { heaviest } from './heaviest.ts'
import { judge } from './preview.ts'

export const fo: SchedulerFactory = () => ({
  pick: (_flow, pool) => heaviest(pool, isEligible),
  preview: (_flow, pool) =>
    judge(pool, {
      picked: heaviest(pool, isEligible),
      by: 'greatest weight',
      score: ({ weight }) => weight,
      against: 'lighter',
    }),
})
