/**
 * A control API in memory, for tests of the command line: services and servers with kernel IPVS's checks in its
 * order, and no forwarding. What it answers has been through the API's own schemas.
 */

import {
  ApiError,
  Connection,
  type Control,
  Destination,
  DestinationConfig,
  DestinationSettings,
  endpointOf,
  type Info,
  KnobChanges,
  type Knobs,
  keyOf,
  Service,
  ServiceConfig,
  ServiceSettings,
  Timeouts,
} from '../../control/index.ts'
import { type IpAddress, parseAddress } from '../../lib/bytes/address.ts'
import { defaultKnobs } from '../../lib/director/knobs.ts'
import { isUnicast } from '../../lib/service/flaws.ts'
import {
  type DestinationKey,
  formatEndpoint,
  formatServiceKey,
  type ServiceKey,
  serviceFamily,
} from '../../lib/service/key.ts'
import { REFUSALS, type RefusalCode } from '../../lib/service/refusal.ts'

const SCHEDULERS = new Set([
  'rr',
  'wrr',
  'lc',
  'wlc',
  'sed',
  'nq',
  'fo',
  'ovf',
  'dh',
  'sh',
  'mh',
  'lblc',
  'lblcr',
  'twos',
  'none',
])

const STATUS: Partial<Record<RefusalCode, number>> = {
  'no-such-service': 404,
  'no-such-destination': 404,
  'service-exists': 409,
  'destination-exists': 409,
}

const refuse = (code: RefusalCode, message: string): never => {
  throw new ApiError(STATUS[code] ?? 422, { code, errno: REFUSALS[code], message })
}

export const NO_COUNTERS = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }
export const NO_RATES = {
  connectionsPerSec: 0,
  inPacketsPerSec: 0,
  outPacketsPerSec: 0,
  inBytesPerSec: 0,
  outBytesPerSec: 0,
}

export class FakeControl implements Control {
  /** The director's own addresses with their prefix lengths, `10.0.0.1/24`. */
  readonly #interfaces: readonly string[]
  /** By id, in the order of creation. */
  readonly #services = new Map<string, Service>()
  #connections: Connection[] = []
  #counted: Partial<Info> = {}
  #timeouts: Timeouts = { tcp: 900, tcpFin: 120, udp: 300 }
  readonly #knobs: Knobs = defaultKnobs()

  constructor(interfaces: readonly string[] = []) {
    this.#interfaces = interfaces
  }

  /** Replaces a service's state, as traffic would. */
  put(service: Service): void {
    this.#services.set(service.id, Service.parse(service))
  }

  /** Replaces the connections. */
  putConnections(connections: readonly Connection[]): void {
    this.#connections = connections.map((each) => Connection.parse(each))
  }

  /** Replaces what has been counted for all services together. */
  putCounted(counted: Pick<Info, 'totals' | 'rates' | 'counted'>): void {
    this.#counted = counted
  }

