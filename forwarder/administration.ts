/**
 * What can be asked of a running daemon. A change is made in three places that must agree: the data path's tables, the
 * host's rules and routes, and the registry; where one refuses, the others are put back and nothing has changed.
 */

import { isDeepStrictEqual } from 'node:util'
import { endpointOf, identityOf, keyOf } from '../control/identity.ts'
import type {
  Connection,
  Destination,
  DestinationConfig,
  DestinationSettings,
  Info,
  Service,
  ServiceConfig,
  ServiceSettings,
  Timeouts,
} from '../control/schema.ts'
import { MAX_TIMEOUT_SEC } from '../lib/conn/protocol.ts'
import { type DestinationKey, formatEndpoint, formatServiceKey, type ServiceKey } from '../lib/service/key.ts'
import { isRefusal, refuse } from '../lib/service/refusal.ts'
import { HttpError, refusalError } from './control/routes.ts'
import { type DataplaneHost, unrefused } from './dataplane/host.ts'
import type { Request, Way } from './dataplane/messages.ts'
import type { Host } from './host/host.ts'
import {
  type Arrangement,
  endpointId,
  type RegisteredDestination,
  type RegisteredService,
  type Registry,
  replaced,
  serviceId,
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

  /** Real servers' addresses. */
  addresses(): ReadonlySet<string> {
    const destinations = [...this.#registry.values()].flatMap((each) => [...each.destinations.values()])
    return new Set(destinations.map(({ config }) => config.address))
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
      await ask({ kind: 'add-service', service, settings: settingsOf(config) })
      for (const settings of destinations) {
        const endpoint = endpointId(settings)
        const way = this.#wayTo(settings)
        await ask({ kind: 'add-destination', service, endpoint, settings, way })
        registered.set(endpoint, { config: settings, way })
      }
      registry.set(service, { key: keyOf(config), config, destinations: registered })
      this.#registry = registry
    }
    await host.agree(wantedState(registry, arrangement))
  }

  async addService(config: ServiceConfig): Promise<Service> {
    const service = serviceId(config)
    await this.#change(
      { kind: 'add-service', service, settings: settingsOf(config) },
      { kind: 'remove-service', service },
      (registry) => replaced(registry, service, { key: keyOf(config), config, destinations: new Map() }),
    )
    return await this.service(keyOf(config))
  }

  /** The host is not concerned: identity and destinations stay. */
  async editService(key: ServiceKey, settings: ServiceSettings): Promise<Service> {
    const service = formatServiceKey(key)
    await this.#change({ kind: 'edit-service', service, settings }, null, (registry) => {
      const before = registry.get(service) as RegisteredService
      return replaced(registry, service, { ...before, config: { ...identityOf(key), ...settings } })
    })
    return await this.service(key)
  }

  async removeService(key: ServiceKey): Promise<void> {
    const service = formatServiceKey(key)
    await this.#change({ kind: 'remove-service', service }, { restore: service }, (registry) =>
      replaced(registry, service, undefined),
    )
  }

  async flush(): Promise<void> {
    for (const { key } of [...this.#registry.values()]) await this.removeService(key)
  }

  async addDestination(key: ServiceKey, config: DestinationConfig): Promise<Destination> {
    const service = formatServiceKey(key)
    const endpoint = endpointId(config)
    const way = this.#wayTo(config)
    await this.#change(
      { kind: 'add-destination', service, endpoint, settings: config, way },
      { kind: 'remove-destination', service, endpoint },
      (registry) => {
        const before = registry.get(service) as RegisteredService
        const destinations = replaced(before.destinations, endpoint, { config, way })
        return replaced(registry, service, { ...before, destinations })
      },
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
    const former = this.#registry.get(service)?.destinations.get(endpoint)
    const inverse: Request | null =
      former === undefined
        ? null
        : { kind: 'edit-destination', service, endpoint, settings: former.config, way: former.way }
    await this.#change(
      { kind: 'edit-destination', service, endpoint, settings, way },
      inverse,
      (registry) => {
        const before = registry.get(service) as RegisteredService
        const destinations = replaced(before.destinations, endpoint, { config, way })
        return replaced(registry, service, { ...before, destinations })
      },
    )
    return await this.#destination(key, config)
  }

  async removeDestination(key: ServiceKey, at: DestinationKey): Promise<void> {
    const service = formatServiceKey(key)
    const endpoint = formatEndpoint(at)
    await this.#change(
      { kind: 'remove-destination', service, endpoint },
      { restore: service },
      (registry) => {
        const before = registry.get(service) as RegisteredService
        const destinations = replaced(before.destinations, endpoint, undefined)
        return replaced(registry, service, { ...before, destinations })
      },
    )
  }

  /** Follows the host's routes: destinations whose way has changed, or that have one at last, are told so. */
  async refreshWays(): Promise<void> {
    for (const { key, destinations } of [...this.#registry.values()]) {
      for (const [endpoint, { config, way: former }] of destinations) {
        const way = this.#parts.ways.to(config.address)
        if (way === 'local' || isDeepStrictEqual(way, former)) continue
        const service = formatServiceKey(key)
        const edit = { kind: 'edit-destination', service, endpoint, settings: config } as const
        await this.#change({ ...edit, way }, { ...edit, way: former }, (registry) => {
          const before = registry.get(service)
          if (before?.destinations.get(endpoint)?.config !== config) return registry
          return replaced(registry, service, {
            ...before,
            destinations: replaced(before.destinations, endpoint, { config, way }),
          })
        })
      }
    }
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

  /** Data path, host, registry, in this order; changes take turns. `inverse` null: the host is not asked. */
  #change(request: Request, inverse: Inverse | null, next: (registry: Registry) => Registry): Promise<void> {
    const made = this.#turn.then(async () => {
      const { dataplane, host, arrangement } = this.#parts
      const refusal = await dataplane.ask(request)
      if (isRefusal(refusal)) throw refusalError(refusal)
      const registry = next(this.#registry)
      if (inverse !== null) {
        try {
          await host.agree(wantedState(registry, arrangement))
        } catch (error) {
          await this.#takeBack(inverse)
          throw new HttpError(500, 'host', 'EIO', `nothing was changed: ${(error as Error).message}`)
        }
      }
      this.#registry = registry
    })
    this.#turn = made.catch(() => undefined)
    return made
  }

  /** Removed destinations come back with their connections: the data path keeps them for a while. */
  async #takeBack(inverse: Inverse): Promise<void> {
    const { dataplane } = this.#parts
    if ('kind' in inverse) {
      unrefused(await dataplane.ask(inverse))
      return
    }
    const service = inverse.restore
    const { config, destinations } = this.#registry.get(service) as RegisteredService
    await dataplane.ask({ kind: 'add-service', service, settings: settingsOf(config) })
    for (const [endpoint, { config: settings, way }] of destinations) {
      await dataplane.ask({ kind: 'add-destination', service, endpoint, settings, way })
    }
  }
}

/** The request that takes a change back, or the service that is to be as the registry has it. */
type Inverse = Request | { readonly restore: string }

/** The version whose behaviour and output are followed. */
const IPVS_VERSION = '1.2.1'

const settingsOf = ({ scheduler, schedulerFlags }: ServiceConfig): ServiceSettings => ({
  scheduler,
  schedulerFlags,
})
