/** What a director does as time goes by: forget what is due, take the statistics' snapshots, give up what it must. */

import type { ConnectionTable } from '../conn/connection-table.ts'
import { RECORD_WORDS, WORD } from '../conn/layout.ts'
import type { Protocol } from '../conn/protocol.ts'
import { type Counters, ESTIMATION_PERIOD_MS } from '../service/counters.ts'
import { NOBODY_ID } from '../service/nobody.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { Defence } from './defence.ts'
import type { Fragments } from './fragments.ts'
import type { Knobs } from './knobs.ts'

export interface HousekeepingParts {
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly totals: Counters
  readonly knobs: Knobs
  readonly defence: Defence
  readonly protocols: readonly (Protocol | undefined)[]
  readonly random: () => number
  readonly availablePages: () => number
  readonly fragments: Fragments
  /** Told of each connection that goes. */
  readonly unbind: (record: number) => void
  readonly nowMs: number
}

export class Housekeeping {
  readonly #parts: HousekeepingParts
  #nextEstimationMs: number
  /** Where the next piece of the search for orphans begins. */
  #orphanCursor = 1

  constructor(parts: HousekeepingParts) {
    this.#parts = parts
    this.#nextEstimationMs = parts.nowMs + ESTIMATION_PERIOD_MS
  }

  /** Looks at no more than `budget` connections for each purpose; false when more are due. */
  passTime(nowMs: number, budget: number): boolean {
    const { services, connections, knobs, defence, protocols, random, availablePages, unbind } = this.#parts
    if (nowMs >= this.#nextEstimationMs) {
      // After a stall the missed periods are left out: a snapshot taken twice at once would halve the rates.
      const missed = Math.floor((nowMs - this.#nextEstimationMs) / ESTIMATION_PERIOD_MS)
      this.#nextEstimationMs += (missed + 1) * ESTIMATION_PERIOD_MS
      if (knobs.run_estimation !== 0) this.#estimate()
      for (const { pool } of services) for (const destination of pool) destination.passTime(nowMs)
      services.sweepTrash(nowMs)
      for (const { scheduler } of services) scheduler?.passTime?.(nowMs)
      this.#parts.fragments.passTime(nowMs)
    }
    defence.passTime(nowMs, availablePages, connections.buckets)
    defence.dropEntries(connections, {
      budget,
      nowMs,
      random,
      protocol: (number) => protocols[number],
      isOnePacket: this.#isOnePacketTemplate,
      onRemoved: unbind,
    })
    if (knobs.expire_nodest_conn !== 0 && services.hasOrphans) this.#sweepOrphans(budget)
    return connections.expire(nowMs, budget, unbind)
  }

  /** With `expire_nodest_conn`, connections to removed destinations end; the table is gone through piece by piece. */
  #sweepOrphans(budget: number): void {
    const { services, connections, unbind } = this.#parts
    for (const record of connections.recordsFrom(this.#orphanCursor, budget)) {
      const base = record * RECORD_WORDS
      const destination = services.destination(connections.words[base + WORD.destinationId]!)
      const isOrphan = !destination.isAvailable && connections.words[base + WORD.controlled] === 0
      if (isOrphan && destination.id !== NOBODY_ID) connections.remove(record, unbind)
    }
    this.#orphanCursor = connections.cursorAfter(this.#orphanCursor, budget)
  }

  /** Whether the template's service schedules each datagram on its own. */
  readonly #isOnePacketTemplate = (template: number): boolean => {
    const { services, connections } = this.#parts
    const id = connections.words[template * RECORD_WORDS + WORD.destinationId]!
    return services.destination(id).service.settings.onePacket === true
  }

  #estimate(): void {
    const { services, totals } = this.#parts
    totals.estimate()
    for (const service of services) {
      service.counters.estimate()
      for (const destination of service.pool) destination.counters.estimate()
    }
  }
}
