/**
 * The configuration in force, and the only hand that changes it. A change is made in three places that must agree: the
 * host's rules and routes, the data path's tables, and the registry; where one refuses, the others are put back and
 * nothing has changed.
 *
 * The host comes first, and gives up last: the first connection to a new destination finds everything in place, and
 * connections that outlive their destination keep what they need (see `lingering.ts`).
 */

import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Change, Configuration, Replacement, WantedConfiguration } from '../control/configuration.ts'
import { difference } from '../control/difference.ts'
import type { Knobs, Timeouts } from '../control/schema.ts'
import { isRefusal, refuse } from '../lib/service/refusal.ts'
import { ChangeFeed } from './change-feed.ts'
import { isFeasible, isRemoval, registryAfter, requestOf, takeBackOf } from './changes.ts'
import { RequestError, refusalError } from './control/request-error.ts'
import { type DataplaneHost, unrefused } from './dataplane/host.ts'
import type { Request, Step, Transaction } from './dataplane/messages.ts'
import type { Host } from './host/host.ts'
import { type Lingering, lingeringAfter, NOTHING_LINGERS } from './lingering.ts'
import { type Arrangement, type RegisteredService, type Registry, replaced, wantedState } from './registry.ts'
import { rehearse } from './rehearsal.ts'
import type { Ways } from './ways.ts'

export interface LedgerParts {
  readonly dataplane: DataplaneHost
  readonly host: Pick<Host, 'agree'>
  readonly ways: Pick<Ways, 'to' | 'isBroadcast'>
  readonly arrangement: Arrangement
}

export class Ledger {
  /** Told of every change, once it is in force. */
  readonly feed = new ChangeFeed()
  readonly #parts: LedgerParts
  readonly #epoch = randomBytes(4).toString('hex')
  #changesMade = 0
  #registry: Registry = new Map()
  #timeouts: Timeouts
  #knobs: Knobs
  #lingering: Lingering = NOTHING_LINGERS
  /** While the ways to new real servers are asked for: what {@link addresses} answers with. */
  #addressesDuringChange: ReadonlySet<string> | null = null
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(parts: LedgerParts, timeouts: Timeouts, knobs: Knobs) {
    this.#parts = parts
    this.#timeouts = timeouts
    this.#knobs = knobs
  }

  /** Takes over a data path that has no services yet. */
  static async of(parts: LedgerParts): Promise<Ledger> {
    const timeouts = unrefused(await parts.dataplane.ask({ kind: 'timeouts' }))
    const knobs = unrefused(await parts.dataplane.ask({ kind: 'knobs' }))
    return new Ledger(parts, timeouts, knobs)
  }

  /** The services and real servers in force, and the ways to these. */
  get registry(): Registry {
    return this.#registry
  }

  /** What only connections are left of. */
  get lingering(): Lingering {
    return this.#lingering
  }

