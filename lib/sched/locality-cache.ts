/** The memory of lblc and lblcr: what was decided for a virtual address, forgotten when it was long unused. */

import { foldAddress } from '../bytes/address.ts'
import type { Destination } from '../service/destination.ts'
import type { Flow } from '../service/scheduler.ts'

const BUCKETS = 1024
/** From this many entries on the cache is trimmed every minute. */
const SIZE_MAX = 16 * BUCKETS
/** The kernel has no bound between two checks. Here a bucket that is full forgets what it learnt first. */
const BUCKET_MAX = 256
const CHECK_PERIOD_MS = 60_000
/** Every thirtieth check looks at all entries. */
const CHECKS_PER_FULL_CHECK = 30
const TRIM_IDLE_MS = 360_000

export interface CacheEntry {
  lastUseMs: number
}

export class LocalityCache<Entry extends CacheEntry> {
  readonly #buckets = Array.from({ length: BUCKETS }, () => new Map<number | string, Entry>())
  #size = 0
  #rover = 0
  #counter = 1
  #nextCheckMs: number | null = null

  get size(): number {
    return this.#size
  }

  /** The entry for the flow's virtual address, marked as used now. */
  use(flow: Flow): Entry | undefined {
    const entry = this.peek(flow)
    if (entry !== undefined) entry.lastUseMs = flow.nowMs
    return entry
  }

  /** The entry for the flow's virtual address, left as it is. */
  peek(flow: Flow): Entry | undefined {
    return this.#bucketOf(flow).get(keyOf(flow))
  }

  set(flow: Flow, entry: Entry): void {
    const bucket = this.#bucketOf(flow)
    const before = bucket.size
    const key = keyOf(flow)
    if (before >= BUCKET_MAX && !bucket.has(key)) bucket.delete(bucket.keys().next().value as number | string)
    bucket.set(key, entry)
    this.#size += bucket.size - before
  }

  /** Does the checks that are due: one a minute. `expirationMs` is how long an entry may stay unused. */
  passTime(nowMs: number, expirationMs: number): void {
    this.#nextCheckMs ??= nowMs + CHECK_PERIOD_MS
    for (; nowMs >= this.#nextCheckMs; this.#nextCheckMs += CHECK_PERIOD_MS) this.#check(nowMs, expirationMs)
  }

  #check(nowMs: number, expirationMs: number): void {
    if (this.#counter % CHECKS_PER_FULL_CHECK === 0) {
      this.#sweep(nowMs, expirationMs, Number.POSITIVE_INFINITY)
      this.#counter = 1
    } else if (this.#size <= SIZE_MAX) {
      this.#counter++
    } else {
      const goal = Math.min(Math.floor(((this.#size - SIZE_MAX) * 4) / 3), SIZE_MAX / 2)
      this.#sweep(nowMs, TRIM_IDLE_MS, goal)
    }
  }

  /** Walks on from where it last stopped, until all buckets are seen or `goal` entries are gone. */
  #sweep(nowMs: number, idleMs: number, goal: number): void {
    let gone = 0
    for (let step = 0; step < BUCKETS && gone < goal; step++) {
      this.#rover = (this.#rover + 1) % BUCKETS
      const bucket = this.#buckets[this.#rover]!
      for (const [key, entry] of bucket) {
        if (nowMs < entry.lastUseMs + idleMs) continue
        bucket.delete(key)
        gone++
      }
    }
    this.#size -= gone
  }

  #bucketOf(flow: Flow): Map<number | string, Entry> {
    const address = foldAddress(flow.virtualW0, flow.virtualW1, flow.virtualW2, flow.virtualW3)
    return this.#buckets[Math.imul(address, 0x61c88647) >>> 22]!
  }
}

const keyOf = ({ virtualW0, virtualW1, virtualW2, virtualW3 }: Flow): number | string =>
  (virtualW1 | virtualW2 | virtualW3) === 0
    ? virtualW0
    : `${virtualW0} ${virtualW1} ${virtualW2} ${virtualW3}`

/** Busier than its weight while another is at less than half of its own. */
export const isCrowded = (destination: Destination, pool: readonly Destination[]): boolean =>
  destination.active > destination.weight && pool.some(({ active, weight }) => active * 2 < weight)
