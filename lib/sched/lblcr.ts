/**
 * Locality-based least connection with replication: a virtual address has a set of destinations that grows when they are
 * crowded and shrinks when it has not changed for long. ipvsadm(8), `lblcr`.
 */

import type { Destination } from '../service/destination.ts'
import { overhead, type SchedulerFactory } from '../service/scheduler.ts'
import { leastByWeight } from './least-by-weight.ts'
import { type CacheEntry, DEFAULT_EXPIRATION_MS, isCrowded, LocalityCache } from './locality-cache.ts'

interface Entry extends CacheEntry {
  /** Newest first. */
  readonly replicas: Destination[]
  lastChangeMs: number
}

export const lblcr: SchedulerFactory = () => {
  let cache = new LocalityCache<Entry>()
  return {
    pick(flow, pool) {
      const { nowMs } = flow
      const entry = cache.use(flow)
      const replica = entry === undefined ? null : leastLoaded(entry.replicas)
      if (entry !== undefined) shrink(entry, nowMs)
      if (replica !== null && !isCrowded(replica, pool)) return replica
      const destination = leastByWeight(pool, overhead)
      if (destination === null) return null
      if (entry === undefined) {
        cache.set(flow, { replicas: [destination], lastChangeMs: nowMs, lastUseMs: nowMs })
      } else if (!entry.replicas.includes(destination)) {
        entry.replicas.unshift(destination)
        entry.lastChangeMs = nowMs
      }
      return destination
    },
    poolChanged(_pool, change) {
      if (change.kind === 'attached') cache = new LocalityCache()
    },
    passTime(nowMs) {
      cache.passTime(nowMs, DEFAULT_EXPIRATION_MS)
    },
  }
}

const leastLoaded = (replicas: readonly Destination[]): Destination | null =>
  leastByWeight(
    replicas.filter(({ isAvailable }) => isAvailable),
    overhead,
  )

/** A set that has long been the same loses its busiest member. */
function shrink(entry: Entry, nowMs: number): void {
  if (entry.replicas.length < 2 || nowMs <= entry.lastChangeMs + DEFAULT_EXPIRATION_MS) return
  const busiest = mostLoaded(entry.replicas)
  if (busiest !== null) entry.replicas.splice(entry.replicas.indexOf(busiest), 1)
  entry.lastChangeMs = nowMs
}

/** By load in proportion to weight, among those with a weight; of equals the newest. */
function mostLoaded(replicas: readonly Destination[]): Destination | null {
  let most: Destination | null = null
  for (const each of replicas) {
    if (each.weight === 0) continue
    if (most === null || overhead(most) * each.weight < overhead(each) * most.weight) most = each
  }
  return most
}
