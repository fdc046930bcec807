/**
 * What can be asked of a running daemon. A change is made in three places that must agree: the host's rules and routes,
 * the data path's tables, and the registry; where one refuses, the others are put back and nothing has changed.
 *
 * The host comes first, and gives up last: the first connection to a new destination finds everything in place, and
 * connections that outlive their destination keep what they need (see `lingering.ts`).
 */

import { isDeepStrictEqual } from 'node:util'
import { endpointOf, identityOf, keyOf } from '../control/identity.ts'
import type {
  Connection,
  Destination,
  DestinationConfig,
  DestinationSettings,
  Info,
  KnobChanges,
  Knobs,
  Service,
  ServiceConfig,
  ServiceSettings,
  Timeouts,
} from '../control/schema.ts'
import { MAX_TIMEOUT_SEC } from '../lib/conn/protocol.ts'
import { type DestinationKey, formatEndpoint, formatServiceKey, type ServiceKey } from '../lib/service/key.ts'
import { isRefusal, refuse } from '../lib/service/refusal.ts'
import { type Change, isFeasible, withDestination } from './changes.ts'
import { HttpError, refusalError } from './control/routes.ts'
import { type DataplaneHost, unrefused } from './dataplane/host.ts'
import type { Request, Way } from './dataplane/messages.ts'
import type { Host } from './host/host.ts'
import { type Lingering, lingeringAfter, NOTHING_LINGERS } from './lingering.ts'
import {
  type Arrangement,
  endpointId,
  type RegisteredDestination,
  type RegisteredService,
  type Registry,
  replaced,
  serviceId,
  serviceSettings,
  wantedState,
} from './registry.ts'
import type { Ways } from './ways.ts'

export interface AdministrationParts {
  readonly dataplane: DataplaneHost
  readonly host: Host
  readonly ways: Ways
  readonly arrangement: Arrangement
  readonly version: string
}

export class Administration {
  readonly #parts: AdministrationParts
  readonly #startedMs = performance.now()
  #registry: Registry = new Map()
  #lingering: Lingering = NOTHING_LINGERS
  #turn: Promise<unknown> = Promise.resolve()

  constructor(parts: AdministrationParts) {
    this.#parts = parts
  }

  /** The configuration in force. */
  get registry(): Registry {
    return this.#registry
  }

  async services(): Promise<readonly Service[]> {
    return unrefused(await this.#parts.dataplane.ask({ kind: 'services' }))
  }

  async service(key: ServiceKey): Promise<Service> {
    const id = formatServiceKey(key)
    const service = (await this.services()).find((each) => each.id === id)
    if (service === undefined) throw refusalError(refuse('no-such-service', `there is no service ${id}`))
    return service
  }

  /** Real servers' addresses, those included that only connections are left of. */
  addresses(): ReadonlySet<string> {
    const configured = [...this.#registry.values()].flatMap((each) => [...each.destinations.values()])
    return new Set([...configured, ...this.#lingering].map(({ config }) => config.address))
  }

  /** The services of a configuration file, all at once; throws on the first that is refused. */
  async load(
    services: readonly (ServiceConfig & { destinations: readonly DestinationConfig[] })[],
  ): Promise<void> {
    const { dataplane, host, arrangement } = this.#parts
    const ask = async (request: Request) => {
      const refusal = await dataplane.ask(request)
      if (isRefusal(refusal)) throw refusalError(refusal)
    }
    const registry = new Map<string, RegisteredService>()
    for (const { destinations, ...config } of services) {
      const service = serviceId(config)
      const registered = new Map<string, RegisteredDestination>()
      await ask({ kind: 'add-service', service, settings: serviceSettings(config) })
      for (const settings of destinations) {
        const endpoint = endpointId(settings)
        const way = this.#wayTo(settings)
        await ask({ kind: 'add-destination', service, endpoint, settings, way })
        registered.set(endpoint, { config: settings, way })
      }
      registry.set(service, { key: keyOf(config), config, destinations: registered })
      this.#registry = registry
    }
    await host.agree(wantedState(registry, NOTHING_LINGERS, arrangement))
  }

  async addService(config: ServiceConfig): Promise<Service> {
    const service = serviceId(config)
    await this.#change({ kind: 'add-service', service, settings: serviceSettings(config) }, (registry) =>
      replaced(registry, service, { key: keyOf(config), config, destinations: new Map() }),
    )
    return await this.service(keyOf(config))
  }

  async editService(key: ServiceKey, settings: ServiceSettings): Promise<Service> {
    const service = formatServiceKey(key)
    await this.#change({ kind: 'edit-service', service, settings }, (registry) => {
      const before = registry.get(service) as RegisteredService
      return replaced(registry, service, { ...before, config: { ...identityOf(key), ...settings } })
    })
    return await this.service(key)
  }

  async removeService(key: ServiceKey): Promise<void> {
    const service = formatServiceKey(key)
    await this.#change({ kind: 'remove-service', service }, (registry) =>
      replaced(registry, service, undefined),
    )
  }

  /** Removes every service, the host being brought in line once. */
  async flush(): Promise<void> {
    await this.#inTurn(async () => {
      const registry: Registry = new Map()
      const lingering = lingeringAfter(this.#registry, registry, this.#lingering)
      await this.#agree(registry, lingering)
      for (const service of this.#registry.keys()) await this.#tell({ kind: 'remove-service', service })
      this.#registry = registry
      this.#lingering = lingering
      await this.#giveUp()
    })
  }

