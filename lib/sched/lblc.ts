/**
 * Locality-based least connection: a virtual address keeps its destination until that is crowded, for caches behind
 * services on a firewall mark. ipvsadm(8), `lblc`.
 */

import type { Destination } from '../service/destination.ts'
import { overhead, type SchedulerFactory } from '../service/scheduler.ts'
import { leastByWeight } from './least-by-weight.ts'
import { type CacheEntry, DEFAULT_EXPIRATION_MS, isCrowded, LocalityCache } from './locality-cache.ts'

interface Entry extends CacheEntry {
  readonly destination: Destination
}

export const lblc: SchedulerFactory = () => {
  let cache = new LocalityCache<Entry>()
  return {
    pick(flow, pool) {
      const cached = cache.use(flow)?.destination
      if (cached?.isAvailable && cached.weight > 0 && !isCrowded(cached, pool)) return cached
      const destination = leastByWeight(pool, overhead)
      if (destination !== null && destination !== cached)
        cache.set(flow, { destination, lastUseMs: flow.nowMs })
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
