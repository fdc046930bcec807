/** The data path's answers to control requests: changes to the director's tables, and what they hold. */

import { identityOf } from '../../control/identity.ts'
import type {
  Connection,
  Counters,
  Destination,
  Rates,
  Service,
  ServiceSettings,
} from '../../control/schema.ts'
import { parseAddress } from '../../lib/bytes/address.ts'
import type { ConnectionView } from '../../lib/conn/connection-view.ts'
import { FLAG, TEMPLATE_STATE } from '../../lib/conn/layout.ts'
import type { Counts } from '../../lib/service/counters.ts'
import type { Destination as LibDestination } from '../../lib/service/destination.ts'
import {
  type DestinationKey,
  formatEndpoint,
  formatServiceKey,
  parseEndpoint,
  parseServiceKey,
  type ServiceKey,
  serviceFamily,
} from '../../lib/service/key.ts'
import { isRefusal, type Refusal } from '../../lib/service/refusal.ts'
import type { VirtualService } from '../../lib/service/virtual-service.ts'
import { totalPages } from '../memory.ts'
import type { PacketQueue } from '../queue/packet-queue.ts'
import { AllKnobs } from './all-knobs.ts'
import type { Dataplane } from './dataplane.ts'
import { Keeper } from './keeper.ts'
import type { DestinationName, Request, Statistics, Transaction, Way } from './messages.ts'
import { librarySettings, NO_SETTINGS } from './service-settings.ts'

type ServiceChange = Extract<Request, { readonly settings: ServiceSettings }>

export class Engine {
  readonly #dataplane: Dataplane
  readonly #queues: readonly PacketQueue[]
  readonly #now: () => number
  /** As they were asked for: without persistence the library keeps neither netmask nor engine, and listings show them. */
  readonly #settings = new WeakMap<VirtualService, ServiceSettings>()
  readonly #knobs: AllKnobs
  readonly #keeper: Keeper
  /** Packets are to wait in their queues. */
  isPaused = true

  constructor(dataplane: Dataplane, queues: readonly PacketQueue[], now: () => number) {
    this.#dataplane = dataplane
    this.#queues = queues
    this.#now = now
    this.#knobs = new AllKnobs(dataplane.director.knobs, { pages: totalPages() })
    this.#keeper = new Keeper(dataplane.director, now)
  }

  /** The answer (`undefined` for a change that was made) or a refusal. Keys in a request have been validated. */
  answer(request: Request): unknown {
    const { director } = this.#dataplane
    const { services } = director
    switch (request.kind) {
      case 'add-service':
      case 'edit-service':
        return this.#changeService(request)
      case 'remove-service':
        return settle(services.remove(keyOf(request.service)))
      case 'add-destination':
        return this.#place(request, services.addDestination(...destinationOf(request), request.settings))
      case 'edit-destination':
        return this.#place(request, services.editDestination(...destinationOf(request), request.settings))
      case 'remove-destination':
        return settle(services.removeDestination(...destinationOf(request)))
      case 'zero':
        return this.#zero(request.service)
      case 'services':
        return Array.from(services, (service) => this.#describe(service))
      case 'bound':
        return request.destinations.map((each) => services.bound(...destinationOf(each)))
      case 'connections':
        return this.#connections()
      case 'timeouts':
        return director.timeouts
      case 'set-timeouts':
        director.timeouts = request.timeouts
        return director.timeouts
      case 'knobs':
        return this.#knobs.read()
      case 'set-knobs':
        return this.#knobs.change(request.changes)
      case 'all-or-nothing':
        return this.#allOrNothing(request)
      case 'statistics':
        return this.#statistics()
      case 'pause':
      case 'resume':
        this.isPaused = request.kind === 'pause'
        return undefined
      case 'save-connections':
        return this.#keeper.save(request.first)
      case 'restore-connections':
        return this.#keeper.restore(request, request.elapsedMs)
      case 'end-restoring':
        return this.#keeper.finish()
      case 'restore-counters':
        return this.#keeper.restoreCounters(request.counters)
    }
  }

  /** The first refusal, with what was made before it taken back. */
  #allOrNothing({ steps, removals }: Transaction): Refusal | undefined {
    for (const [index, { make }] of steps.entries()) {
      const answer = this.answer(make)
      if (!isRefusal(answer)) continue
      for (const { takeBack } of steps.slice(0, index).reverse()) this.answer(takeBack)
      return answer
    }
    for (const removal of removals) this.answer(removal)
    return undefined
  }

