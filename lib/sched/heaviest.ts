/** The choice that fo and ovf share. */

import type { Destination } from '../service/destination.ts'

/** The heaviest destination that `may` be taken, or null; of equals the earliest in the pool. */
export function heaviest(
  pool: readonly Destination[],
  may: (destination: Destination) => boolean,
): Destination | null {
  let best: Destination | null = null
  for (const destination of pool) {
    if ((best === null || destination.weight > best.weight) && may(destination)) best = destination
  }
  return best
}
