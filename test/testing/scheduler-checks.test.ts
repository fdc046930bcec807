import { describe, expect, it } from 'vitest'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import type { Destination } from '../../lib/service/destination.ts'
import {
  type Flow,
  isEligible,
  overhead,
  type Preview,
  type SchedulerFactory,
} from '../../lib/service/scheduler.ts'
import { type CheckName, type SchedulerCheckOptions, schedulerChecks } from '../../testing/index.ts'

type Pool = readonly Destination[]

/** A scheduler broken on purpose, and what the check must say about it. */
type Broken = readonly [defect: string, factory: SchedulerFactory, message: RegExp]

/** A scheduler without memory. */
const picking =
  (pick: (pool: Pool, flow: Flow) => Destination | null): SchedulerFactory =>
  () => ({ pick: (flow, pool) => pick(pool, flow) })

const firstEligible = (pool: Pool): Destination | null => pool.find(isEligible) ?? null

/** A preview that nobody is picked, before any is. */
const NOBODY: Preview = { picked: null, by: 'nothing', candidates: [] }

/** Survives the scheduler it belongs to. */
let leaked = 0

/** For every check, schedulers that it must catch: a check that nothing fails would be none. */
const BROKEN: Readonly<Record<CheckName, readonly Broken[]>> = {
  'empty-pool': [
    [
      'gives undefined',
      picking((pool) => pool[0] as Destination),
      /picked undefined, expected a destination/,
    ],
  ],
  'nobody-eligible': [
    ['takes the first', picking((pool) => pool[0] ?? null), /picked .* from a pool of a quiesced and/],
    ['forgets weight 0', picking((pool) => pool.find((each) => !each.isOverloaded) ?? null), /weight 0/],
    ['forgets overload', picking((pool) => pool.find((each) => each.weight > 0) ?? null), /overloaded\)/],
  ],
  'only-eligible': [
    [
      'stays with whom it once picked',
      () => {
        let last: Destination | null = null
        return {
          pick(_flow, pool) {
            last ??= firstEligible(pool)
            return last
          },
        }
      },
      /, overloaded\), expected one of/,
    ],
  ],
  'finds-eligible': [
    [
      'asks the first only',
      picking(([first]) => (first && isEligible(first) ? first : null)),
      /picked nobody of/,
    ],
  ],
  'only-destination': [
    [
      'declines one in seven',
      picking((pool, { clientPort }) => (clientPort % 7 ? firstEligible(pool) : null)),
      /nobody/,
    ],
  ],
  refill: [
    [
      'gives up for good once nobody is left',
      () => {
        let isOver = false
        return {
          pick: (_flow, pool) => (isOver ? null : firstEligible(pool)),
          poolChanged(pool, { kind }) {
            isOver ||= kind === 'removed' && pool.length === 0
          },
        }
      },
      /picked nobody, expected one of/,
    ],
    [
      'keeps the last one',
      () => {
        let kept: Pool = []
        return {
          pick: () => firstEligible(kept),
          poolChanged(pool) {
            if (pool.length > 0) kept = [...pool]
          },
        }
      },
      /from a pool that has become empty/,
    ],
  ],
  'attached-pool': [
    [
      'only counts who is added',
      () => {
        const added: Destination[] = []
        return {
          pick: () => firstEligible(added),
          poolChanged(_pool, change) {
            if (change.kind === 'added') added.push(change.destination)
          },
        }
      },
      /picked nobody, expected one of/,
    ],
  ],
  'weight-returns': [
    [
      'lets a quiesced destination never come back',
      () => {
        const quiesced = new Set<Destination>()
        return {
          pick: (_flow, pool) => firstEligible(pool.filter((each) => !quiesced.has(each))),
          poolChanged(_pool, change) {
            if (change.kind === 'edited' && change.destination.weight === 0) quiesced.add(change.destination)
          },
        }
      },
      /picked nobody, expected/,
    ],
  ],
  'hands-off': [
    [
      'sorts the pool',
      picking((pool) => firstEligible((pool as Destination[]).sort())),
      /changed '0' of the pool/,
    ],
    [
      'shortens the pool',
      picking((pool) => firstEligible([(pool as Destination[]).pop() as Destination])),
      /of the pool/,
    ],
    [
      'counts the connection itself',
      picking((pool) => {
        const picked = firstEligible(pool)
        picked?.bind(false)
        return picked
      }),
      /changed 'inactive' of the destination 172\.16\.0\.\d:80/,
    ],
    [
      'writes to the flow',
      picking((pool, flow) => (++flow.clientPort ? firstEligible(pool) : null)),
      /of the flow/,
    ],
    [
      'keeps the flow',
      () => {
        let last: Flow | null = null
        return {
          pick(flow, pool) {
            const isNew = last?.clientW0 !== flow.clientW0
            last = flow
            return isNew ? firstEligible(pool) : null
          },
        }
      },
      /read flow\.clientW0 after its pick/,
    ],
  ],
  repeatable: [
    [
      'begins where another life began',
      () => {
        const start = ++leaked
        return { pick: (_flow, pool) => pool.filter(isEligible).at(start % 3) ?? null }
      },
      /lived again/,
    ],
  ],
  'own-dice': [
    [
      'rolls its own dice',
      picking((pool) => pool[Math.floor(Math.random() * pool.length)] ?? null),
      /Math\.random/,
    ],
    [
      'reads the clock',
      picking((pool) => pool[Date.now() % pool.length] ?? null),
      /Date\.now\(\), expected it to use flow/,
    ],
    ['makes a date', picking((pool) => pool[new Date().getDay() % pool.length] ?? null), /new Date\(\)/],
    ['prints a date', picking((pool) => pool[Date().length % pool.length] ?? null), /Date\(\)/],
    ['measures', picking((pool) => pool[performance.now() % pool.length] ?? null), /performance\.now/],
  ],
  'own-memory': [
    [
      'shares its turns among services',
      picking((pool) => pool.filter(isEligible).at(++leaked % 3) ?? null),
      /while another service/,
    ],
  ],
  'equal-shares': [
    [
      'has a favourite',
      picking(firstEligible),
      /got 4000 of 4000 IPv4 clients, expected 800 to 1200|got 0 of/,
    ],
    [
      'looks at the first word of an address',
      picking((pool, { clientW0 }) => pool[(clientW0 >>> 28) % pool.length] ?? null),
      /IPv6 clients/,
    ],
  ],
  'weighted-shares': [
    ['takes turns', SCHEDULERS.rr, /of weight 1 got 1000 of 4000 IPv4 clients, expected 300 to 500/],
  ],
  'linear-cost': [
    [
      'compares each with each',
      picking(
        (pool) => pool.find((each) => pool.every((other) => overhead(each) <= overhead(other))) ?? null,
      ),
      /still reads on after \d+ reads/,
    ],
  ],
  'extreme-weights': [
    [
      'lowers its threshold one by one',
      picking((pool) => {
        for (let threshold = 0x7fff_ffff; threshold > 0; threshold--) {
          const met = pool.find((each) => isEligible(each) && each.weight >= threshold)
          if (met !== undefined) return met
        }
        return null
      }),
      /still reads on/,
    ],
    ['takes the heaviest', picking((pool) => pool[0] ?? null), /picked the heaviest destination/],
  ],
  'huge-pool': [
    [
      'gives up where there are many',
      picking((pool) => (pool.length > 100_000 ? null : firstEligible(pool))),
      /picked nobody of 150000/,
    ],
  ],
  previews: [
    [
      'says something else',
      () => ({
        pick: (_flow, pool) => firstEligible(pool),
        preview: (_flow, pool) => ({ ...NOBODY, picked: pool.filter(isEligible).at(-1) ?? null }),
      }),
      /picked .*, when its preview had said/,
    ],
    [
      'gives no chance to whom it picks',
      () => ({ pick: (_flow, pool) => firstEligible(pool), preview: () => NOBODY }),
      /picked .*, when its preview had said nobody/,
    ],
    [
      'says the truth, and takes longer steps from then on',
      () => {
        let turn = 0
        let step = 1
        const next = (pool: Pool) => pool.filter(isEligible).at(turn % 3) ?? null
        return {
          pick(_flow, pool) {
            const picked = next(pool)
            turn += step
            return picked
          },
          preview(_flow, pool) {
            step++
            return { ...NOBODY, picked: next(pool) }
          },
        }
      },
      /pick \d+ was .* after a preview/,
    ],
  ],
  'same-pick': [
    ['takes turns', SCHEDULERS.rr, /when it came again/],
    ['goes by load', SCHEDULERS.lc, /was led to .* when it came again/],
  ],
  'few-move': [
    [
      'divides',
      picking((pool, { clientW0 }) => pool[(clientW0 >>> 0) % pool.length] ?? null),
      /of 1999 clients moved when one/,
    ],
  ],
  'constant-cost': [
    [
      'scores everybody',
      SCHEDULERS.wlc,
      /read destinations \d+ times for a pick of 1000, expected at most 16/,
    ],
  ],
}

