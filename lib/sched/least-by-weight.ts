/** The comparison that wlc and its relatives share: the least cost in proportion to weight. */

import type { Destination } from '../service/destination.ts'
import { isEligible } from '../service/scheduler.ts'

/**
 * The eligible destination whose `cost / weight` is least, or null. Of equals the earliest in the pool. Products
 * are compared instead of quotients, as IPVS does, so a later destination of weight 0 can never win.
 */
export function leastByWeight(
  pool: readonly Destination[],
  cost: (destination: Destination) => number,
): Destination | null {
  let best: Destination | null = null
  let bestCost = 0
  for (const destination of pool) {
    if (best === null) {
      if (!isEligible(destination)) continue
    } else if (destination.isOverloaded) continue
    const own = cost(destination)
    if (best !== null && !isMore(bestCost, destination.weight, own, best.weight)) continue
    best = destination
    bestCost = own
  }
  return best
}

/** `a × b > c × d`, exactly: doubles where they are exact, 64-bit integers beyond. */
function isMore(a: number, b: number, c: number, d: number): boolean {
  const left = a * b
  const right = c * d
  if (left <= Number.MAX_SAFE_INTEGER && right <= Number.MAX_SAFE_INTEGER) return left > right
  return BigInt(a) * BigInt(b) > BigInt(c) * BigInt(d)
}
