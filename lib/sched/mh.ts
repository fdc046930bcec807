/**
 * Maglev hashing: a client always comes to the same destination, and few clients move when the pool changes.
 * D. E. Eisenbud et al., *Maglev*, NSDI 2016; ipvsadm(8), `mh`.
 */

import { foldAddress } from '../bytes/address.ts'
import type { Destination } from '../service/destination.ts'
import { type Flow, isEligible, SCHEDULER_FLAG, type SchedulerFactory } from '../service/scheduler.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { judge } from './preview.ts'
import { sipHash } from './sip-hash.ts'

/** Slots of the lookup table, a prime: the kernel's default size. */
const SLOTS = 4093
/** Weights are scaled down until the turns of the heaviest take at most so many bits. */
const TURN_BITS = 6
const placeHash = sipHash(2_654_435_761)
const strideHash = sipHash(2_654_446_892)

/** The slot that a client looks in, and the one where a destination begins to look for free ones. */
const place = (key: number): number => (placeHash(key) >>> 0) % SLOTS
/** How far a destination goes on from each slot to the next. */
const stride = (key: number): number => ((strideHash(key) >>> 0) % (SLOTS - 1)) + 1

/** Flag 1 (`mh-fallback`) tries other slots when the destination is unavailable; flag 2 (`mh-port`) hashes the port too. */
export const mh: SchedulerFactory = ({ flags: initialFlags }) => {
  let flags = initialFlags
  let table: readonly Destination[] = []
  const pick = (flow: Flow): Destination | null => {
    if (table.length === 0) return null
    const key = keyOf(flow, (flags & SCHEDULER_FLAG['flag-2']) !== 0)
    const first = place(key)
    const destination = table[first]!
    if (isEligible(destination)) return destination
    if ((flags & SCHEDULER_FLAG['flag-1']) === 0) return null
    for (let offset = 0; offset < SLOTS; offset++) {
      const probed = table[place((key + ((offset + first) % SLOTS)) | 0)]!
      if (isEligible(probed)) return probed
    }
    return null
  }
  return {
    pick,
    preview(flow, pool) {
      const hashesPort = (flags & SCHEDULER_FLAG['flag-2']) !== 0
      const slot = `slot ${place(keyOf(flow, hashesPort))} of ${SLOTS}`
      const by = `${slot}, by client address${hashesPort ? ' and port' : ''}`
      return judge(pool, { picked: pick(flow), by, against: 'other-slot' })
    },
    poolChanged(pool) {
      // More destinations than slots cannot all have one; as the kernel does, keep the table as it is.
      if (pool.length <= SLOTS) table = fillTable(pool)
    },
    flagsChanged(edited) {
      flags = edited
    },
  }
}

/** Each destination in turn takes as many free slots of its own permutation as it has turns, until all are taken. */
function fillTable(pool: readonly Destination[]): readonly Destination[] {
  const claims = claimsOf(pool)
  if (claims.length === 0) return []
  const table = new Array<Destination | undefined>(SLOTS).fill(undefined)
  for (let taken = 0; ; ) {
    for (const claim of claims) {
      for (let turn = 0; turn < claim.turns; turn++) {
        while (table[claim.at] !== undefined) claim.at = (claim.at + claim.skip) % SLOTS
        table[claim.at] = claim.destination
        if (++taken === SLOTS) return table as Destination[]
      }
    }
  }
}

interface Claim {
  readonly destination: Destination
  readonly turns: number
  readonly skip: number
  at: number
}

/** By the last weight above 0: quiescing a destination moves nobody else's clients. */
function claimsOf(pool: readonly Destination[]): Claim[] {
  const weighted = pool.filter(({ lastWeight }) => lastWeight > 0)
  const divisor = weighted.reduce((common, { lastWeight }) => gcd(common, lastWeight), 0)
  const heaviest = weighted.reduce((most, { lastWeight }) => Math.max(most, lastWeight), 0)
  const shift = Math.max(0, 32 - Math.clz32(heaviest / divisor) - TURN_BITS)
  return weighted.map((destination) => {
    const isIpv6Service =
      destination.service.key.kind === 'address'
        ? destination.service.key.address.family === 6
        : destination.service.key.family === 6
    const { w0, w1, w2, w3 } = destination.address
    const address = isIpv6Service ? foldAddress(w0, w1, w2, w3) : w0
    const key = (address + destination.port) | 0
    return {
      destination,
      turns: Math.max(1, Math.floor(destination.lastWeight / divisor) >> shift),
      skip: stride(key),
      at: place(key),
    }
  })
}

function keyOf(flow: Flow, hashesPort: boolean): number {
  const address = foldAddress(flow.clientW0, flow.clientW1, flow.clientW2, flow.clientW3)
  const { protocol } = flow
  const hasPorts = protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp || protocol === PROTOCOL.sctp
  return (address + (hashesPort && hasPorts ? flow.clientPort : 0)) | 0
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