const runOf = (name: CheckName, factory: SchedulerFactory, options?: SchedulerCheckOptions): (() => void) =>
  schedulerChecks('mine', factory, options).find((each) => each.name === name)!.run

describe.each(Object.keys(BROKEN) as CheckName[])('the check %s', (name) => {
  it.each(BROKEN[name])('catches a scheduler that %s', (_defect, factory, message) => {
    const run = runOf(name, factory, { hashing: true })
    expect(run).toThrow(message)
    expect(run).toThrow(`scheduler 'mine' breaks '${name}': `)
  })
})

describe('schedulerChecks', () => {
  it('asks of a scheduler that computes nothing no more than of any', () => {
    const names = (hashing: boolean) =>
      schedulerChecks('rr', SCHEDULERS.rr, { hashing }).map(({ name }) => name)
    expect(names(true).filter((name) => !names(false).includes(name))).toEqual([
      'same-pick',
      'few-move',
      'constant-cost',
    ])
  })

  it('names each promise once', () => {
    const promises = schedulerChecks('rr', SCHEDULERS.rr, { hashing: true }).map(({ promise }) => promise)
    expect(new Set(promises).size).toBe(promises.length)
  })

  it('holds an exemption to its reason: the check must fail', () => {
    const exempt = { 'weighted-shares': 'equal turns' }
    expect(runOf('weighted-shares', SCHEDULERS.rr, { exempt })).not.toThrow()
    expect(runOf('weighted-shares', SCHEDULERS.wrr, { exempt })).toThrow(
      "scheduler 'mine' keeps 'weighted-shares', from which it is exempt: equal turns",
    )
  })

  it('says in the title of an exemption what is not promised, and why', () => {
    const exempt = { refill: 'it is for one life only' }
    const titles = schedulerChecks('mine', SCHEDULERS.rr, { exempt }).map(({ promise }) => promise)
    expect(titles).toContain(
      'does not promise it survives a pool that empties and fills again: it is for one life only',
    )
  })

  it.each([
    [
      { 'no-such-check': 'a reason' },
      /exemption 'no-such-check' of scheduler 'mine': expected one of: empty-pool nobody-/,
    ],
    [{ 'few-move': 'a reason' }, /exemption 'few-move' of .*: expected one of/],
    [{ refill: ' ' }, /exemption 'refill' of scheduler 'mine': expected a reason/],
  ])('refuses the exemption %j', (exempt, message) => {
    expect(() =>
      schedulerChecks('mine', SCHEDULERS.rr, {
        exempt: exempt as NonNullable<SchedulerCheckOptions['exempt']>,
      }),
    ).toThrow(message)
  })

  it('lets through what the scheduler itself throws, even where it is exempt', () => {
    const thrown = new TypeError('a defect of its own')
    const throwing = picking(() => {
      throw thrown
    })
    expect(runOf('refill', throwing)).toThrow(thrown)
    expect(runOf('refill', throwing, { exempt: { refill: 'a reason' } })).toThrow(thrown)
  })

  it('hands the flags to the factory', () => {
    const seen = new Set<number>()
    const spying: SchedulerFactory = ({ flags }) => {
      seen.add(flags)
      return { pick: () => null }
    }
    runOf('empty-pool', spying, { flags: 0x18 })()
    expect([...seen]).toEqual([0x18])
  })

  it('gives clock and chance back, even after a scheduler that asked for them', () => {
    const before = [Date, Date.now, Math.random, performance.now, process.hrtime, crypto.randomUUID]
    for (const factory of [SCHEDULERS.rr, picking(() => (Date.now() ? null : null))]) {
      try {
        runOf('own-dice', factory)()
      } catch (error) {
        expect(error).toMatchObject({ message: expect.stringContaining('Date.now()') })
      }
    }
    expect([Date, Date.now, Math.random, performance.now, process.hrtime, crypto.randomUUID]).toEqual(before)
    expect(Object.hasOwn(performance, 'now')).toBe(false)
  })

  it('lets a scheduler make dates of the times it is told', () => {
    const dating = picking((pool, { nowMs }) =>
      new Date(nowMs) instanceof Date ? firstEligible(pool) : null,
    )
    expect(runOf('own-dice', dating)).not.toThrow()
  })
})