  #changeService({ kind, service: id, settings }: ServiceChange): Refusal | undefined {
    const { services } = this.#dataplane.director
    const key = keyOf(id)
    const isEdit = kind === 'edit-service'
    // That there is no such service, or is one already, is said first; and the library says it.
    const isFeasible = (services.get(key) !== null) === isEdit
    const wanted = librarySettings(serviceFamily(key), settings)
    if (isFeasible && isRefusal(wanted)) return wanted
    const service = services[isEdit ? 'edit' : 'add'](key, isRefusal(wanted) ? NO_SETTINGS : wanted)
    if (isRefusal(service)) return service
    this.#settings.set(service, settings)
    return undefined
  }

  #describe(service: VirtualService): Service {
    return {
      id: formatServiceKey(service.key),
      ...identityOf(service.key),
      ...(this.#settings.get(service) as ServiceSettings),
      destinations: service.pool.map(describeDestination),
      counters: service.counters.shown(),
      rates: ratesOf(service.counters.rates()),
    }
  }

  #place({ way }: { way: Way | null }, destination: LibDestination | Refusal): Refusal | undefined {
    if (isRefusal(destination)) return destination
    const sourceAddress = way === null ? null : parseAddress(way.sourceAddress)
    destination.path =
      way === null || sourceAddress === null
        ? null
        : { sourceAddress, mtuBytes: way.mtuBytes, isLocal: way.isLocal === true }
    this.#dataplane.setHop(destination, way?.hop ?? null)
    return undefined
  }

  #zero(id: string | null): Refusal | undefined {
    const { director } = this.#dataplane
    if (id === null) {
      director.totals.zero()
      for (const service of director.services) zeroService(service)
      return undefined
    }
    const service = director.services.get(keyOf(id))
    if (service === null) return { refused: 'no-such-service', message: `there is no service ${id}` }
    zeroService(service)
    return undefined
  }

  #connections(): Connection[] {
    const { director } = this.#dataplane
    const nowMs = this.#now()
    return Array.from(director.connections.records(), (record) => {
      const view = director.connections.describe(record, nowMs)
      return {
        ...this.#stateOf(view),
        client: formatEndpoint(view.client),
        virtual: formatEndpoint(view.virtual),
        destination: formatEndpoint(view.destination),
        expiresSeconds: view.expiresSeconds,
        ...this.#engineOf(view),
      }
    })
  }

  #stateOf({ protocol, state, flags }: ConnectionView): { protocol: string; state: string } {
    const known = this.#dataplane.director.protocol(protocol)
    const name = known?.name ?? (protocol === 0 ? 'IP' : `IP_${protocol}`)
    if (flags & FLAG.template)
      return { protocol: name, state: state === TEMPLATE_STATE.assured ? 'ASSURED' : 'NONE' }
    return { protocol: name, state: known === undefined ? 'NONE' : (known.states[state] ?? 'ERR!') }
  }

  /** Nothing for a template that was made by an engine which the service has no more: it leads nobody. */
  #engineOf({ destinationId, engineData }: ConnectionView): Pick<Connection, 'engine' | 'engineData'> {
    if (engineData === null) return {}
    const { settings } = this.#dataplane.director.services.destination(destinationId).service
    const engine = settings.persistence?.engine ?? null
    return engine === null ? {} : { engine, engineData }
  }

  #statistics(): Statistics {
    const { director, counters } = this.#dataplane
    return {
      connections: director.connections.size,
      connectionLimit: director.connections.limit,
      connectionTableSize: director.connections.buckets,
      totals: director.totals.shown(),
      rates: ratesOf(director.totals.rates()),
      counted: director.totals.current(),
      applications: Array.from(director.ftpConnections, ([port, connections]) => ({
        name: 'ftp',
        transport: 'tcp' as const,
        port,
        connections,
      })),
      dropped: { ...director.dropped.toObject(), 'no-hop': counters.noHop },
      passed: director.passed.toObject(),
      queues: this.#queues.map(({ number, counters }) => ({ number, ...counters })),
    }
  }
}

const settle = (result: VirtualService | LibDestination | Refusal): Refusal | undefined =>
  isRefusal(result) ? result : undefined

const keyOf = (id: string): ServiceKey => parseServiceKey(id) as ServiceKey

const destinationOf = (request: DestinationName): [ServiceKey, DestinationKey] => [
  keyOf(request.service),
  parseEndpoint(request.endpoint) as DestinationKey,
]

function zeroService(service: VirtualService): void {
  service.counters.zero()
  for (const destination of service.pool) destination.counters.zero()
}

const describeDestination = (destination: LibDestination): Destination => ({
  address: destination.address.toString(),
  port: destination.port,
  method: destination.method,
  weight: destination.weight,
  upperThreshold: destination.upperThreshold,
  lowerThreshold: destination.lowerThreshold,
  tunnel: destination.tunnel,
  activeConnections: destination.active,
  inactiveConnections: destination.inactive,
  persistentConnections: destination.persistent,
  overloaded: destination.isOverloaded,
  counters: destination.counters.shown() satisfies Counters,
  rates: ratesOf(destination.counters.rates()),
})

const ratesOf = (rates: Counts): Rates => ({
  connectionsPerSec: rates.connections,
  inPacketsPerSec: rates.inPackets,
  outPacketsPerSec: rates.outPackets,
  inBytesPerSec: rates.inBytes,
  outBytesPerSec: rates.outBytes,
})
