import { describe, expect, it } from 'vitest'
import { LocalityCache } from '../../lib/sched/locality-cache.ts'
import type { Flow } from '../../lib/service/scheduler.ts'

const flowTo = (virtualW0: number, nowMs = 0) =>
  ({ virtualW0, virtualW1: 0, virtualW2: 0, virtualW3: 0, nowMs }) as Flow

/** More addresses than a full cache holds. */
const MANY = 400_000

describe('the cache of lblc and lblcr', () => {
  it('never holds more than its buckets do, and remembers what came last', () => {
    const cache = new LocalityCache<{ lastUseMs: number }>()
    for (let address = 0; address < MANY; address++) cache.set(flowTo(address), { lastUseMs: 0 })
    expect(cache.size).toBeLessThanOrEqual(1024 * 256)
    expect(cache.use(flowTo(MANY - 1))).toBeDefined()
    expect(cache.use(flowTo(0))).toBeUndefined()
  })

  it('is trimmed a minute later, down from what was long unused', () => {
    const cache = new LocalityCache<{ lastUseMs: number }>()
    for (let address = 0; address < 40_000; address++) cache.set(flowTo(address), { lastUseMs: 0 })
    cache.passTime(0, 86_400_000)
    for (let nowMs = 60_000; nowMs <= 1_800_000; nowMs += 60_000) cache.passTime(nowMs, 86_400_000)
    expect(cache.size).toBeLessThan(40_000)
  })
})
