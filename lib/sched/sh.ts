/** Source hashing: a client always comes to the same destination, by a table of 256 slots. ipvsadm(8), `sh`. */

import { foldAddress } from '../bytes/address.ts'
import type { Destination } from '../service/destination.ts'
import { type Flow, isEligible, SCHEDULER_FLAG, type SchedulerFactory } from '../service/scheduler.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { judge } from './preview.ts'

const SLOTS = 256

/** Flag 1 (`sh-fallback`) probes on when the destination is unavailable; flag 2 (`sh-port`) hashes the port too. */
export const sh: SchedulerFactory = ({ flags: initialFlags }) => {
  let flags = initialFlags
  let table: readonly Destination[] = []
  const pick = (flow: Flow): Destination | null => {
    if (table.length === 0) return null
    const hash = slotOf(flow, (flags & SCHEDULER_FLAG['flag-2']) !== 0)
    const first = table[hash]!
    if (isEligible(first)) return first
    if ((flags & SCHEDULER_FLAG['flag-1']) === 0) return null
    // IPVS adds the hash to the probe and then again within it: the search starts at twice the hash.
    for (let offset = 0; offset < SLOTS; offset++) {
      const probed = table[(2 * hash + offset) % SLOTS]!
      if (isEligible(probed)) return probed
    }
    return null
  }
  return {
    pick,
    preview(flow, pool) {
      const hashesPort = (flags & SCHEDULER_FLAG['flag-2']) !== 0
      const slot = `slot ${slotOf(flow, hashesPort)} of ${SLOTS}`
      const by = `${slot}, by client address${hashesPort ? ' and port' : ''}`
      return judge(pool, { picked: pick(flow), by, against: 'other-slot' })
    },
    poolChanged(pool) {
      table = fillTable(pool)
    },
    flagsChanged(edited) {
      flags = edited
    },
  }
}

/** Each destination takes as many slots in a row as it has weight, a quiesced one a single slot, round and round. */
function fillTable(pool: readonly Destination[]): Destination[] {
  const table: Destination[] = []
  while (pool.length > 0 && table.length < SLOTS) {
    for (const destination of pool) {
      const share = Math.min(Math.max(destination.weight, 1), SLOTS - table.length)
      for (let slot = 0; slot < share; slot++) table.push(destination)
    }
  }
  return table
}

/** Multiplicative hash of the client, its top eight bits. */
function slotOf(flow: Flow, hashesPort: boolean): number {
  const address = foldAddress(flow.clientW0, flow.clientW1, flow.clientW2, flow.clientW3)
  const port = hashesPort && hasPorts(flow.protocol) ? flow.clientPort : 0
  return Math.imul((address + port) | 0, 0x61c88647) >>> 24
}

const hasPorts = (protocol: number): boolean =>
  protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp || protocol === PROTOCOL.sctp
