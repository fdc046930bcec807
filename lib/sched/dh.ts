/**
 * Destination hashing: a virtual address always leads to the same destination, for services on a firewall mark.
 * ipvsadm(8), `dh`.
 */

import { foldAddress } from '../bytes/address.ts'
import type { Destination } from '../service/destination.ts'
import { type Flow, isEligible, type SchedulerFactory } from '../service/scheduler.ts'
import { judge } from './preview.ts'

const SLOTS = 256

export const dh: SchedulerFactory = () => {
  let table: readonly Destination[] = []
  const pick = (flow: Flow): Destination | null => {
    if (table.length === 0) return null
    const destination = table[slotOf(flow)]!
    return destination.isAvailable && isEligible(destination) ? destination : null
  }
  return {
    pick,
    preview: (flow, pool) =>
      judge(pool, {
        picked: pick(flow),
        by: `slot ${slotOf(flow)} of ${SLOTS}, by virtual address`,
        against: 'other-slot',
      }),
    poolChanged(pool, change) {
      // Weights do not matter to the table, so an edit leaves it alone.
      if (change.kind === 'edited') return
      table = pool.length === 0 ? [] : Array.from({ length: SLOTS }, (_, slot) => pool[slot % pool.length]!)
    },
  }
}

/** Multiplicative hash of the virtual address, its top eight bits. */
function slotOf({ virtualW0, virtualW1, virtualW2, virtualW3 }: Flow): number {
  return Math.imul(foldAddress(virtualW0, virtualW1, virtualW2, virtualW3), 0x61c88647) >>> 24
}
