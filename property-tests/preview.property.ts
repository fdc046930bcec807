import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SCHEDULERS } from '../lib/sched/index.ts'
import type { Destination } from '../lib/service/destination.ts'
import { formatEndpoint, parseEndpoint } from '../lib/service/key.ts'
import { type Flow, isEligible, type Preview } from '../lib/service/scheduler.ts'
import { ServiceTable } from '../lib/service/service-table.ts'
import { granted, serviceKey, settingsOf } from '../test/support/stage.ts'
import { uint16, uint32 } from './arbitraries/address.ts'
import { weight } from './arbitraries/pool.ts'

type Name = keyof typeof SCHEDULERS
const NAMES = Object.keys(SCHEDULERS) as Name[]
const KEY = serviceKey('fwmark:1')

/** What can happen to a service's pool, and to the clock, between two connections. */
type Event =
  | { readonly kind: 'connect'; readonly client: number; readonly port: number; readonly virtual: number }
  | { readonly kind: 'close' | 'end' | 'remove'; readonly at: number }
  | { readonly kind: 'add'; readonly host: number; readonly weight: number; readonly upperThreshold: number }
  | { readonly kind: 'edit'; readonly at: number; readonly weight: number; readonly upperThreshold: number }
  | { readonly kind: 'pass'; readonly ms: number }

const settings = () => ({ weight: weight(), upperThreshold: fc.constantFrom(0, 0, 0, 1, 3) })

const events = (): fc.Arbitrary<Event[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant('connect' as const),
          client: uint32(),
          port: uint16(),
          virtual: fc.nat({ max: 3 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constantFrom('close' as const, 'end' as const, 'remove' as const),
          at: fc.nat({ max: 50 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('add' as const),
          host: fc.integer({ min: 1, max: 8 }),
          ...settings(),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('edit' as const), at: fc.nat({ max: 7 }), ...settings() }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('pass' as const),
          ms: fc.constantFrom(1000, 60_000, 90_000_000),
        }),
      },
    ),
    { minLength: 20, maxLength: 120 },
  )

/** A service that lives through events; `beforePick` sees every flow before it is placed. */
class Life {
  readonly picks: (string | null)[] = []
  readonly #table: ServiceTable
  readonly #connections: { readonly destination: Destination; isActive: boolean }[] = []
  readonly #beforePick: (preview: Preview, pool: readonly Destination[]) => void
  readonly #afterPick: (preview: Preview, picked: Destination | null) => void
  #nowMs = 0

