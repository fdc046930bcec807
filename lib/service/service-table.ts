/** The virtual services of a director: add, edit, remove, and the lookup of a packet's service. */

import type { Family, IpAddress } from '../bytes/address.ts'
import { Destination, type DestinationSettings } from './destination.ts'
import { DestinationIndex } from './destination-index.ts'
import { destinationFlaw, isUnicast, noSuchDestination, noSuchService, persistenceFlaw } from './flaws.ts'
import { type DestinationKey, formatEndpoint, formatServiceKey, type ServiceKey } from './key.ts'
import { makeNobody } from './nobody.ts'
import { type Refusal, refuse } from './refusal.ts'
import {
  DEFAULT_SCHEDULER_KNOBS,
  type Scheduler,
  type SchedulerFactory,
  type SchedulerKnobs,
} from './scheduler.ts'
import { ServiceIndex } from './service-index.ts'
import { type ServiceSettings, VirtualService } from './virtual-service.ts'

export interface ServiceTableOptions {
  readonly schedulers: Readonly<Record<string, SchedulerFactory>>
  readonly random: () => number
  /** Handed to schedulers. */
  readonly knobs?: SchedulerKnobs
  /** The names of the persistence engines there are. */
  readonly engines?: readonly string[]
  /** Bounds; a request over them is refused with `table-full`. */
  readonly maxServices?: number
  readonly maxDestinations?: number
}

/** A removed destination waits this long without connections before it is forgotten. */
const TRASH_PERIOD_MS = 120_000

export class ServiceTable {
  readonly #options: Required<ServiceTableOptions>
  readonly #index = new ServiceIndex()
  /** Destinations by id, removed ones with connections included. */
  readonly #register: (Destination | null)[] = [makeNobody()]
  readonly #freeIds: number[] = []
  readonly #byAddress = new DestinationIndex()
  /** Removed destinations, and since when they have had no connection. */
  readonly #trash = new Map<Destination, { idleSinceMs: number | null }>()

