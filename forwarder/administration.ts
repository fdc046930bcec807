/** What can be asked of a running daemon: what it does is told by the data path, changes are entered in the ledger. */

import type { Replacement, WantedConfiguration } from '../control/configuration.ts'
import { difference, timeoutsAfter } from '../control/difference.ts'
import { endpointOf, identityOf, keyOf } from '../control/identity.ts'
import { openApiDocument } from '../control/openapi.ts'
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
import { noSuchService } from '../lib/service/flaws.ts'
import { type DestinationKey, formatEndpoint, formatServiceKey, type ServiceKey } from '../lib/service/key.ts'
import { isRefusal, refuse } from '../lib/service/refusal.ts'
import { refusalError, type ValuePath } from './control/request-error.ts'
import { type DataplaneHost, unrefused } from './dataplane/host.ts'
import type { Request } from './dataplane/messages.ts'
import type { Ledger } from './ledger.ts'
import type { Life } from './life/life.ts'
import { endpointId, serviceId } from './registry.ts'

export interface AdministrationParts {
  readonly dataplane: DataplaneHost
  readonly ledger: Ledger
  readonly life: Life
  readonly version: string
}

export class Administration {
  readonly ledger: Ledger
  readonly life: Life
  readonly #dataplane: DataplaneHost
  readonly version: string
  readonly #startedMs = performance.now()

  #document: ReturnType<typeof openApiDocument> | null = null

  constructor({ dataplane, ledger, life, version }: AdministrationParts) {
    this.#dataplane = dataplane
    this.ledger = ledger
    this.life = life
    this.version = version
  }

  /** The OpenAPI document, which takes a while to make, and is the same as long as the daemon lives. */
  get document(): ReturnType<typeof openApiDocument> {
    this.#document ??= openApiDocument(this.version)
    return this.#document
  }

  async services(): Promise<readonly Service[]> {
    return unrefused(await this.#dataplane.ask({ kind: 'services' }))
  }

  async service(key: ServiceKey): Promise<Service> {
    const id = formatServiceKey(key)
    const service = (await this.services()).find((each) => each.id === id)
    if (service === undefined) throw refusalError(noSuchService(key))
    return service
  }

  /** See {@link Ledger.replace}. */
  async replace(wanted: WantedConfiguration, ifRevision?: readonly string[]): Promise<Replacement> {
    if (wanted.timeouts !== undefined) checkTimeouts(wanted.timeouts, ['timeouts'])
    return await this.ledger.replace(wanted, ifRevision)
  }

  async addService(config: ServiceConfig): Promise<Service> {
    const service = serviceId(config)
    await this.ledger.change(() => [{ kind: 'service-added', service, after: config }])
    return await this.service(keyOf(config))
  }

  async editService(key: ServiceKey, settings: ServiceSettings): Promise<Service> {
    const service = formatServiceKey(key)
    const after: ServiceConfig = { ...identityOf(key), ...settings }
    await this.ledger.change(({ registry }) => {
      const before = registry.get(service)?.config ?? after
      return [{ kind: 'service-edited', service, before, after }]
    })
    return await this.service(key)
  }

  /** Removes the service with its real servers. */
  async removeService(key: ServiceKey): Promise<void> {
    const id = formatServiceKey(key)
    await this.ledger.change(({ configuration }) => {
      const services = configuration.services.filter((each) => serviceId(each) !== id)
      if (services.length === configuration.services.length) throw refusalError(noSuchService(key))
      return difference(configuration, { services })
    })
  }

  /** Removes every service, at once. */
  async flush(): Promise<void> {
    await this.ledger.replace({ services: [] })
  }

  async addDestination(key: ServiceKey, config: DestinationConfig): Promise<Destination> {
    const service = formatServiceKey(key)
    const endpoint = endpointId(config)
    await this.ledger.change(() => [{ kind: 'destination-added', service, endpoint, after: config }])
    return await this.#destination(key, config)
  }

  async editDestination(
    key: ServiceKey,
    at: DestinationKey,
    settings: DestinationSettings,
  ): Promise<Destination> {
    const service = formatServiceKey(key)
    const endpoint = formatEndpoint(at)
    const after = { address: at.address.toString(), port: at.port, ...settings }
    await this.ledger.change(({ registry }) => {
      const before = registry.get(service)?.destinations.get(endpoint)?.config ?? after
      return [{ kind: 'destination-edited', service, endpoint, before, after }]
    })
    return await this.#destination(key, after)
  }

  async removeDestination(key: ServiceKey, at: DestinationKey): Promise<void> {
    const service = formatServiceKey(key)
    const endpoint = formatEndpoint(at)
    await this.ledger.change(({ registry }) => {
      const before = registry.get(service)?.destinations.get(endpoint)?.config as DestinationConfig
      return [{ kind: 'destination-removed', service, endpoint, before }]
    })
  }

  async zero(key: ServiceKey | null): Promise<void> {
    const request: Request = { kind: 'zero', service: key === null ? null : formatServiceKey(key) }
    const answer = await this.#dataplane.ask(request)
    if (isRefusal(answer)) throw refusalError(answer)
  }

  async connections(): Promise<readonly Connection[]> {
    return unrefused(await this.#dataplane.ask({ kind: 'connections' }))
  }

  /** Answers with the values now in force; 0 leaves one as it is. */
  async setTimeouts(timeouts: Timeouts): Promise<Timeouts> {
    checkTimeouts(timeouts, [])
    await this.ledger.change(({ configuration: { timeouts: before } }) => [
      { kind: 'timeouts-changed', before, after: timeoutsAfter(before, timeouts) },
    ])
    return this.ledger.configuration.timeouts
  }

  /** As they are at this moment: the defences switch theirs between 1 and 2 by themselves. */
  async knobs(): Promise<Knobs> {
    return unrefused(await this.#dataplane.ask({ kind: 'knobs' }))
  }

  /** All of them or none; answers with every value now in force. */
  async setKnobs(knobs: KnobChanges): Promise<Knobs> {
    await this.ledger.change(({ configuration }) =>
      difference(configuration, { services: configuration.services, knobs }),
    )
    return await this.knobs()
  }

  async info(): Promise<Info> {
    const { queues, ...statistics } = unrefused(await this.#dataplane.ask({ kind: 'statistics' }))
    return {
      version: this.version,
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
}

/** Throws a refusal of a timeout that is too long; `path` is the way to the timeouts in a request. */
export function checkTimeouts(timeouts: Timeouts, path: ValuePath): void {
  for (const [name, seconds] of Object.entries(timeouts)) {
    if (seconds <= MAX_TIMEOUT_SEC) continue
    const message = `${name} timeout ${seconds} is above ${MAX_TIMEOUT_SEC} seconds`
    throw refusalError(refuse('invalid-value', message), [...path, name])
  }
}

/** The version whose behaviour and output are followed. */
const IPVS_VERSION = '1.2.1'
