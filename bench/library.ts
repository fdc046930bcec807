/**
 * Nanoseconds per packet of the library alone: no kernel, no queue. Each row is measured in a thread of its own, so that
 * none is compiled for what another one did; each figure is the minimum and the median of several rounds after a warm-up. A
 * round is the mean of its batches but for the slowest 2 %: those are other processes' time.
 */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { tuneCompiler } from '../forwarder/compiler.ts'
import type { ForwardingMethod } from '../lib/service/destination.ts'
import { Batch, type Family, makeDirector } from './load.ts'

export interface LibraryFigure {
  readonly name: string
  readonly connections: number
  readonly minNs: number
  readonly medianNs: number
}

/** How much is measured; the default takes a second or two a row. */
export interface Effort {
  readonly rounds: number
  readonly packetsPerRound: number
}

export interface LibraryRow {
  readonly name: string
  readonly connections: number
  /** Nanoseconds a packet, round by round. */
  measure(connections: number, effort?: Effort): number[]
}

const EFFORT: Effort = { rounds: 9, packetsPerRound: 400_000 }
const BATCH_PACKETS = 64
const COUNTED_SHARE = 0.98
const SPARE_CONNECTIONS = 1024
/** Long enough for every connection to have run out: UDP's timeout is 300 s. */
const LIFE_MS = 400_000

/** A walk over all clients in steps of many: cache misses as traffic has them. */
const scatter = (index: number, count: number): number => (index * 7_919 + 13) % count

/** Packets of connections that there are already. */
const established = (method: ForwardingMethod, family: Family, connections: number): LibraryRow => ({
  name: `established, ${method}, IPv${family}`,
  connections,
  measure(count, { rounds, packetsPerRound } = EFFORT) {
    const connectionLimit = count + SPARE_CONNECTIONS
    const director = makeDirector({ method, family, servers: 10, scheduler: 'rr', connectionLimit })
    const batch = new Batch(director, family, BATCH_PACKETS)
    let client = 0
    while (client < count) {
      batch.fill(() => client++)
      batch.process(1)
    }
    return inRounds(rounds, () => {
      const batchesNs: number[] = []
      for (let sent = 0; sent < packetsPerRound; sent += BATCH_PACKETS) {
        batch.fill(() => scatter(client++, count))
        batchesNs.push(batch.process(1))
      }
      return perPacketNs(batchesNs)
    })
  },
})

/** The first packets of new connections. All run out before the next round, which uses their memory again. */
const fresh = (scheduler: string, servers: number, connections: number): LibraryRow => ({
  name: `new connection, ${scheduler} over ${servers}`,
  connections,
  measure(count, { rounds } = EFFORT) {
    const connectionLimit = count + SPARE_CONNECTIONS
    const director = makeDirector({ method: 'masquerading', family: 4, servers, scheduler, connectionLimit })
    const batch = new Batch(director, 4, BATCH_PACKETS)
    let nowMs = 0
    return inRounds(rounds, () => {
      const batchesNs: number[] = []
      let client = 0
      while (client < count) {
        batch.fill(() => client++)
        batchesNs.push(batch.process(nowMs))
      }
      if (director.connections.size !== client) throw new Error('not every connection was new')
      nowMs += LIFE_MS
      while (!director.passTime(nowMs));
      return perPacketNs(batchesNs)
    })
  },
})

function perPacketNs(batchesNs: number[]): number {
  const counted = batchesNs.sort((a, b) => a - b).slice(0, Math.ceil(batchesNs.length * COUNTED_SHARE))
  return counted.reduce((sum, ns) => sum + ns, 0) / counted.length / BATCH_PACKETS
}

/** The figures of `rounds` rounds, behind two that do not count. */
function inRounds(rounds: number, round: () => number): number[] {
  round()
  round()
  return Array.from({ length: rounds }, round)
}

const SMALL = 1000
const LARGE = 1_000_000

export const LIBRARY_ROWS: readonly LibraryRow[] = [
  ...[SMALL, LARGE].flatMap((size) => [
    established('masquerading', 4, size),
    established('masquerading', 6, size),
    established('gatewaying', 4, size),
    established('gatewaying', 6, size),
    established('ipip', 4, size),
  ]),
  fresh('rr', 10, LARGE),
  fresh('mh', 100, LARGE),
  fresh('wlc', 100, LARGE),
]

/** Measures a row in this thread, with the compiler tuned as the daemon tunes it. */
export function measureRow({ name, connections, measure }: LibraryRow): LibraryFigure {
  tuneCompiler()
  const sorted = measure(connections).sort((a, b) => a - b)
  return {
    name,
    connections,
    minNs: sorted[0] as number,
    medianNs: sorted[sorted.length >> 1] as number,
  }
}

/** Every row, one after the other. */
export async function runLibrary(onFigure: (figure: LibraryFigure) => void): Promise<LibraryFigure[]> {
  const figures: LibraryFigure[] = []
  for (const index of LIBRARY_ROWS.keys()) {
    const worker = new Worker(new URL('./library-row.js', import.meta.url), { workerData: index })
    const [figure] = (await once(worker, 'message')) as [LibraryFigure]
    await worker.terminate()
    figures.push(figure)
    onFigure(figure)
  }
  return figures
}

export const LIBRARY_HEADING = `${'ns per packet'.padEnd(36)}${'conns'.padStart(10)}${'min'.padStart(8)}${'median'.padStart(8)}`

export const formatFigure = ({ name, connections, minNs, medianNs }: LibraryFigure): string =>
  `${name.padEnd(36)}${String(connections).padStart(10)}${minNs.toFixed(0).padStart(8)}${medianNs.toFixed(0).padStart(8)}`