  constructor(
    name: Name,
    flags: number,
    {
      seed = 1,
      beforePick = () => {},
      afterPick = () => {},
    }: {
      seed?: number
      beforePick?: (preview: Preview, pool: readonly Destination[]) => void
      afterPick?: (preview: Preview, picked: Destination | null) => void
    } = {},
  ) {
    this.#table = new ServiceTable({ schedulers: SCHEDULERS, random: dice(seed) })
    granted(this.#table.add(KEY, { scheduler: name, schedulerFlags: flags }))
    for (let host = 1; host <= 4; host++)
      this.#happen({ kind: 'add', host, weight: host % 3, upperThreshold: 0 })
    this.#beforePick = beforePick
    this.#afterPick = afterPick
  }

  live(story: readonly Event[], previews: number): void {
    for (const event of story) {
      if (event.kind === 'connect') this.#connect(event, previews)
      else this.#happen(event)
    }
  }

  #connect(event: Event & { kind: 'connect' }, previews: number): void {
    const { scheduler, pool } = this.#table.get(KEY)!
    const flow = Object.freeze(flowOf(event, this.#nowMs))
    let preview: Preview | null = null
    for (let call = 0; call < previews; call++) {
      preview = scheduler!.preview!(flow, pool)
      this.#beforePick(preview, pool)
    }
    const picked = scheduler!.pick(flow, pool)
    if (preview !== null) this.#afterPick(preview, picked)
    this.picks.push(picked === null ? null : formatEndpoint(picked))
    if (picked === null) return
    picked.bind(false)
    picked.moveActivity(true)
    this.#connections.push({ destination: picked, isActive: true })
  }

  #happen(event: Exclude<Event, { kind: 'connect' }>): void {
    const { pool, scheduler } = this.#table.get(KEY)!
    const target = 'at' in event ? pool[event.at % Math.max(1, pool.length)] : undefined
    if (event.kind === 'pass') {
      this.#nowMs += event.ms
      scheduler!.passTime?.(this.#nowMs)
    } else if (event.kind === 'add')
      this.#table.addDestination(KEY, parseEndpoint(`192.168.1.${event.host}:0`)!, settingsOf(event))
    else if (event.kind === 'edit') {
      if (target !== undefined) this.#table.editDestination(KEY, target, settingsOf(event))
    } else if (event.kind === 'remove') {
      if (target !== undefined) this.#table.removeDestination(KEY, target)
    } else if (this.#connections.length > 0) this.#finish(event.at, event.kind)
  }

  /** An active connection becomes inactive, or is gone. */
  #finish(at: number, kind: 'close' | 'end'): void {
    const index = at % this.#connections.length
    const connection = this.#connections[index]!
    if (kind === 'end') {
      connection.destination.unbind(false, !connection.isActive)
      this.#connections.splice(index, 1)
    } else if (connection.isActive) {
      connection.destination.moveActivity(false)
      connection.isActive = false
    }
  }
}

const flowOf = (
  { client, port, virtual }: { client: number; port: number; virtual: number },
  nowMs: number,
): Flow => ({
  protocol: 6,
  clientW0: client | 0,
  clientW1: 0,
  clientW2: 0,
  clientW3: 0,
  clientPort: port,
  virtualW0: 0x0a000001 + virtual,
  virtualW1: 0,
  virtualW2: 0,
  virtualW3: 0,
  virtualPort: 80,
  nowMs,
})

/** Numbers in [0, 1) from a seed: every run is the same. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
}

const FLAGS = fc.constantFrom(0, 0x08, 0x10, 0x18)
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

describe.each(NAMES)('the preview of %s', (name) => {
  it('tells whom the next pick takes, whatever has happened before', () => {
    fc.assert(
      fc.property(FLAGS, events(), (flags, story) => {
        new Life(name, flags, {
          afterPick({ picked: foreseen, candidates }, picked) {
            const possible = candidates.filter(({ chance }) => chance > 0)
            if (foreseen !== null || possible.length === 0) expect(picked).toBe(foreseen)
            else expect(possible.map(({ destination }) => destination)).toContain(picked)
          },
        }).live(story, 1)
      }),
      { numRuns: 100 },
    )
  })

  it('changes nothing: a life with previews in it comes to the same picks as one without', () => {
    fc.assert(
      fc.property(FLAGS, events(), fc.integer({ min: 1, max: 3 }), (flags, story, previews) => {
        const looked = new Life(name, flags)
        looked.live(story, previews)
        const unlooked = new Life(name, flags)
        unlooked.live(story, 0)
        expect(looked.picks).toEqual(unlooked.picks)
      }),
      { numRuns: 100 },
    )
  })

  it('says of everybody in the pool either what speaks against it or what chance it has', () => {
    fc.assert(
      fc.property(FLAGS, events(), (flags, story) => {
        new Life(name, flags, {
          beforePick({ picked, candidates, by }, pool) {
            expect(by).not.toBe('')
            expect(candidates.map(({ destination }) => destination)).toEqual(pool)
            for (const { destination, chance, passedOver } of candidates) {
              expect(chance > 0, `${destination.address} has a chance of ${chance}, and: ${passedOver}`).toBe(
                passedOver === null,
              )
              if (passedOver === 'quiesced') expect(destination.weight).toBe(0)
              else if (passedOver === 'overloaded') expect(destination.isOverloaded).toBe(true)
              else if (passedOver !== null) expect(isEligible(destination)).toBe(true)
              if (picked !== null) expect(chance).toBe(destination === picked ? 1 : 0)
            }
            const total = sum(candidates.map(({ chance }) => chance))
            if (total > 0) expect(total).toBeCloseTo(1, 9)
          },
        }).live(story, 1)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the chances that twos is given', () => {
  it('are how often it picks each, to within chance’s own spread', () => {
    const table = new ServiceTable({ schedulers: SCHEDULERS, random: dice(7) })
    const service = granted(table.add(KEY, { scheduler: 'twos', schedulerFlags: 0 }))
    for (const [host, weight, active] of [
      [1, 1, 0],
      [2, 3, 1],
      [3, 2, 5],
      [4, 6, 2],
      [5, 0, 0],
    ] as const) {
      const destination = granted(
        table.addDestination(KEY, parseEndpoint(`192.168.1.${host}:0`)!, settingsOf({ weight })),
      )
      destination.active = active
    }
    const flow = flowOf({ client: 1, port: 1, virtual: 0 }, 0)
    const { picked, candidates } = service.scheduler!.preview!(flow, service.pool)
    const picks = Array.from({ length: 40_000 }, () => service.scheduler!.pick(flow, service.pool))
    expect(picked).toBeNull()
    for (const { destination, chance } of candidates) {
      const share = picks.filter((each) => each === destination).length / picks.length
      expect(Math.abs(share - chance), `${destination.address}: ${share} for ${chance}`).toBeLessThan(0.01)
    }
  })
})
