import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConnectionTable } from '../lib/conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../lib/conn/layout.ts'
import { Restoration, saveBuckets } from '../lib/conn/snapshot.ts'
import { ticksFromSec } from '../lib/conn/ticks.ts'
import { type ConnectionSpec, inboundOf, newConnection, outboundOf } from '../test/support/connections.ts'
import { crowdedConnection } from './arbitraries/connection.ts'

const LIMIT = 24

// The clocks stand at whole ticks below: in between, a deadline may be rounded up by one.

/** A connection or a template, how long it lives, its state and packets, and which earlier one controls it. */
const entry = () =>
  fc.record({
    spec: crowdedConnection(),
    flags: fc.constantFrom(0, FLAG.inactive, FLAG.noOutput, FLAG.template),
    timeoutSec: fc.integer({ min: 1, max: 4000 }),
    state: fc.nat({ max: 11 }),
    inPackets: fc.integer(),
    destinationId: fc.constantFrom(1, 2, 3),
    controller: fc.option(fc.nat({ max: LIMIT - 1 })),
    data: fc.option(fc.string({ unit: 'binary-ascii', maxLength: 40 })),
  })

/** What can be told of a connection from outside. */
const told = (table: ConnectionTable, record: number, nowMs: number) => {
  if (record === NONE) return null
  const base = record * RECORD_WORDS
  const controller = table.words[base + WORD.controller]!
  return {
    ...table.describe(record, nowMs),
    controlled: table.words[base + WORD.controlled],
    controller: controller === NONE ? null : table.describe(controller, nowMs),
  }
}

describe('saving and restoring connections', () => {
  it('is the identity for lookups in both directions, templates, control and counts', () => {
    fc.assert(
      fc.property(
        fc.array(entry(), { maxLength: LIMIT }),
        fc.integer({ min: 1, max: 300 }),
        fc.constantFrom(0, 12_300, 3 * 365 * 86_400_000),
        fc.constantFrom(0, 54_300, 5 * 365 * 86_400_000),
        (entries, bucketsAPiece, savedMs, nowMs) => {
          const before = new ConnectionTable({ limit: LIMIT, seed: 5, nowMs: savedMs })
          const records = entries.map((each, index) => fill(before, each, index, savedMs))
          const after = new ConnectionTable({ limit: 2 * LIMIT, seed: -7, nowMs })
          const counted = new Map<number, number>()
          const restoration = new Restoration(after, {
            nowMs,
            elapsedMs: 0,
            destinationId: (id) => id,
            onRestored: (record) => {
              const id = after.words[record * RECORD_WORDS + WORD.destinationId]!
              counted.set(id, (counted.get(id) ?? 0) + 1)
            },
          })
          for (let first = 0; first < before.buckets; first += bucketsAPiece)
            restoration.put(saveBuckets(before, { first, count: bucketsAPiece, nowMs: savedMs }))
          restoration.finish()

          expect(after.size).toBe(records.length)
          for (const id of [1, 2, 3])
            expect(counted.get(id) ?? 0).toBe(
              entries.filter(({ destinationId }) => destinationId === id).length,
            )
          for (const { spec, data } of entries) {
            const lookups = (table: ConnectionTable, ms: number) => [
              told(table, table.findInbound(inboundOf(spec)), ms),
              told(table, table.findOutbound(outboundOf(spec)), ms),
              told(table, table.findTemplate(newConnection(spec), data), ms),
            ]
            expect(lookups(after, nowMs)).toEqual(lookups(before, savedMs))
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  interface Entry {
    readonly spec: ConnectionSpec
    readonly flags: number
    readonly timeoutSec: number
    readonly state: number
    readonly inPackets: number
    readonly destinationId: number
    readonly controller: number | null
    readonly data: string | null
  }

  function fill(table: ConnectionTable, entry: Entry, index: number, nowMs: number): number {
    const { spec, flags, destinationId, timeoutSec, state, inPackets, controller, data } = entry
    const record = table.create({ ...newConnection(spec), flags, destinationId }, nowMs)
    const base = record * RECORD_WORDS
    table.words[base + WORD.timeoutTicks] = ticksFromSec(timeoutSec)
    table.words[base + WORD.state] = state
    table.words[base + WORD.inPackets] = inPackets
    table.prolong(record, Math.ceil(nowMs / 100))
    if (data !== null && (flags & FLAG.template) !== 0) table.setEngineData(record, data)
    // Records of a fresh table are numbered in order from 1. One that controls leads to the same destination.
    if (controller !== null && controller < index) {
      const sameServer = table.words[(controller + 1) * RECORD_WORDS + WORD.destinationId] === destinationId
      if (sameServer) table.control(controller + 1, record)
    }
    return record
  }
})