  constructor(options: ServiceTableOptions) {
    this.#options = {
      engines: [],
      knobs: DEFAULT_SCHEDULER_KNOBS,
      maxServices: 65_536,
      maxDestinations: 1_048_576,
      ...options,
    }
  }

  /** Number of services. */
  get size(): number {
    return this.#index.census.services
  }

  /** Every service: those with an address first, then those with a firewall mark. */
  *[Symbol.iterator](): IterableIterator<VirtualService> {
    yield* this.#index
  }

  add(key: ServiceKey, settings: ServiceSettings): VirtualService | Refusal {
    if (this.get(key) !== null)
      return refuse('service-exists', `service ${formatServiceKey(key)} exists already`)
    if (this.#index.census.services >= this.#options.maxServices) {
      return refuse('table-full', `the limit of ${this.#options.maxServices} services is reached`)
    }
    const scheduler = this.#makeScheduler(settings)
    if (scheduler !== null && 'refused' in scheduler) return scheduler
    const flaw = persistenceFlaw(key, settings, this.#options.engines)
    if (flaw !== null) return flaw
    const service = new VirtualService(key, settings, scheduler)
    scheduler?.poolChanged?.(service.pool, { kind: 'attached' })
    this.#index.add(service)
    return service
  }

  /** Replaces the settings wholly. A scheduler of the same name stays, with its memory. */
  edit(key: ServiceKey, settings: ServiceSettings): VirtualService | Refusal {
    const service = this.get(key)
    if (service === null) return noSuchService(key)
    const flaw = this.#schedulerFlaw(settings) ?? persistenceFlaw(key, settings, this.#options.engines)
    if (flaw !== null) return flaw
    if (settings.scheduler === service.settings.scheduler) {
      service.scheduler?.flagsChanged?.(settings.schedulerFlags)
    } else {
      const scheduler = this.#makeScheduler(settings)
      if (scheduler !== null && 'refused' in scheduler) return scheduler
      service.scheduler = scheduler
      scheduler?.poolChanged?.(service.pool, { kind: 'attached' })
    }
    this.#index.census.countEngine(service, -1)
    service.settings = settings
    this.#index.census.countEngine(service, 1)
    return service
  }

  /** Connections stay: their destinations are kept until the last has gone. */
  remove(key: ServiceKey): VirtualService | Refusal {
    const service = this.get(key)
    if (service === null) return noSuchService(key)
    for (const destination of service.pool) this.#discard(destination)
    service.pool.length = 0
    this.#index.delete(service)
    return service
  }

  addDestination(key: ServiceKey, at: DestinationKey, settings: DestinationSettings): Destination | Refusal {
    const service = this.get(key)
    if (service === null) return noSuchService(key)
    const flaw = destinationFlaw(key, at, settings)
    if (flaw !== null) return flaw
    if (service.find(at) !== null) {
      return refuse(
        'destination-exists',
        `${formatServiceKey(key)} has a destination ${formatEndpoint(at)} already`,
      )
    }
    const destination = this.#revive(service, at, settings) ?? this.#enroll(service, at, settings)
    if ('refused' in destination) return destination
    service.pool.unshift(destination)
    this.#byAddress.add(destination)
    service.scheduler?.poolChanged?.(service.pool, { kind: 'added', index: 0, destination })
    return destination
  }

  editDestination(key: ServiceKey, at: DestinationKey, settings: DestinationSettings): Destination | Refusal {
    const service = this.get(key)
    if (service === null) return noSuchService(key)
    const flaw = destinationFlaw(key, at, settings)
    if (flaw !== null) return flaw
    const destination = service.find(at)
    if (destination === null) return noSuchDestination(key, at)
    destination.edit(settings)
    const index = service.pool.indexOf(destination)
    service.scheduler?.poolChanged?.(service.pool, { kind: 'edited', index, destination })
    return destination
  }

  removeDestination(key: ServiceKey, at: DestinationKey): Destination | Refusal {
    const service = this.get(key)
    if (service === null) return noSuchService(key)
    const destination = service.find(at)
    if (destination === null) return noSuchDestination(key, at)
    const index = service.pool.indexOf(destination)
    service.pool.splice(index, 1)
    this.#discard(destination)
    service.scheduler?.poolChanged?.(service.pool, { kind: 'removed', index, destination })
    return destination
  }

  /** The service with exactly this key. */
  get(key: ServiceKey): VirtualService | null {
    return this.#index.get(key)
  }

  /** The service of a packet: see {@link ServiceIndex.lookup}. */
  lookup(
    family: Family,
    mark: number,
    protocol: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    port: number,
  ): VirtualService | null {
    return this.#index.lookup(family, mark, protocol, w0, w1, w2, w3, port)
  }

  /** Whether a service has a persistence engine. */
  get hasEngines(): boolean {
    return this.#index.census.engines > 0
  }

  /** Whether a service is known by the address. */
  hasAddress(address: IpAddress): boolean {
    return this.#index.census.hasAddress(address)
  }

  /** Whether a removed destination still has connections. */
  get hasOrphans(): boolean {
    for (const destination of this.#trash.keys()) if (destination.isReferenced) return true
    return false
  }

  /** The destination a connection is bound to, removed or not. Ids come from {@link Destination.id}. */
  destination(id: number): Destination {
    return this.#register[id] as Destination
  }

  /** An available destination of the address, of whatever service, that is as wanted; words as in `Packet`. */
  findDestination(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    isWanted: (destination: Destination) => boolean,
  ): Destination | null {
    return this.#byAddress.find(w0, w1, w2, w3, isWanted)
  }

  /** How many connections and templates are bound to the destination, be it in its service or removed from it. */
  bound(key: ServiceKey, at: DestinationKey): number {
    const destination = this.get(key)?.find(at) ?? this.#discarded(key, at)
    return destination === null ? 0 : destination.connections + destination.persistent
  }

  /** Forgets removed destinations that have had no connection for two minutes. To be called now and then. */
  sweepTrash(nowMs: number): void {
    for (const [destination, waiting] of this.#trash) {
      if (destination.isReferenced) waiting.idleSinceMs = null
      else if (waiting.idleSinceMs === null) waiting.idleSinceMs = nowMs
      else if (nowMs - waiting.idleSinceMs >= TRASH_PERIOD_MS) this.#forget(destination)
    }
  }

  #makeScheduler(settings: ServiceSettings): Scheduler | Refusal | null {
    const { scheduler: name, schedulerFlags: flags } = settings
    if (name === 'none') return null
    const { schedulers, random, knobs } = this.#options
    return this.#schedulerFlaw(settings) ?? (schedulers[name] as SchedulerFactory)({ flags, random, knobs })
  }

  #schedulerFlaw({ scheduler: name }: ServiceSettings): Refusal | null {
    if (name === 'none' || Object.hasOwn(this.#options.schedulers, name)) return null
    const known = Object.keys(this.#options.schedulers).join(' ')
    return refuse('scheduler-not-found', `scheduler '${name}' is not one of: ${known} none`)
  }

  #enroll(service: VirtualService, at: DestinationKey, settings: DestinationSettings): Destination | Refusal {
    if (!isUnicast(at.address)) return refuse('invalid-value', `${at.address} is not a unicast address`)
    const inUse = this.#register.length - 1 - this.#freeIds.length
    if (inUse >= this.#options.maxDestinations) {
      return refuse('table-full', `the limit of ${this.#options.maxDestinations} destinations is reached`)
    }
    const id = this.#freeIds.pop() ?? this.#register.length
    const destination = new Destination(id, service, at, settings)
    this.#register[id] = destination
    return destination
  }

  /** A destination removed from a service of the same key comes back with its connections and counters. */
  #revive(service: VirtualService, at: DestinationKey, settings: DestinationSettings): Destination | null {
    const destination = this.#discarded(service.key, at)
    if (destination === null) return null
    this.#trash.delete(destination)
    if (destination.service !== service) destination.counters.zero()
    destination.service = service
    destination.isAvailable = true
    destination.lastWeight = settings.weight
    destination.edit(settings)
    return destination
  }

  /** A removed destination that is not forgotten yet. */
  #discarded(key: ServiceKey, at: DestinationKey): Destination | null {
    const service = formatServiceKey(key)
    for (const destination of this.#trash.keys()) {
      if (destination.port !== at.port || !destination.address.equals(at.address)) continue
      if (formatServiceKey(destination.service.key) === service) return destination
    }
    return null
  }

  #discard(destination: Destination): void {
    destination.isAvailable = false
    this.#byAddress.remove(destination)
    this.#trash.set(destination, { idleSinceMs: null })
  }

  #forget(destination: Destination): void {
    this.#trash.delete(destination)
    this.#register[destination.id] = null
    this.#freeIds.push(destination.id)
  }
}