  /** The whole configuration in force. */
  get configuration(): Configuration {
    const services = Array.from(this.#registry.values(), ({ config, destinations }) => ({
      ...config,
      destinations: Array.from(destinations.values(), (each) => each.config),
    }))
    return { services, timeouts: this.#timeouts, knobs: this.#knobs }
  }

  /** Names the configuration in force: another one after every change, and after every start of the daemon. */
  get revision(): string {
    return `${this.#epoch}.${this.#changesMade}`
  }

  /** Real servers' addresses, those included that only connections are left of, and those about to come. */
  addresses(): ReadonlySet<string> {
    if (this.#addressesDuringChange !== null) return this.#addressesDuringChange
    const configured = [...this.#registry.values()].flatMap((each) => [...each.destinations.values()])
    return new Set([...configured, ...this.#lingering].map(({ config }) => config.address))
  }

  /**
   * Makes the configuration what is wanted, by the smallest difference: all of it or nothing, and no packet is judged
   * in between. With `ifRevision`, only while one of those revisions is in force. Connections stay as they are.
   */
  replace(wanted: WantedConfiguration, ifRevision?: readonly string[]): Promise<Replacement> {
    return this.#inTurn(async () => {
      if (ifRevision !== undefined && !ifRevision.includes(this.revision))
        throw stale(this.revision, ifRevision)
      rehearse(wanted.services)
      const changes = difference(this.configuration, wanted)
      await this.#commit(changes)
      return { revision: this.revision, changes }
    })
  }

  /**
   * Makes changes, all of them or none; none may need another of them to be made before. `describe` is called when
   * their turn has come, with what is in force then.
   */
  change(
    describe: (inForce: Pick<Ledger, 'registry' | 'configuration'>) => readonly Change[],
  ): Promise<void> {
    return this.#inTurn(async () => {
      const changes = describe(this)
      const impossible = changes.find((each) => !isFeasible(each, this.#registry))
      if (impossible === undefined) return await this.#commit(changes)
      await this.#tell(requestOf(impossible, this.#registry))
      throw new Error(`the data path made a change that the registry does not know: ${impossible.kind}`)
    })
  }

  /**
   * Follows the host's routes and the connections: destinations whose way has changed, or that have one at last, are
   * told so, and what no connection needs any more is given up. To be called now and then.
   */
  async refresh(): Promise<void> {
    await this.#inTurn(async () => {
      const registry = new Map(this.#registry)
      const steps: Step[] = []
      for (const [service, { destinations }] of this.#registry) {
        for (const [endpoint, { config, way: former }] of destinations) {
          const way = this.#parts.ways.to(config.address)
          if (isDeepStrictEqual(way, former)) continue
          const told = { kind: 'edit-destination', service, endpoint, settings: config } as const
          steps.push({ make: { ...told, way }, takeBack: { ...told, way: former } })
          const registered = registry.get(service) as RegisteredService
          const followed = replaced(registered.destinations, endpoint, { config, way })
          registry.set(service, { ...registered, destinations: followed })
        }
      }
      if (steps.length > 0) await this.#enact(registry, { steps, removals: [] })
      await this.#giveUp()
    })
  }

  /** Changes take turns; each leaves everything as it was, or made. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const acted = this.#turn.then(act)
    this.#turn = acted.catch(() => undefined)
    return acted
  }

  /** Makes feasible changes, all or none. To be called in turn. */
  async #commit(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return
    for (const change of changes) this.#checkAddress(change)
    const before = this.#registry
    const registry = this.#registryAfter(changes)
    await this.#enact(registry, {
      steps: changes
        .filter((change) => !isRemoval(change))
        .map((change) => ({ make: requestOf(change, registry), takeBack: takeBackOf(change, before) })),
      // A service that goes takes its real servers with it.
      removals: changes
        .filter(isRemoval)
        .filter(({ kind, service }) => kind === 'service-removed' || registry.has(service))
        .map((change) => requestOf(change, registry)),
    })
    for (const change of changes) {
      if (change.kind === 'timeouts-changed') this.#timeouts = change.after
      if (change.kind === 'knob-changed') this.#knobs = { ...this.#knobs, [change.knob]: change.after }
    }
    this.#announce(changes.filter(isDifferent))
    // The changes are made, whatever becomes of this: what cannot be given up now is tried again by refresh, which tells.
    await this.#giveUp().catch(() => undefined)
  }

  /** The registry as it is to be. Each new real server gets a way of its own, so none of them may count as unused. */
  #registryAfter(changes: readonly Change[]): Registry {
    const coming = changes.flatMap((each) => (each.kind === 'destination-added' ? [each.after.address] : []))
    this.#addressesDuringChange = new Set([...this.addresses(), ...coming])
    try {
      return registryAfter(this.#registry, changes, ({ address }) => this.#parts.ways.to(address))
    } finally {
      this.#addressesDuringChange = null
    }
  }

  /** What only the host's routes know to be no real server's address; the library knows of the rest. */
  #checkAddress(change: Change): void {
    if (change.kind !== 'destination-added' || !this.#parts.ways.isBroadcast(change.after.address)) return
    throw refusalError(
      refuse('invalid-value', `${change.after.address} is the broadcast address of a subnet`),
    )
  }

  /** Host first, data path second; where that refuses, the host is put back. */
  async #enact(registry: Registry, transaction: Pick<Transaction, 'steps' | 'removals'>): Promise<void> {
    const lingering = lingeringAfter(this.#registry, registry, this.#lingering)
    const takeBack = await this.#agree(registry, lingering)
    try {
      await this.#tell({ kind: 'all-or-nothing', ...transaction })
    } catch (error) {
      await takeBack()
      throw error
    }
    this.#registry = registry
    this.#lingering = lingering
  }

  /** An edit that asks for what is there already is made, but is no change. */
  #announce(changes: readonly Change[]): void {
    if (changes.length === 0) return
    this.#changesMade++
    this.feed.tell(this.revision, changes)
  }

  /** Has the data path make a change; throws its refusal. */
  async #tell(request: Request): Promise<void> {
    const refusal = await this.#parts.dataplane.ask(request)
    if (isRefusal(refusal)) throw refusalError(refusal)
  }

  /** Brings the host in line, if it is not, and returns how to put it back. */
  async #agree(registry: Registry, lingering: Lingering): Promise<() => Promise<void>> {
    const { host, arrangement } = this.#parts
    const before = wantedState(this.#registry, this.#lingering, arrangement)
    const after = wantedState(registry, lingering, arrangement)
    if (isDeepStrictEqual(before, after)) return async () => {}
    try {
      await host.agree(after)
    } catch (error) {
      throw new RequestError('host', `nothing was changed: ${(error as Error).message}`, { cause: error })
    }
    return () => host.agree(before)
  }

  /** Forgets what lingered for connections that are gone. */
  async #giveUp(): Promise<void> {
    if (this.#lingering.length === 0) return
    const destinations = this.#lingering.map(({ service, endpoint }) => ({ service, endpoint }))
    const bound = unrefused(await this.#parts.dataplane.ask({ kind: 'bound', destinations }))
    const lingering = this.#lingering.filter((_, index) => bound[index] !== 0)
    await this.#agree(this.#registry, lingering)
    this.#lingering = lingering
  }
}

const isDifferent = (change: Change): boolean =>
  !('before' in change && 'after' in change && isDeepStrictEqual(change.before, change.after))

const stale = (revision: string, expected: readonly string[]): RequestError =>
  new RequestError(
    'stale-revision',
    `revision ${revision} is in force, not ${expected.join(' or ')}: somebody has changed the configuration`,
  )