  async services(): Promise<Service[]> {
    return structuredClone([...this.#services.values()])
  }

  async service(key: ServiceKey): Promise<Service> {
    return structuredClone(this.#find(key))
  }

  async addService(input: Parameters<Control['addService']>[0]): Promise<Service> {
    const config = ServiceConfig.parse(input)
    const id = formatServiceKey(keyOf(config))
    if (this.#services.has(id)) refuse('service-exists', `${id} exists`)
    checkService(keyOf(config), config)
    const service = Service.parse({ ...config, id, destinations: [], counters: NO_COUNTERS, rates: NO_RATES })
    this.#services.set(id, service)
    return structuredClone(service)
  }

  async editService(key: ServiceKey, input: Parameters<Control['editService']>[1]): Promise<Service> {
    const settings = ServiceSettings.parse(input)
    const service = this.#find(key)
    checkService(key, settings)
    return structuredClone(Object.assign(service, settings))
  }

  async deleteService(key: ServiceKey): Promise<void> {
    this.#services.delete(this.#find(key).id)
  }

  async flush(): Promise<void> {
    this.#services.clear()
  }

  async zeroService(key: ServiceKey): Promise<void> {
    const service = this.#find(key)
    for (const each of [service, ...service.destinations]) {
      each.counters = { ...NO_COUNTERS }
      each.rates = { ...NO_RATES }
    }
  }

  async zeroAll(): Promise<void> {
    for (const service of this.#services.values()) await this.zeroService(keyOf(service))
  }

  async addDestination(
    key: ServiceKey,
    input: Parameters<Control['addDestination']>[1],
  ): Promise<Destination> {
    const service = this.#find(key)
    const config = DestinationConfig.parse(input)
    const endpoint = endpointOf(config)
    checkDestination(key, endpoint, config)
    if (service.destinations.some((each) => sameEndpoint(each, endpoint)))
      refuse('destination-exists', `${formatEndpoint(endpoint)} exists`)
    if (!this.#isUnicast(endpoint.address)) refuse('invalid-value', `${endpoint.address} is not unicast`)
    const destination = Destination.parse({
      ...config,
      activeConnections: 0,
      inactiveConnections: 0,
      persistentConnections: 0,
      overloaded: false,
      counters: NO_COUNTERS,
      rates: NO_RATES,
    })
    service.destinations.unshift(destination)
    return structuredClone(destination)
  }

  async editDestination(
    key: ServiceKey,
    endpoint: DestinationKey,
    input: Parameters<Control['editDestination']>[2],
  ): Promise<Destination> {
    const service = this.#find(key)
    const settings = DestinationSettings.parse(input)
    checkDestination(key, endpoint, settings)
    return structuredClone(Object.assign(findDestination(service, endpoint), settings))
  }

  async deleteDestination(key: ServiceKey, endpoint: DestinationKey): Promise<void> {
    const service = this.#find(key)
    const destination = findDestination(service, endpoint)
    service.destinations.splice(service.destinations.indexOf(destination), 1)
  }

  async connections(): Promise<Connection[]> {
    return structuredClone(this.#connections)
  }

  async timeouts(): Promise<Timeouts> {
    return { ...this.#timeouts }
  }

  async setTimeouts(input: Timeouts): Promise<Timeouts> {
    const { tcp, tcpFin, udp } = Timeouts.parse(input)
    const old = this.#timeouts
    this.#timeouts = { tcp: tcp || old.tcp, tcpFin: tcpFin || old.tcpFin, udp: udp || old.udp }
    return this.timeouts()
  }

  async knobs(): Promise<Knobs> {
    return { ...this.#knobs }
  }

  async setKnobs(changes: KnobChanges): Promise<Knobs> {
    Object.assign(this.#knobs, KnobChanges.parse(changes))
    return this.knobs()
  }

  async info(): Promise<Info> {
    return {
      version: '0.0.0',
      ipvsVersion: '1.2.1',
      connectionTableSize: 4096,
      connectionLimit: 1_000_000,
      connections: this.#connections.length,
      pid: 1,
      uptimeSeconds: 0,
      totals: NO_COUNTERS,
      rates: NO_RATES,
      counted: NO_COUNTERS,
      applications: [{ name: 'ftp', transport: 'tcp', port: 21, connections: 1 }],
      dropped: {},
      passed: {},
      queues: [],
      ...this.#counted,
    }
  }

  #find(key: ServiceKey): Service {
    const id = formatServiceKey(key)
    return this.#services.get(id) ?? refuse('no-such-service', `no service ${id}`)
  }

  /** Unicast by the routing table of a host with these interfaces. */
  #isUnicast(address: IpAddress): boolean {
    if (address.family === 6) return isUnicast(address)
    return isUnicast(address) && !this.#interfaces.some((text) => isBroadcast(address.w0 >>> 0, text))
  }
}

function isBroadcast(word: number, subnet: string): boolean {
  const [text, prefixBits] = subnet.split('/')
  const network = parseAddress(text as string)
  if (network === null || network.family !== 4) return false
  const hostMask = (0xffff_ffff >>> Number(prefixBits)) >>> 0
  return (network.w0 | hostMask) >>> 0 === word
}

function checkService(key: ServiceKey, { scheduler, engine, netmask }: ServiceSettings): void {
  if (!SCHEDULERS.has(scheduler)) refuse('scheduler-not-found', `no scheduler '${scheduler}'`)
  if (engine !== null && engine !== 'sip') refuse('engine-not-found', `no engine '${engine}'`)
  // A prefix length out of range has not passed the schema.
  if (netmask !== null && typeof netmask !== (serviceFamily(key) === 6 ? 'number' : 'string'))
    refuse('invalid-value', `netmask ${netmask} is not of the service's family`)
}

function checkDestination(key: ServiceKey, { address }: DestinationKey, settings: DestinationSettings): void {
  if (address.family !== serviceFamily(key) && settings.method !== 'ipip')
    refuse('invalid-value', `${address} is not of the service's family`)
  if (settings.lowerThreshold > settings.upperThreshold)
    refuse('out-of-range', `lower threshold ${settings.lowerThreshold} is above ${settings.upperThreshold}`)
  if (settings.tunnel.type === 'gue' && settings.tunnel.port === 0)
    refuse('invalid-value', 'a gue tunnel needs a port')
}

const sameEndpoint = (destination: Destination, endpoint: DestinationKey): boolean =>
  formatEndpoint(endpointOf(destination)) === formatEndpoint(endpoint)

const findDestination = (service: Service, endpoint: DestinationKey): Destination =>
  service.destinations.find((each) => sameEndpoint(each, endpoint)) ??
  refuse('no-such-destination', `no server ${formatEndpoint(endpoint)}`)
