/** The schedulers that look at servers alone, each by its definition. */

import { ClassicWrr } from '../classic-wrr.ts'
import { isEligible, loadOf, type Rule, type Server } from './model.ts'

/** The one that costs least by its weight; of equals the first. Exactly, however large the numbers are. */
export function leastByWeight(servers: readonly Server[], costOf: (server: Server) => number): Server | null {
  const [first, ...others] = servers.filter(isEligible)
  if (first === undefined) return null
  return others.reduce((least, each) => {
    const [leastCost, cost] = [BigInt(costOf(least)), BigInt(costOf(each))]
    return leastCost * BigInt(each.weight) > cost * BigInt(least.weight) ? each : least
  }, first)
}

const heaviest = (servers: readonly Server[]): Server | null => {
  const most = Math.max(...servers.map(({ weight }) => weight))
  return servers.find(({ weight }) => weight === most) ?? null
}

const expectedDelay = ({ active }: Server): number => active + 1

/** The next one in the round after the one that was chosen last. */
export function rr(): Rule {
  let last: Server | null = null
  return {
    pick(pool) {
      const from = last === null ? 0 : pool.indexOf(last) + 1
      const round = [...pool.slice(from), ...pool.slice(0, from)]
      const next = round.find(isEligible) ?? null
      if (next !== null) last = next
      return next
    },
    changed(pool, kind, index) {
      // The round goes on behind the one before the one that left.
      if (kind === 'removed' && last !== null && !pool.includes(last)) last = pool[index - 1] ?? null
    },
  }
}

/** The live pool: a threshold falls, and lets the heavier ones through more often. */
export function wrr(pool: readonly Server[]): Rule {
  const classic = new ClassicWrr(pool)
  return { pick: () => classic.pick(), changed: () => classic.poolChanged() }
}

export const lc = (): Rule => ({
  pick(pool) {
    const eligible = pool.filter(isEligible)
    const least = Math.min(...eligible.map(loadOf))
    return eligible.find((each) => loadOf(each) === least) ?? null
  },
})

export const wlc = (): Rule => ({ pick: (pool) => leastByWeight(pool, loadOf) })

export const sed = (): Rule => ({ pick: (pool) => leastByWeight(pool, expectedDelay) })

export const nq = (): Rule => ({
  pick: (pool) =>
    pool.filter(isEligible).find(({ active }) => active === 0) ?? leastByWeight(pool, expectedDelay),
})

export const fo = (): Rule => ({ pick: (pool) => heaviest(pool.filter(isEligible)) })

export const ovf = (): Rule => ({
  pick: (pool) => heaviest(pool.filter(isEligible).filter(({ active, weight }) => active <= weight)),
})

/** Two numbers from 0 to the sum of all weights, both ends included, each of which a server's weight covers. */
export const twos = (): Rule => ({
  pick(pool, _asked, { draws }) {
    const eligible = pool.filter(isEligible)
    const sums = eligible.map((_, index) =>
      eligible.slice(0, index + 1).reduce((sum, { weight }) => sum + weight, 0),
    )
    const total = sums.at(-1) ?? 0
    const [one, other] = draws
      .map((draw) => Math.floor(draw * (total + 1)))
      .map((ticket) => eligible[sums.findIndex((sum) => ticket <= sum)])
    if (one === undefined || other === undefined) return null
    return BigInt(other.weight) * BigInt(loadOf(one)) > BigInt(one.weight) * BigInt(loadOf(other))
      ? other
      : one
  },
})
