import { beforeEach, describe, expect, it } from 'vitest'
import { ConnectionTable } from '../../lib/conn/connection-table.ts'
import type { ConnectionView } from '../../lib/conn/connection-view.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'
import { Restoration, type RestoreOptions, saveBuckets } from '../../lib/conn/snapshot.ts'
import { startTickOf, ticksFromSec } from '../../lib/conn/ticks.ts'
import { type ConnectionSpec, inboundOf, newConnection, outboundOf } from '../support/connections.ts'

const WEB: ConnectionSpec = {
  client: '10.9.0.1:3000',
  virtual: '10.0.0.1:80',
  destination: '192.168.1.1:8080',
}
const WEB_6: ConnectionSpec = {
  client: '[fd09::1]:3000',
  virtual: '[fd00::1]:80',
  destination: '192.168.1.2:80',
  method: 'ipip',
}

/** The first table's clock when it is saved, and the second's, of another process, when it is filled. */
const SAVED_MS = 10_000
const NOW_MS = 777_000

let table: ConnectionTable
beforeEach(() => {
  table = new ConnectionTable({ limit: 64, seed: 1, nowMs: 0 })
})

function create(spec: ConnectionSpec, timeoutSec = 900, flags = 0): number {
  const record = table.create({ ...newConnection(spec), flags: newConnection(spec).flags | flags }, SAVED_MS)
  table.words[record * RECORD_WORDS + WORD.timeoutTicks] = ticksFromSec(timeoutSec)
  table.prolong(record, startTickOf(SAVED_MS))
  return record
}

/** Saved whole in pieces of so many buckets, and put into a table of another size and seed. */
function restored(options: Partial<RestoreOptions> & { limit?: number; bucketsAPiece?: number } = {}) {
  const { limit = 1000, bucketsAPiece = 7 } = options
  const into = new ConnectionTable({ limit, seed: 99, nowMs: NOW_MS })
  const told: number[] = []
  const restoration = new Restoration(into, {
    nowMs: NOW_MS,
    elapsedMs: 0,
    destinationId: (id) => id,
    onRestored: (record) => told.push(record),
    ...options,
  })
  for (let first = 0; first < table.buckets; first += bucketsAPiece) {
    const piece = saveBuckets(table, { first, count: bucketsAPiece, nowMs: SAVED_MS })
    expect(restoration.put(piece)).toBe(true)
  }
  restoration.finish()
  expect([...into.records()].sort()).toEqual([...told].sort())
  return { into, counts: restoration.counts }
}

const viewsOf = (from: ConnectionTable, nowMs: number): ConnectionView[] =>
  [...from.records()]
    .map((record) => from.describe(record, nowMs))
    .sort((a, b) => a.client.port - b.client.port || a.fwmark - b.fwmark)

