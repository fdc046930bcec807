/**
 * Locality-based least connection: a virtual address keeps its destination until that is crowded, for caches behind
 * services on a firewall mark. ipvsadm(8), `lblc`.
 */

import type { Destination } from '../service/destination.ts'
import { overhead, type SchedulerFactory } from '../service/scheduler.ts'
import { judgeByWeight, leastByWeight } from './least-by-weight.ts'
import { type CacheEntry, isCrowded, LocalityCache } from './locality-cache.ts'
import { judge } from './preview.ts'

interface Entry extends CacheEntry {
  readonly destination: Destination
}

export const lblc: SchedulerFactory = ({ knobs }) => {
  let cache = new LocalityCache<Entry>()
  return {
    pick(flow, pool) {
      const kept = cache.use(flow)?.destination ?? null
      const destination = choose(kept, pool)
      if (destination !== null && destination !== kept)
        cache.set(flow, { destination, lastUseMs: flow.nowMs })
      return destination
    },
    preview(flow, pool) {
      const kept = cache.peek(flow)?.destination ?? null
      if (kept !== null && mayStay(kept, pool))
        return judge(pool, { picked: kept, by: 'kept for the virtual address', against: 'not-kept' })
      const preview = judgeByWeight(pool, overhead, 'overhead')
      return kept === null
        ? preview
        : { ...preview, by: `${preview.by}, who was kept being unfit or crowded` }
    },
    poolChanged(_pool, change) {
      if (change.kind === 'attached') cache = new LocalityCache()
    },
    passTime(nowMs) {
      cache.passTime(nowMs, knobs.lblc_expiration * 1000)
    },
  }
}

/** Whether the destination kept for an address goes on to be; its threshold does not matter. */
const mayStay = (kept: Destination, pool: readonly Destination[]): boolean =>
  kept.isAvailable && kept.weight > 0 && !isCrowded(kept, pool)

const choose = (kept: Destination | null, pool: readonly Destination[]): Destination | null =>
  kept !== null && mayStay(kept, pool) ? kept : leastByWeight(pool, overhead)
