/** The comparison that wlc and its relatives share: the least cost in proportion to weight. */

import type { Destination } from '../service/destination.ts'
import type { Preview } from '../service/scheduler.ts'
import { judge } from './preview.ts'

/**
 * The eligible destination whose `cost / weight` is least, or null. Of equals the earliest in the pool. Products
 * are compared instead of quotients, as IPVS does, so a later destination of weight 0 can never win.
 */
export function leastByWeight(
  pool: readonly Destination[],
  cost: (destination: Destination) => number,
): Destination | null {
  let best: Destination | null = null
  // Nobody yet: a cost at no weight, which everybody of some weight outdoes.
  let bestCost = 1
  let bestWeight = 0
  for (const destination of pool) {
    if (destination.isOverloaded) continue
    const { weight } = destination
    const own = cost(destination)
    if (!isMore(bestCost, weight, own, bestWeight)) continue
    best = destination
    bestCost = own
    bestWeight = weight
  }
  return best
}

/** The preview of a pick by {@link leastByWeight}; `costs` says what `cost` is. */
export const judgeByWeight = (
  pool: readonly Destination[],
  cost: (destination: Destination) => number,
  costs: string,
): Preview =>
  judge(pool, {
    picked: leastByWeight(pool, cost),
    by: `least ${costs} / weight`,
    score: (destination) => (destination.weight > 0 ? cost(destination) / destination.weight : null),
    against: 'outdone',
  })

/** The cost that sed and nq go by: active connections, the new one among them. */
export const expectedDelay = ({ active }: Destination): number => active + 1

/** `a × b > c × d`, exactly: doubles where they are exact, 64-bit integers beyond. */
function isMore(a: number, b: number, c: number, d: number): boolean {
  const left = a * b
  const right = c * d
  return left + right <= Number.MAX_SAFE_INTEGER
    ? left > right
    : BigInt(a) * BigInt(b) > BigInt(c) * BigInt(d)
}
