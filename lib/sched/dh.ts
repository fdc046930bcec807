/**
 * Destination hashing: a virtual address always leads to the same destination, for services on a firewall mark.
 * ipvsadm(8), `dh`.
 */

import { foldAddress } from '../bytes/address.ts'
import type { Destination } from '../service/destination.ts'
import { isEligible, type SchedulerFactory } from '../service/scheduler.ts'

const SLOTS = 256

export const dh: SchedulerFactory = () => {
  let table: readonly Destination[] = []
  return {
    pick(flow) {
      if (table.length === 0) return null
      const address = foldAddress(flow.virtualW0, flow.virtualW1, flow.virtualW2, flow.virtualW3)
      const destination = table[Math.imul(address, 0x61c88647) >>> 24]!
      return destination.isAvailable && isEligible(destination) ? destination : null
    },
    poolChanged(pool, change) {
      // Weights do not matter to the table, so an edit leaves it alone.
      if (change.kind === 'edited') return
      table = pool.length === 0 ? [] : Array.from({ length: SLOTS }, (_, slot) => pool[slot % pool.length]!)
    },
  }
}
