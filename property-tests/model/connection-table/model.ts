/** The connection table, dull: a list, newest first, that is searched from the front. */

import { expect } from 'vitest'
import type { ConnectionTable } from '../../../lib/conn/connection-table.ts'
import { FLAG, NONE } from '../../../lib/conn/layout.ts'
import type { NewConnection } from '../../../lib/conn/new-connection.ts'
import { tickOf } from '../../../lib/conn/ticks.ts'
import {
  type ConnectionSpec,
  inboundOf,
  newConnection,
  outboundOf,
} from '../../../test/support/connections.ts'

export interface Entry {
  spec: ConnectionSpec
  readonly record: number
  /** The first tick at which passing time removes it. */
  dueTick: number
  /** Ended now: no packet finds it, but it still takes a place until time is passed. */
  isHidden: boolean
  /** Its client's port is not known yet: the spec's stands for any. */
  isPortless: boolean
  /** Binds a client: no packet finds it. */
  readonly template: { readonly data: string | null; isInvalid: boolean; isAssured: boolean } | null
  /** What it depends on: that outlives it. */
  controller: Entry | null
}

export interface Model {
  entries: Entry[]
  nowMs: number
  /** Time was last passed up to this tick. */
  passedTick: number
}

export interface Real {
  readonly table: ConnectionTable
  readonly removed: number[]
}

export const LIMIT = 6
/** So long lives on what is due while it controls others. */
const POSTPONED_TICKS = 600

export const visible = ({ entries }: Model): Entry[] => entries.filter(({ isHidden }) => !isHidden)

/** Connections, visible or not. */
export const controls = ({ entries }: Model, entry: Entry): boolean =>
  entries.some(({ controller }) => controller === entry)

/** A new entry is the newest. */
export function enter(
  model: Model,
  entry: Pick<Entry, 'spec' | 'record' | 'dueTick'> & Partial<Entry>,
): void {
  model.entries.unshift({ isHidden: false, isPortless: false, template: null, controller: null, ...entry })
}

/** Nothing is due before the tick after the one up to which time was passed. */
export const dueAt = (model: Model, deadlineTick: number): number =>
  Math.max(deadlineTick, model.passedTick + 1)

/** Removes what passing time up to now removes, and answers with its records. */
export function expire(model: Model): number[] {
  const nowTick = tickOf(model.nowMs)
  const isDue = ({ dueTick }: Entry) => dueTick <= nowTick
  for (const entry of model.entries)
    if (isDue(entry) && controls(model, entry)) entry.dueTick = Math.ceil(model.nowMs / 100) + POSTPONED_TICKS
  const due = model.entries.filter(isDue)
  model.entries = model.entries.filter((entry) => !isDue(entry))
  model.passedTick = Math.max(model.passedTick, nowTick)
  return due.map(({ record }) => record)
}

/** Whether something and what it controls are ever due in the same moment: which goes first, nobody promises. */
export const hasTie = ({ entries }: Model): boolean =>
  entries.some(
    ({ controller, dueTick }) =>
      controller !== null && (dueTick - controller.dueTick) % POSTPONED_TICKS === 0,
  )

/** When time should stop on its way: where something that is controlled, or controls, is due. */
export const nextStopMs = ({ entries }: Model): number =>
  Math.min(
    ...entries.flatMap(({ controller, dueTick }) =>
      controller === null ? [] : [dueTick * 100, controller.dueTick * 100],
    ),
  )

/** Where both directions of a connection lead; the newest of those that share endpoints. */
export function expectAgreement(model: Model, { table }: Real): void {
  expect(table.size, 'size').toBe(model.entries.length)
  const shown = visible(model)
  expect([...table.records()].sort(), 'records').toEqual(shown.map(({ record }) => record).sort())
  for (const { spec, template } of model.entries) {
    expect(table.findInbound(inboundOf(spec)), 'inbound').toBe(firstInbound(model, spec))
    expect(table.findOutbound(outboundOf(spec)), 'outbound').toBe(firstOutbound(model, spec))
    if (template === null) continue
    const found = table.findTemplate(templateOf(spec), template.data)
    expect(found, 'template').toBe(firstTemplate(model, spec, template.data))
  }
}

const inboundKey = ({ transport, client, virtual }: ConnectionSpec): string =>
  `${transport} ${client} > ${virtual}`

const outboundKey = ({ transport, method, client, virtual, destination }: ConnectionSpec): string =>
  `${transport} ${method === 'masquerading' ? destination : virtual} > ${client}`

const withoutPort = (spec: ConnectionSpec): string =>
  inboundKey({ ...spec, client: spec.client.replace(/\d+$/, '*') })

/** What binds the spec's client: whatever its port. */
export const templateOf = (spec: ConnectionSpec): NewConnection => {
  const whole = newConnection(spec)
  return { ...whole, clientPort: 0, flags: whole.flags | FLAG.template }
}

/** By its own endpoints; where there is none, one whose client's port is not known yet. */
export function firstInbound(model: Model, spec: ConnectionSpec): number {
  const shown = visible(model).filter(({ template }) => template === null)
  const exact = shown.find((each) => !each.isPortless && inboundKey(each.spec) === inboundKey(spec))
  const portless = shown.find((each) => each.isPortless && withoutPort(each.spec) === withoutPort(spec))
  return (exact ?? portless)?.record ?? NONE
}

export function firstOutbound(model: Model, spec: ConnectionSpec): number {
  const shown = visible(model).filter(({ template, isPortless }) => template === null && !isPortless)
  return shown.find((each) => outboundKey(each.spec) === outboundKey(spec))?.record ?? NONE
}

/** Made with the same data, or all of them without. */
export function firstTemplate(model: Model, spec: ConnectionSpec, data: string | null): number {
  const found = visible(model).find(
    ({ spec: own, template }) =>
      template !== null &&
      !template.isInvalid &&
      template.data === data &&
      withoutPort(own) === withoutPort(spec),
  )
  return found?.record ?? NONE
}

export const describeSpec = (spec: ConnectionSpec): string =>
  `${spec.transport} ${spec.client} > ${spec.virtual} > ${spec.destination} ${spec.method}`
