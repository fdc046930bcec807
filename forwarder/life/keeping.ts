/** Keeps the state file up to date, and puts what is in one in force. */

import { readFileSync } from 'node:fs'
import type { ConfiguredService } from '../../control/configuration.ts'
import { identityOf } from '../../control/identity.ts'
import { ServiceSettings } from '../../control/schema.ts'
import { formatServiceKey, parseServiceKey, type ServiceKey } from '../../lib/service/key.ts'
import { type DataplaneHost, unrefused } from '../dataplane/host.ts'
import type { KeptCounters, RestoreCounts, SavedPiece } from '../dataplane/messages.ts'
import type { Ledger } from '../ledger.ts'
import { endpointId, serviceId } from '../registry.ts'
import { type Piece, type State, type StateHeader, writeState } from './state-file.ts'

export interface KeepingParts {
  readonly dataplane: Pick<DataplaneHost, 'ask'>
  readonly ledger: Pick<Ledger, 'configuration' | 'lingering' | 'replace'>
  readonly version: string
}

/** Writes the state again and again; returns how to end that. One that could not be written is logged, and tried again. */
export function keepEvery(
  periodMs: number,
  keeper: StateKeeper,
  log: { error(details: object, message: string): void },
): () => void {
  let isSaving = false
  const keeping = setInterval(() => {
    if (isSaving) return
    isSaving = true
    keeper
      .save()
      .catch((error: Error) => log.error({ err: error }, 'the state could not be kept'))
      .finally(() => {
        isSaving = false
      })
  }, periodMs)
  return () => clearInterval(keeping)
}

export class StateKeeper {
  readonly #path: string
  readonly #parts: KeepingParts
  #turn: Promise<unknown> = Promise.resolve()

  constructor(path: string, parts: KeepingParts) {
    this.#path = path
    this.#parts = parts
  }

  /** Writes the state as it is now. Calls take turns; one that throws leaves the former file in place. */
  save(): Promise<void> {
    const saved = this.#turn.then(async () =>
      writeState(this.#path, await headerOf(this.#parts), piecesOf(this.#parts.dataplane)),
    )
    this.#turn = saved.catch(() => undefined)
    return saved
  }
}

/**
 * Puts a state in force on a data path that has no services yet and lets no packets in.
 * Returns what became of the connections, null where they could not be read.
 */
export async function restore(
  { header, pieces }: State,
  { dataplane, ledger }: Omit<KeepingParts, 'version'>,
): Promise<RestoreCounts | null> {
  const { services, timeouts, knobs } = header
  // What lingers is made anew for as long as its connections come back, and removed again.
  await ledger.replace({ services: withLingering(header), timeouts, knobs })
  for (const { words, destinations } of pieces ?? []) {
    const piece = { words, destinations, elapsedMs: elapsedMs(header) }
    const isPiece = unrefused(await dataplane.ask({ kind: 'restore-connections', ...piece }))
    if (!isPiece) throw new Error('the state file has a sound checksum, but holds what no uipvs has written')
  }
  const counts = unrefused(await dataplane.ask({ kind: 'end-restoring' }))
  await dataplane.ask({ kind: 'restore-counters', counters: header.counters })
  await ledger.replace({ services })
  return pieces === null ? null : counts
}

async function headerOf({ dataplane, ledger, version }: KeepingParts): Promise<StateHeader> {
  const shown = unrefused(await dataplane.ask({ kind: 'services' }))
  const { totals } = unrefused(await dataplane.ask({ kind: 'statistics' }))
  const counters: KeptCounters = {
    totals,
    services: shown.map((service) => ({
      id: service.id,
      counters: service.counters,
      destinations: service.destinations.map((each) => ({
        endpoint: endpointId(each),
        counters: each.counters,
      })),
    })),
  }
  const lingering = ledger.lingering.map(({ key, config }) => ({
    service: formatServiceKey(key),
    destination: config,
  }))
  // A header is written as JSON: nothing shares these arrays once it is.
  return {
    version,
    ...thisMoment(),
    ...ledger.configuration,
    lingering,
    counters: counters as StateHeader['counters'],
  }
}

async function* piecesOf(dataplane: KeepingParts['dataplane']): AsyncIterable<Piece> {
  let first: number | null = 0
  while (first !== null) {
    const piece: SavedPiece = unrefused(await dataplane.ask({ kind: 'save-connections', first }))
    if (piece.words.length > 0) yield piece
    first = piece.next
  }
}

/** The services, and those that only connections are left of; each with the real servers that only these are left of. */
function withLingering({ services, lingering }: StateHeader): ConfiguredService[] {
  const all = new Map(services.map((service) => [serviceId(service), service]))
  for (const { service: id, destination } of lingering) {
    const service = all.get(id) ?? formerService(id)
    const isThere = service.destinations.some((each) => endpointId(each) === endpointId(destination))
    if (!isThere) all.set(id, { ...service, destinations: [...service.destinations, destination] })
  }
  return [...all.values()]
}

/** A service that is gone: what its settings were does not matter any more. */
function formerService(id: string): ConfiguredService {
  const identity = identityOf(parseServiceKey(id) as ServiceKey)
  return { ...identity, ...ServiceSettings.parse({}), destinations: [] } as ConfiguredService
}

/** How long ago a state was saved: known within one boot, whatever was done to the clock meanwhile; else taken as 0. */
function elapsedMs({ bootId, monotonicMs }: StateHeader): number {
  const now = thisMoment()
  return bootId === now.bootId ? Math.max(0, now.monotonicMs - monotonicMs) : 0
}

/** On a clock that all processes of this boot share. */
const thisMoment = (): Pick<StateHeader, 'bootId' | 'monotonicMs'> => ({
  bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  monotonicMs: Number(process.hrtime.bigint() / 1_000_000n),
})
