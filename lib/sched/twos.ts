/** The power of two choices: two destinations drawn by weight, the less loaded taken. ipvsadm(8), `twos`. */

import type { Destination } from '../service/destination.ts'
import { ineligibility, isEligible, overhead, type SchedulerFactory } from '../service/scheduler.ts'

export const twos: SchedulerFactory = ({ random }) => ({
  pick(_flow, pool) {
    const eligible = pool.filter(isEligible)
    const last = eligible.at(-1)
    if (last === undefined) return null
    const total = totalWeight(eligible)
    // As in the kernel both ends are included, which favours the first destination by a hair.
    const draw = () => drawn(eligible, Math.floor(random() * (total + 1))) ?? last
    const first = draw()
    const second = draw()
    return carriesLess(second, first) ? second : first
  },
  preview(_flow, pool) {
    const eligible = pool.filter(isEligible)
    const chances = chancesOf(eligible)
    return {
      picked: eligible.length === 1 ? eligible[0]! : null,
      by: 'the lesser overhead / weight of two drawn by weight',
      candidates: pool.map((destination) => ({
        destination,
        score: destination.weight > 0 ? overhead(destination) / destination.weight : null,
        chance: chances.get(destination) ?? 0,
        passedOver: ineligibility(destination),
      })),
    }
  },
})

const totalWeight = (eligible: readonly Destination[]): number =>
  eligible.reduce((sum, { weight }) => sum + weight, 0)

/** The destination at which the weights before and including it reach `ticket`. */
function drawn(eligible: readonly Destination[], ticket: number): Destination | undefined {
  let left = ticket
  return eligible.find(({ weight }) => {
    left -= weight
    return left <= 0
  })
}

/** Strictly, in proportion to weight. */
const carriesLess = (one: Destination, other: Destination): boolean =>
  one.weight * overhead(other) > other.weight * overhead(one)

/**
 * How likely each is to be the one taken: when it is drawn first and the other does not carry less, or drawn second and the
 * other carries more.
 */
function chancesOf(eligible: readonly Destination[]): ReadonlyMap<Destination, number> {
  const tickets = totalWeight(eligible) + 1
  const share = new Map(
    eligible.map((each, index) => [each, (each.weight + (index === 0 ? 1 : 0)) / tickets]),
  )
  const byLoad = [...eligible].sort((one, other) =>
    carriesLess(one, other) ? -1 : carriesLess(other, one) ? 1 : 0,
  )
  const chances = new Map<Destination, number>()
  let heavier = 1
  for (let from = 0, to = 0; from < byLoad.length; from = to) {
    let equal = 0
    for (; to < byLoad.length && !carriesLess(byLoad[from]!, byLoad[to]!); to++)
      equal += share.get(byLoad[to]!)!
    heavier = Math.max(0, heavier - equal)
    for (const each of byLoad.slice(from, to)) chances.set(each, share.get(each)! * (2 * heavier + equal))
  }
  return chances
}
