/** The power of two choices: two destinations drawn by weight, the less loaded taken. ipvsadm(8), `twos`. */

import type { Destination } from '../service/destination.ts'
import { isEligible, overhead, type SchedulerFactory } from '../service/scheduler.ts'

export const twos: SchedulerFactory = ({ random }) => ({
  pick(_flow, pool) {
    const eligible = pool.filter(isEligible)
    const last = eligible.at(-1)
    if (last === undefined) return null
    const total = eligible.reduce((sum, { weight }) => sum + weight, 0)
    // As in the kernel both ends are included, which favours the first destination by a hair.
    const draw = () => drawn(eligible, Math.floor(random() * (total + 1))) ?? last
    const first = draw()
    const second = draw()
    return second.weight * overhead(first) > first.weight * overhead(second) ? second : first
  },
})

/** The destination at which the weights before and including it reach `ticket`. */
function drawn(eligible: readonly Destination[], ticket: number): Destination | undefined {
  let left = ticket
  return eligible.find(({ weight }) => {
    left -= weight
    return left <= 0
  })
}
