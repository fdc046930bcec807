/** The connection table, dull: a list, newest first, that is searched from the front. */

import { expect } from 'vitest'
import type { ConnectionTable } from '../../../lib/conn/connection-table.ts'
import { NONE } from '../../../lib/conn/layout.ts'
import { tickOf } from '../../../lib/conn/ticks.ts'
import { type ConnectionSpec, inboundOf, outboundOf } from '../../../test/support/connections.ts'

export interface Entry {
  readonly spec: ConnectionSpec
  readonly record: number
  /** The first tick at which passing time removes it. */
  dueTick: number
  /** Ended now: no packet finds it, but it still takes a place until time is passed. */
  isHidden: boolean
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

export const visible = ({ entries }: Model): Entry[] => entries.filter(({ isHidden }) => !isHidden)

/** Nothing is due before the tick after the one up to which time was passed. */
export const dueAt = (model: Model, deadlineTick: number): number =>
  Math.max(deadlineTick, model.passedTick + 1)

/** Removes what passing time up to now removes, and answers with its records. */
export function expire(model: Model): number[] {
  const nowTick = tickOf(model.nowMs)
  const due = model.entries.filter(({ dueTick }) => dueTick <= nowTick)
  model.entries = model.entries.filter((entry) => !due.includes(entry))
  model.passedTick = Math.max(model.passedTick, nowTick)
  return due.map(({ record }) => record)
}

/** Where both directions of a connection lead; the newest of those that share endpoints. */
export function expectAgreement(model: Model, { table }: Real): void {
  expect(table.size, 'size').toBe(model.entries.length)
  const shown = visible(model)
  expect([...table.records()].sort(), 'records').toEqual(shown.map(({ record }) => record).sort())
  for (const { spec } of model.entries) {
    expect(table.findInbound(inboundOf(spec)), 'inbound').toBe(firstOf(shown, spec, inboundKey))
    expect(table.findOutbound(outboundOf(spec)), 'outbound').toBe(firstOf(shown, spec, outboundKey))
  }
}

export const inboundKey = ({ transport, client, virtual }: ConnectionSpec): string =>
  `${transport} ${client} > ${virtual}`

export const outboundKey = ({ transport, method, client, virtual, destination }: ConnectionSpec): string =>
  `${transport} ${method === 'masquerading' ? destination : virtual} > ${client}`

export const firstOf = (
  entries: readonly Entry[],
  spec: ConnectionSpec,
  keyOf: (spec: ConnectionSpec) => string,
): number => entries.find((entry) => keyOf(entry.spec) === keyOf(spec))?.record ?? NONE

export const describeSpec = (spec: ConnectionSpec): string =>
  `${spec.transport} ${spec.client} > ${spec.virtual} > ${spec.destination} ${spec.method}`
