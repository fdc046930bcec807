/** Cases for the director: a world of services, and what happens in it, step by step. */

import fc from 'fast-check'
import { KNOBS, type KnobName } from '../../lib/director/knobs.ts'
import { HEADROOM_BYTES } from '../../lib/director/verdict.ts'
import { OFFLOAD, type Offload } from '../../lib/encode/offload.ts'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import { toHex } from '../../test/support/packets.ts'
import { type Aim, type Arriving, aim, arriving, handshake, opening, recipe } from './arrivals.ts'
import { inPieces, PIECE_ORDERS } from './pieces.ts'
import { type ServiceSpec, WORLD, type WorldSpec } from './world.ts'

export type Step = PacketStep | PassStep | Change

export interface PacketStep {
  readonly kind: 'packet'
  readonly hex: string
  readonly hook: 'inbound' | 'outbound'
  readonly mark: number
  readonly offload: Offload
  /** Room before the packet, on the second run; on the first there is always enough. */
  readonly headroomBytes: number
}

export interface PassStep {
  readonly kind: 'pass'
  readonly ms: number
}

/** What an operator does. */
export type Change =
  | { readonly kind: 'knob'; readonly name: KnobName; readonly value: number }
  | { readonly kind: 'add-service' | 'remove-service'; readonly service: string }
  | {
      readonly kind: 'edit-service'
      readonly service: string
      readonly scheduler: string
      readonly schedulerFlags: number
    }
  | { readonly kind: 'add-server' | 'remove-server'; readonly service: string; readonly server: string }
  | {
      readonly kind: 'edit-server'
      readonly service: string
      readonly server: string
      readonly weight: number
      readonly upperThreshold: number
    }

export interface Scenario extends WorldSpec {
  readonly steps: readonly Step[]
}

/** Everything is drawn apart and put together afterwards: so a case that fails is made smaller part by part. */
export const scenarios = (): fc.Arbitrary<Scenario> =>
  fc
    .record({
      aims: fc.array(aim(), { minLength: 1, maxLength: 3 }),
      others: fc.subarray([...WORLD], { maxLength: 2 }),
      schedulers: fc.array(scheduler(), { minLength: 1, maxLength: 3 }),
      knobs: fc.array(knob(), { maxLength: 4 }),
      connectionLimit: fc.constantFrom(12, 64, 3, 1),
      kernelForwards: fc.record({ masquerading: fc.boolean(), gatewaying: fc.boolean() }),
      randomSeed: fc.nat({ max: 0xffff }),
      answersEcho: fc.boolean(),
      recipes: fc.array(recipe(), { minLength: 1, maxLength: 8, size: 'max' }),
      events: fc.array(event(), { minLength: 1, maxLength: 30, size: 'max' }),
    })
    .map(({ aims, others, schedulers, knobs, recipes, events, ...rest }) => {
      const packets = recipes.map((each) => arriving(each, aims))
      return {
        ...rest,
        knobs: Object.fromEntries(knobs),
        services: servicesOf(aims, others, schedulers),
        steps: events.flatMap((each) => stepsOf(each, aims, packets)),
      }
    })

/** Those that packets are aimed at, and some more. */
function servicesOf(
  aims: readonly Aim[],
  others: readonly ServiceSpec[],
  schedulers: readonly Scheduling[],
): ServiceSpec[] {
  const wanted = WORLD.filter(
    (each) => others.includes(each) || aims.some(({ service }) => service === each.key),
  )
  return wanted.map((each, index) => ({ ...each, ...schedulers[index % schedulers.length] }))
}

interface Scheduling {
  readonly scheduler: string
  readonly schedulerFlags: number
}

const scheduler = (): fc.Arbitrary<Scheduling> =>
  fc.record({
    scheduler: fc.constantFrom(...Object.keys(SCHEDULERS), 'none'),
    schedulerFlags: fc.constantFrom(0, 0x08, 0x10, 0x18),
  })