  async addDestination(key: ServiceKey, config: DestinationConfig): Promise<Destination> {
    const service = formatServiceKey(key)
    const endpoint = endpointId(config)
    const way = this.#wayTo(config)
    await this.#change({ kind: 'add-destination', service, endpoint, settings: config, way }, (registry) =>
      withDestination(registry, { service, endpoint }, { config, way }),
    )
    return await this.#destination(key, config)
  }

  async editDestination(
    key: ServiceKey,
    at: DestinationKey,
    settings: DestinationSettings,
  ): Promise<Destination> {
    const service = formatServiceKey(key)
    const endpoint = formatEndpoint(at)
    const config = { address: at.address.toString(), port: at.port, ...settings }
    const way = this.#wayTo(config)
    await this.#change({ kind: 'edit-destination', service, endpoint, settings, way }, (registry) =>
      withDestination(registry, { service, endpoint }, { config, way }),
    )
    return await this.#destination(key, config)
  }

  async removeDestination(key: ServiceKey, at: DestinationKey): Promise<void> {
    const service = formatServiceKey(key)
    const endpoint = formatEndpoint(at)
    await this.#change({ kind: 'remove-destination', service, endpoint }, (registry) =>
      withDestination(registry, { service, endpoint }, undefined),
    )
  }

  /**
   * Follows the host's routes and the connections: destinations whose way has changed, or that have one at last, are
   * told so, and what no connection needs any more is given up. To be called now and then.
   */
  async refresh(): Promise<void> {
    for (const { key, destinations } of [...this.#registry.values()]) {
      for (const [endpoint, { config, way: former }] of destinations) {
        const way = this.#parts.ways.to(config.address)
        if (way === 'local' || isDeepStrictEqual(way, former)) continue
        const service = formatServiceKey(key)
        await this.#change(
          { kind: 'edit-destination', service, endpoint, settings: config, way },
          (registry) => {
            const isSame = registry.get(service)?.destinations.get(endpoint)?.config === config
            return isSame ? withDestination(registry, { service, endpoint }, { config, way }) : registry
          },
        )
      }
    }
    await this.#inTurn(() => this.#giveUp())
  }

  async zero(key: ServiceKey | null): Promise<void> {
    const request: Request = { kind: 'zero', service: key === null ? null : formatServiceKey(key) }
    const answer = await this.#parts.dataplane.ask(request)
    if (isRefusal(answer)) throw refusalError(answer)
  }

  async connections(): Promise<readonly Connection[]> {
    return unrefused(await this.#parts.dataplane.ask({ kind: 'connections' }))
  }

  async timeouts(): Promise<Timeouts> {
    return unrefused(await this.#parts.dataplane.ask({ kind: 'timeouts' }))
  }

  async setTimeouts(timeouts: Timeouts): Promise<Timeouts> {
    for (const [name, seconds] of Object.entries(timeouts)) {
      if (seconds <= MAX_TIMEOUT_SEC) continue
      const message = `${name} timeout ${seconds} is above ${MAX_TIMEOUT_SEC} seconds`
      throw refusalError(refuse('invalid-value', message))
    }
    return unrefused(await this.#parts.dataplane.ask({ kind: 'set-timeouts', timeouts }))
  }

  async knobs(): Promise<Knobs> {
    return unrefused(await this.#parts.dataplane.ask({ kind: 'knobs' }))
  }

  async setKnobs(changes: KnobChanges): Promise<Knobs> {
    return unrefused(await this.#parts.dataplane.ask({ kind: 'set-knobs', changes }))
  }

  async info(): Promise<Info> {
    const { queues, ...statistics } = unrefused(await this.#parts.dataplane.ask({ kind: 'statistics' }))
    return {
      version: this.#parts.version,
      ipvsVersion: IPVS_VERSION,
      pid: process.pid,
      uptimeSeconds: Math.floor((performance.now() - this.#startedMs) / 1000),
      queues: [...queues],
      ...statistics,
    }
  }

  async #destination(key: ServiceKey, config: DestinationConfig): Promise<Destination> {
    const { destinations } = await this.service(key)
    const { address, port } = endpointOf(config)
    const found = destinations.find((each) => each.address === address.toString() && each.port === port)
    if (found === undefined) throw refusalError(refuse('no-such-destination', 'it was removed meanwhile'))
    return found
  }

  #wayTo({ address, port, method }: DestinationConfig): Way | null {
    const way = this.#parts.ways.to(address)
    if (way !== 'local') return way
    const endpoint = formatEndpoint(endpointOf({ address, port }))
    throw refusalError(
      refuse(
        'not-supported',
        `${endpoint} is an address of this host: ${method} to the director itself is not there yet`,
      ),
    )
  }

  /** Changes take turns; each leaves everything as it was, or made. */
  #change(request: Change, next: (registry: Registry) => Registry): Promise<void> {
    return this.#inTurn(async () => {
      if (!isFeasible(request, this.#registry)) {
        await this.#tell(request)
        throw new Error(`the data path made a change that the registry does not know: ${request.kind}`)
      }
      const registry = next(this.#registry)
      const lingering = lingeringAfter(this.#registry, registry, this.#lingering)
      const takeBack = await this.#agree(registry, lingering)
      try {
        await this.#tell(request)
      } catch (error) {
        await takeBack()
        throw error
      }
      this.#registry = registry
      this.#lingering = lingering
      await this.#giveUp()
    })
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const acted = this.#turn.then(act)
    this.#turn = acted.catch(() => undefined)
    return acted
  }

  /** Has the data path make a change; throws its refusal. */
  async #tell(request: Change): Promise<void> {
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
      throw new HttpError(500, 'host', 'EIO', `nothing was changed: ${(error as Error).message}`)
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

/** The version whose behaviour and output are followed. */
const IPVS_VERSION = '1.2.1'
