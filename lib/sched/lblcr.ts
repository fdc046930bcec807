/**
 * Locality-based least connection with replication: a virtual address has a set of destinations that grows when they are
 * crowded and shrinks when it has not changed for long. ipvsadm(8), `lblcr`.
 */

import type { Destination } from '../service/destination.ts'
import { overhead, type SchedulerFactory } from '../service/scheduler.ts'
import { judgeByWeight, leastByWeight } from './least-by-weight.ts'
import { type CacheEntry, isCrowded, LocalityCache } from './locality-cache.ts'
import { judge } from './preview.ts'

interface Entry extends CacheEntry {
  /** Newest first. */
  readonly replicas: Destination[]
  lastChangeMs: number
}

export const lblcr: SchedulerFactory = ({ knobs }) => {
  let cache = new LocalityCache<Entry>()
  return {
    pick(flow, pool) {
      const { nowMs } = flow
      const entry = cache.use(flow)
      const replica = fitReplica(entry, pool)
      if (entry !== undefined) shrink(entry, nowMs, knobs.lblcr_expiration * 1000)
      if (replica !== null) return replica
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
    preview(flow, pool) {
      const entry = cache.peek(flow)
      const picked = fitReplica(entry, pool)
      if (entry === undefined || picked === null) {
        const preview = judgeByWeight(pool, overhead, 'overhead')
        return entry === undefined ? preview : { ...preview, by: `${preview.by}, those kept being crowded` }
      }
      return judge(pool, {
        picked,
        by: `least overhead / weight of the ${entry.replicas.length} kept for the virtual address`,
        score: (destination) => (destination.weight > 0 ? overhead(destination) / destination.weight : null),
        against: (destination) => (entry.replicas.includes(destination) ? 'outdone' : 'not-kept'),
      })
    },
    poolChanged(_pool, change) {
      if (change.kind === 'attached') cache = new LocalityCache()
    },
    passTime(nowMs) {
      cache.passTime(nowMs, knobs.lblcr_expiration * 1000)
    },
  }
}

/** The least loaded of those kept for the address, unless it is crowded. */
function fitReplica(entry: Entry | undefined, pool: readonly Destination[]): Destination | null {
  if (entry === undefined) return null
  const available = entry.replicas.filter(({ isAvailable }) => isAvailable)
  const least = leastByWeight(available, overhead)
  return least === null || isCrowded(least, pool) ? null : least
}

/** A set that has long been the same loses its busiest member. */
function shrink(entry: Entry, nowMs: number, expiresAfterMs: number): void {
  if (entry.replicas.length < 2 || nowMs <= entry.lastChangeMs + expiresAfterMs) return
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