describe('a table that is saved and restored', () => {
  it('has the same connections, with the time that was left to each', () => {
    create(WEB)
    create(WEB_6, 60)
    create({ ...WEB, client: '10.9.0.1:3001', fwmark: 0xffff_fff7 | 0 }, 2)
    const { into, counts } = restored()
    expect(viewsOf(into, NOW_MS)).toEqual(viewsOf(table, SAVED_MS))
    expect(counts).toEqual({ restored: 3, leftOut: 0 })
  })

  it('finds them from either direction', () => {
    for (const spec of [WEB, WEB_6]) create(spec)
    const { into } = restored()
    for (const spec of [WEB, WEB_6]) {
      expect(into.findInbound(inboundOf(spec))).not.toBe(NONE)
      expect(into.findOutbound(outboundOf(spec))).toBe(into.findInbound(inboundOf(spec)))
    }
  })

  it('keeps state, packets, flags and the difference of checksums', () => {
    const base = create(WEB, 900, FLAG.noOutput) * RECORD_WORDS
    table.words[base + WORD.state] = 4
    table.words[base + WORD.inPackets] = 1234
    table.words[base + WORD.natDelta] = -99
    const { into } = restored()
    const restoredBase = into.findInbound(inboundOf(WEB)) * RECORD_WORDS
    for (const name of ['state', 'inPackets', 'natDelta', 'flags', 'timeoutTicks'] as const)
      expect(into.words[restoredBase + WORD[name]], name).toBe(table.words[base + WORD[name]])
  })

  it('has run on by the time between the two', () => {
    create(WEB, 900)
    create({ ...WEB, client: '10.9.0.1:3001' }, 60)
    const { into, counts } = restored({ elapsedMs: 60_000 })
    expect(viewsOf(into, NOW_MS).map(({ client, expiresSeconds }) => [client.port, expiresSeconds])).toEqual([
      [3000, 840],
    ])
    expect(counts).toEqual({ restored: 1, leftOut: 1 })
  })

  it('expires them when their time is up, and not before', () => {
    create(WEB, 2)
    create({ ...WEB, client: '10.9.0.1:3001' }, 4000)
    const { into } = restored()
    const gone: number[] = []
    const pass = (ms: number) => into.expire(NOW_MS + ms, 1000, (record) => gone.push(record))
    pass(1900)
    expect(gone).toHaveLength(0)
    pass(2100)
    expect(gone).toHaveLength(1)
    pass(3_999_900)
    expect(into.size).toBe(1)
    pass(4_000_100)
    expect(into.size).toBe(0)
  })

  it('ties connections to the template that controls them, wherever it lies', () => {
    const children = [1, 2, 3].map((port) => create({ ...WEB, client: `10.9.0.1:${port}` }))
    const template = create({ ...WEB, client: '10.9.0.1:0' }, 300, FLAG.template)
    for (const child of children) table.control(template, child)
    const { into } = restored({ bucketsAPiece: 1 })
    const isTemplate = (record: number) =>
      (into.words[record * RECORD_WORDS + WORD.flags]! & FLAG.template) !== 0
    const [restoredTemplate] = [...into.records()].filter(isTemplate)
    expect(into.words[restoredTemplate! * RECORD_WORDS + WORD.controlled]).toBe(3)
    for (const record of into.records()) {
      const controller = into.words[record * RECORD_WORDS + WORD.controller]
      expect(controller).toBe(isTemplate(record) ? NONE : restoredTemplate)
    }
  })

  it('finds templates by what a persistence engine knows them by', () => {
    const key = { ...newConnection({ ...WEB, client: '10.9.0.0:0' }) }
    for (const data of ['', 'a', 'call-1@example', '\u00e9\u00ff\u0000', 'x'.repeat(255)]) {
      const record = create({ ...WEB, client: '10.9.0.0:0' }, 300, FLAG.template)
      table.setEngineData(record, data)
    }
    const { into } = restored()
    for (const data of ['', 'a', 'call-1@example', '\u00e9\u00ff\u0000', 'x'.repeat(255)]) {
      const record = into.findTemplate(key, data)
      expect(into.engineData(record)).toBe(data)
    }
    expect(into.findTemplate(key, null)).toBe(NONE)
  })

  it('finds the same of several with one client and server: the newest', () => {
    create({ ...WEB, destinationId: 1 })
    create({ ...WEB, virtual: '10.0.0.2:80', destinationId: 2 })
    const { into } = restored()
    const found = into.findOutbound(outboundOf(WEB))
    expect(into.words[found * RECORD_WORDS + WORD.destinationId]).toBe(2)
  })

  it('knows a connection whose client port is yet to come', () => {
    create({ ...WEB, client: '10.9.0.1:0' }, 60, FLAG.noClientPort)
    const { into } = restored()
    const record = into.findInbound(inboundOf(WEB))
    expect(record).not.toBe(NONE)
    into.setClientPort(record, 3000)
    expect(into.findInbound(inboundOf(WEB))).toBe(record)
  })

  it('calls destinations what they are called now, and leaves out connections to those that are no more', () => {
    create({ ...WEB, destinationId: 5 })
    create({ ...WEB_6, destinationId: 6 })
    const { into, counts } = restored({ destinationId: (id) => (id === 5 ? 50 : null) })
    expect(viewsOf(into, NOW_MS).map(({ destinationId }) => destinationId)).toEqual([50])
    expect(counts).toEqual({ restored: 1, leftOut: 1 })
  })

  it('leaves out what a smaller table has no room for', () => {
    for (let port = 1; port <= 10; port++) create({ ...WEB, client: `10.9.0.1:${port}` })
    expect(restored({ limit: 4 }).counts).toEqual({ restored: 4, leftOut: 6 })
  })

  it('leaves out connections that need more than their record', () => {
    create(WEB, 900, FLAG.helped)
    create(WEB_6, 900, FLAG.fullNat)
    expect(restored().counts).toEqual({ restored: 0, leftOut: 0 })
  })

  it('does not tie a connection to a stranger that has taken its controller’s number', () => {
    const child = create({ ...WEB, destinationId: 1 })
    const stranger = create({ ...WEB_6, destinationId: 2 })
    table.control(stranger, child)
    const { into } = restored()
    const record = into.findInbound(inboundOf(WEB))
    expect(into.words[record * RECORD_WORDS + WORD.controller]).toBe(NONE)
  })
})

describe('a piece that is cut off', () => {
  it('is refused, wherever it is', () => {
    const record = create({ ...WEB, client: '10.9.0.0:0' }, 300, FLAG.template)
    table.setEngineData(record, 'call-1')
    const piece = saveBuckets(table, { first: 0, count: table.buckets, nowMs: SAVED_MS })
    const into = () =>
      new Restoration(new ConnectionTable({ limit: 8, seed: 1, nowMs: 0 }), {
        nowMs: 0,
        elapsedMs: 0,
        destinationId: (id) => id,
        onRestored: () => {},
      })
    expect(into().put(piece)).toBe(true)
    expect(into().put(new Int32Array(0))).toBe(true)
    for (let length = 1; length < piece.length; length++)
      expect(into().put(piece.slice(0, length)), `${length} of ${piece.length} words`).toBe(false)
  })
})