/** Any knob, within what every knob may hold. */
const knob = (): fc.Arbitrary<[KnobName, number]> =>
  fc.tuple(fc.constantFrom(...(Object.keys(KNOBS) as KnobName[])), fc.constantFrom(1, 0, 2, 3))

/** A step without its packet, and without the service that it changes: both are chosen from those of the case. */
type Event =
  | {
      readonly kind: 'packet'
      readonly pick: number
      readonly offload: Offload
      readonly headroomBytes: number
      /** Null: the packet comes whole. */
      readonly pieces: { readonly dataBytes: number; readonly order: keyof typeof PIECE_ORDERS } | null
    }
  | { readonly kind: 'opening'; readonly pick: number; readonly isAnswered: boolean }
  | PassStep
  | { readonly kind: 'change'; readonly pick: number; readonly change: (aim: Aim) => Change }

const event = (): fc.Arbitrary<Event> =>
  fc.oneof(
    { weight: 14, arbitrary: packetEvent() },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('opening' as const),
        pick: fc.nat({ max: 2 }),
        isAnswered: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(...PASSING_MS) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('change' as const),
        pick: fc.nat({ max: 2 }),
        change: change(),
      }),
    },
  )

const PASSING_MS = [0, 50, 1000, 2000, 10_000, 61_000, 130_000, 900_000, 4_000_000]

const packetEvent = (): fc.Arbitrary<Event> =>
  fc.record({
    kind: fc.constant('packet' as const),
    pick: fc.nat({ max: 7 }),
    offload: fc.oneof(
      { weight: 3, arbitrary: fc.constant(OFFLOAD.finished) },
      fc.constantFrom(...Object.values(OFFLOAD)),
    ),
    headroomBytes: fc.constantFrom(HEADROOM_BYTES, 0, 19, 20),
    pieces: fc.oneof(
      { weight: 6, arbitrary: fc.constant(null) },
      fc.record({
        dataBytes: fc.constantFrom(8, 16, 32, 512),
        order: fc.constantFrom(...(Object.keys(PIECE_ORDERS) as (keyof typeof PIECE_ORDERS)[])),
      }),
    ),
  })

const change = (): fc.Arbitrary<(aim: Aim) => Change> =>
  fc.oneof(
    knob().map(([name, value]) => () => ({ kind: 'knob' as const, name, value })),
    fc.constantFrom('add-service' as const, 'remove-service' as const).map((kind) => ({ service }: Aim) => ({
      kind,
      service,
    })),
    scheduler().map((made) => ({ service }: Aim) => ({ kind: 'edit-service' as const, service, ...made })),
    fc
      .constantFrom('add-server' as const, 'remove-server' as const)
      .map((kind) => ({ service, at }: Aim) => ({ kind, service, server: at })),
    fc
      .record({ weight: fc.constantFrom(0, 1, 5, 0x7fff_ffff), upperThreshold: fc.constantFrom(0, 1, 3) })
      .map((settings) => ({ service, at }: Aim) => ({
        kind: 'edit-server' as const,
        service,
        server: at,
        ...settings,
      })),
  )

function stepsOf(each: Event, aims: readonly Aim[], packets: readonly Arriving[]): Step[] {
  if (each.kind === 'pass') return [each]
  if (each.kind === 'change') return [each.change(aims[each.pick % aims.length]!)]
  if (each.kind === 'opening') {
    const aimed = aims[each.pick % aims.length]!
    const sent = each.isAnswered ? handshake(aimed) : [opening(aimed)]
    return sent.map(({ bytes, ...how }) => ({ ...how, kind: 'packet', hex: toHex(bytes), ...PLAIN }))
  }
  const { pick, pieces, offload, headroomBytes } = each
  const { bytes, hook, mark } = packets[pick % packets.length]!
  const parts = pieces === null ? [bytes] : inPieces(bytes, pieces.dataBytes, pieces.order)
  return parts.map((part) => ({ kind: 'packet', hex: toHex(part), hook, mark, offload, headroomBytes }))
}

const PLAIN = { offload: OFFLOAD.finished, headroomBytes: HEADROOM_BYTES } as const
