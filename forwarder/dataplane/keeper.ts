/** What of the data path outlives its process: connections, given away and taken back piece by piece, and counters. */

import { FLAG, RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'
import { Restoration, saveBuckets } from '../../lib/conn/snapshot.ts'
import type { Director } from '../../lib/director/director.ts'
import {
  type DestinationKey,
  formatEndpoint,
  formatServiceKey,
  parseEndpoint,
  parseServiceKey,
  type ServiceKey,
} from '../../lib/service/key.ts'
import { NOBODY_ID } from '../../lib/service/nobody.ts'
import type { KeptCounters, RestoreCounts, SavedDestination, SavedPiece } from './messages.ts'

/** A piece ends once it is so long, or so many buckets were looked at: a fraction of a millisecond each. */
const PIECE_WORDS = 4096
const PIECE_BUCKETS = 65_536
const STEP_BUCKETS = 256

export class Keeper {
  readonly #director: Director
  readonly #now: () => number
  #restoration: Restoration | null = null
  /** Ids that the piece being taken back was saved with, to those of today. */
  #ids: ReadonlyMap<number, number> = new Map()

  constructor(director: Director, now: () => number) {
    this.#director = director
    this.#now = now
  }

  /** The connections of some buckets from `first` on, and where the next piece begins. */
  save(first: number): SavedPiece {
    const { connections } = this.#director
    const nowMs = this.#now()
    const ids = new Set<number>()
    const onSaved = (record: number) => {
      ids.add(connections.words[record * RECORD_WORDS + WORD.destinationId]!)
    }
    const parts: Int32Array[] = []
    const end = Math.min(first + PIECE_BUCKETS, connections.buckets)
    let at = first
    let length = 0
    for (; at < end && length < PIECE_WORDS; at += STEP_BUCKETS) {
      const part = saveBuckets(connections, { first: at, count: STEP_BUCKETS, nowMs, onSaved })
      parts.push(part)
      length += part.length
    }
    return {
      words: joined(parts, length),
      destinations: Array.from(ids, (id) => this.#nameOf(id)),
      next: at < connections.buckets ? at : null,
    }
  }

  /** Takes back a piece; false where it is none. The last must be followed by {@link Keeper.finish}. */
  restore({ words, destinations }: Omit<SavedPiece, 'next'>, elapsedMs: number): boolean {
    const { services, connections } = this.#director
    this.#restoration ??= new Restoration(connections, {
      nowMs: this.#now(),
      elapsedMs,
      destinationId: (saved) => this.#ids.get(saved) ?? null,
      onRestored: (record) => {
        const base = record * RECORD_WORDS
        const flags = connections.words[base + WORD.flags]!
        const destination = services.destination(connections.words[base + WORD.destinationId]!)
        const isTemplate = (flags & FLAG.template) !== 0
        destination.bind(isTemplate)
        if (!isTemplate && (flags & FLAG.inactive) === 0) destination.moveActivity(true)
      },
    })
    this.#ids = new Map(destinations.flatMap((each) => this.#idOf(each)))
    return this.#restoration.put(words)
  }

  /** Once every piece is back. */
  finish(): RestoreCounts {
    const counts = this.#restoration?.counts ?? { restored: 0, leftOut: 0 }
    this.#restoration?.finish()
    this.#restoration = null
    return counts
  }

  /** Counters go on from where they were. What is not there any more is passed over. */
  restoreCounters({ totals, services }: KeptCounters): void {
    const director = this.#director
    director.totals.restore(totals)
    for (const { id, counters, destinations } of services) {
      const service = director.services.get(parseServiceKey(id) as ServiceKey)
      service?.counters.restore(counters)
      for (const each of destinations)
        service?.find(parseEndpoint(each.endpoint) as DestinationKey)?.counters.restore(each.counters)
    }
  }

  #nameOf(id: number): SavedDestination {
    if (id === NOBODY_ID) return { id, service: null, endpoint: null }
    const destination = this.#director.services.destination(id)
    const service = formatServiceKey(destination.service.key)
    return { id, service, endpoint: formatEndpoint(destination) }
  }

  #idOf({ id, service, endpoint }: SavedDestination): [number, number][] {
    if (service === null) return [[id, NOBODY_ID]]
    const found = this.#director.services
      .get(parseServiceKey(service) as ServiceKey)
      ?.find(parseEndpoint(endpoint) as DestinationKey)
    return found ? [[id, found.id]] : []
  }
}

function joined(parts: readonly Int32Array[], length: number): Int32Array {
  const whole = new Int32Array(length)
  let filled = 0
  for (const part of parts) {
    whole.set(part, filled)
    filled += part.length
  }
  return whole
}
