/** What so many connections take of memory, and how long their coming and going holds up everything else. */

import { tuneCompiler } from '../forwarder/compiler.ts'
import type { Director } from '../lib/director/director.ts'
import { Batch, makeDirector } from './load.ts'

export interface TableFigures {
  readonly connections: number
  /** Resident, all tables included. */
  readonly bytesEach: number
  /** The first time, when the system has to give the memory. */
  readonly insertNs: number
  /** From the first second to the last connection: aged, filed anew, expired. Of the calmest of three rounds. */
  readonly expireNs: number
  /** The longest single call of `passTime`. Of the calmest of three rounds: what comes each time is our own. */
  readonly longestPauseMs: number
}

const BATCH_PACKETS = 64
const ROUNDS = 3
/** New connections in a millisecond. */
const PER_MS = 1000
/** From one round's beginning to the next one's; every connection is gone by then. */
const ROUND_MS = 1_000_000

/** To be run first in a fresh process: resident memory that another measurement freed would be counted as free. */
export function runTable(connections: number): TableFigures {
  tuneCompiler()
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  const director = makeDirector({
    method: 'masquerading',
    family: 4,
    servers: 10,
    scheduler: 'rr',
    connectionLimit: connections,
  })
  const insertNs = fill(director, connections, 0)
  globalThis.gc?.()
  const bytesEach = (process.memoryUsage().rss - before) / connections
  const lives: Life[] = []
  for (let round = 0, nowMs = 0; round < ROUNDS; round++, nowMs += ROUND_MS) {
    if (round > 0) fill(director, connections, nowMs)
    lives.push(outlive(director, nowMs + connections / PER_MS))
  }
  const least = (of: (life: Life) => number) => Math.min(...lives.map(of))
  return {
    connections,
    bytesEach,
    insertNs,
    expireNs: (least(({ tookMs }) => tookMs) * 1e6) / connections,
    longestPauseMs: least((life) => life.longestPauseMs),
  }
}

/** Makes the connections, so many a millisecond from `fromMs` on; nanoseconds for each. */
function fill(director: Director, connections: number, fromMs: number): number {
  const batch = new Batch(director, 4, BATCH_PACKETS)
  let client = 0
  let spentNs = 0
  while (client < connections) {
    batch.fill(() => client++)
    spentNs += batch.process(fromMs + client / PER_MS)
  }
  if (director.connections.size !== connections) throw new Error('not every connection was made')
  return spentNs / connections
}

interface Life {
  readonly tookMs: number
  readonly longestPauseMs: number
}

/** Lets time pass from `fromMs` on, second by second, until every connection is gone. */
function outlive(director: Director, fromMs: number): Life {
  let tookMs = 0
  let longestPauseMs = 0
  for (let nowMs = fromMs; director.connections.size > 0; nowMs += 1000) {
    for (let isDone = false; !isDone; ) {
      const from = performance.now()
      isDone = director.passTime(nowMs)
      const pauseMs = performance.now() - from
      tookMs += pauseMs
      longestPauseMs = Math.max(longestPauseMs, pauseMs)
    }
  }
  return { tookMs, longestPauseMs }
}

export const formatTable = (figures: TableFigures): string => {
  const { connections, bytesEach, insertNs, expireNs, longestPauseMs } = figures
  const mebibytes = (bytesEach * connections) / 2 ** 20
  return [
    `${connections} connections: ${bytesEach.toFixed(0)} bytes each, all tables included, ${mebibytes.toFixed(0)} MiB in all`,
    `inserted in ${insertNs.toFixed(0)} ns, aged and expired in ${expireNs.toFixed(0)} ns each; longest pause ${longestPauseMs.toFixed(1)} ms`,
  ].join('\n')
}
