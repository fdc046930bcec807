import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SCHEDULERS } from '../lib/sched/index.ts'
import type { Destination } from '../lib/service/destination.ts'
import { parseEndpoint } from '../lib/service/key.ts'
import { type Flow, isEligible, overhead } from '../lib/service/scheduler.ts'
import { ServiceTable } from '../lib/service/service-table.ts'
import { granted, serviceKey, settingsOf } from '../test/support/stage.ts'
import { hugeWeight, members, type PoolMember, poolEvents, weight } from './arbitraries/pool.ts'
import { ClassicWrr } from './model/classic-wrr.ts'

const KEY = serviceKey('tcp:10.0.0.1:80')
const FLOW: Flow = {
  protocol: 6,
  clientW0: 1,
  clientW1: 0,
  clientW2: 0,
  clientW3: 0,
  clientPort: 1,
  virtualW0: 2,
  virtualW1: 0,
  virtualW2: 0,
  virtualW3: 0,
  virtualPort: 80,
  nowMs: 0,
}

class Bench {
  readonly table = new ServiceTable({ schedulers: SCHEDULERS, random: () => 0.5 })
  readonly service = granted(this.table.add(KEY, { scheduler: 'none', schedulerFlags: 0 }))
  #added = 0

  constructor(scheduler: keyof typeof SCHEDULERS, pool: readonly Partial<PoolMember>[]) {
    for (const { weight, ...state } of pool) Object.assign(this.add(weight ?? 1), state)
    granted(this.table.edit(KEY, { scheduler, schedulerFlags: 0 }))
  }

  add(weight: number): Destination {
    const at = parseEndpoint(`192.168.${++this.#added >>> 8}.${this.#added & 255}:80`)!
    return granted(this.table.addDestination(KEY, at, settingsOf({ weight })))
  }

  pick(): Destination | null {
    return this.service.scheduler!.pick(FLOW, this.service.pool)
  }

  /** How often each of the pool was picked, in so many picks. */
  shares(picks: number): number[] {
    const picked = Array.from({ length: picks }, () => this.pick())
    return this.service.pool.map((destination) => picked.filter((each) => each === destination).length)
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

describe('wrr', () => {
  it('gives each destination exactly its weight’s share of every full cycle', () => {
    fc.assert(
      fc.property(
        fc.array(weight(), { minLength: 1, maxLength: 6 }),
        fc.nat({ max: 50 }),
        (weights, before) => {
          fc.pre(sum(weights) > 0)
          const divisor = weights.reduce(gcd)
          const cycle = sum(weights) / divisor
          const bench = new Bench(
            'wrr',
            weights.map((each) => ({ weight: each })),
          )
          bench.shares(before) // a cycle may begin anywhere
          const newestFirst = [...weights].reverse()
          expect(bench.shares(cycle)).toEqual(newestFirst.map((each) => each / divisor))
          expect(bench.shares(cycle)).toEqual(newestFirst.map((each) => each / divisor))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('picks as the classic algorithm does, step by step, whatever happens to the pool', () => {
    fc.assert(
      fc.property(members(), poolEvents(), (pool, events) => {
        const bench = new Bench('wrr', pool)
        const classic = new ClassicWrr(bench.service.pool)
        for (const event of events) {
          const { pool: now } = bench.service
          const target = 'at' in event ? now[event.at % Math.max(now.length, 1)] : undefined
          if (event.kind === 'pick') expect(bench.pick()).toBe(classic.pick())
          else if (event.kind === 'overload')
            Object.assign(target ?? {}, { isOverloaded: event.isOverloaded })
          else {
            if (event.kind === 'add') bench.add(event.weight)
            else if (target === undefined) continue
            else if (event.kind === 'remove') bench.table.removeDestination(KEY, target)
            else bench.table.editDestination(KEY, target, settingsOf({ weight: event.weight }))
            classic.poolChanged()
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('rr', () => {
  it('gives every eligible destination its turn before any gets another', () => {
    fc.assert(
      fc.property(members(), fc.nat({ max: 20 }), (pool, before) => {
        const bench = new Bench('rr', pool)
        bench.shares(before)
        const eligible = bench.service.pool.filter(isEligible)
        const round = Array.from({ length: eligible.length }, () => bench.pick())
        expect(new Set(round)).toEqual(new Set(eligible))
      }),
      { numRuns: 300 },
    )
  })
})

describe('lc and wlc', () => {
  it('lc picks the newest of those that carry least', () => {
    fc.assert(
      fc.property(members(hugeWeight()), (pool) => {
        const bench = new Bench('lc', pool)
        const eligible = bench.service.pool.filter(isEligible)
        const least = Math.min(...eligible.map(overhead))
        expect(bench.pick()).toBe(eligible.find((each) => overhead(each) === least) ?? null)
      }),
      { numRuns: 300 },
    )
  })

  it('wlc picks one than which none carries less in proportion to its weight, compared exactly', () => {
    fc.assert(
      fc.property(members(hugeWeight()), (pool) => {
        const bench = new Bench('wlc', pool)
        const eligible = bench.service.pool.filter(isEligible)
        const picked = bench.pick()
        expect(picked === null).toBe(eligible.length === 0)
        for (const other of eligible) {
          const ours = BigInt(overhead(picked!)) * BigInt(other.weight)
          const theirs = BigInt(overhead(other)) * BigInt(picked!.weight)
          expect(ours <= theirs, `${other.address} carries less`).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('keep long connections in proportion: never more than one away from the ideal', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }), (weights) => {
        for (const name of ['lc', 'wlc'] as const) {
          const ideal = name === 'lc' ? weights.map(() => 1) : weights
          const bench = new Bench(
            name,
            weights.map((each) => ({ weight: each })),
          )
          const total = 20 * sum(ideal)
          for (let connection = 0; connection < total; connection++) {
            const picked = bench.pick()!
            picked.bind(false)
            picked.moveActivity(true)
          }
          const carried = bench.service.pool.map(({ active }) => active)
          expect(sum(carried)).toBe(total)
          const wanted = [...ideal].reverse().map((each) => 20 * each)
          for (const [index, active] of carried.entries()) {
            expect(Math.abs(active - wanted[index]!), `${name}: ${carried}`).toBeLessThanOrEqual(
              weights.length,
            )
          }
        }
      }),
      { numRuns: 60 },
    )
  })
})
