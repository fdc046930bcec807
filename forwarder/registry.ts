/** The configuration in force, as values: what the daemon was told, and what the host must do for it. */

import { endpointOf, keyOf } from '../control/identity.ts'
import type { DestinationConfig, ServiceConfig, ServiceSettings } from '../control/schema.ts'
import { FTP_PORT } from '../lib/apps/ftp.ts'
import { type Family, parseAddress } from '../lib/bytes/address.ts'
import { formatEndpoint, formatServiceKey, type ServiceKey, serviceFamily } from '../lib/service/key.ts'
import type { Way } from './dataplane/messages.ts'
import type { WantedState } from './host/host.ts'
import type { RoutedHop } from './host/routing.ts'
import type { RedirectedService, ReplySource } from './host/rules.ts'
import type { Lingering } from './lingering.ts'

export interface RegisteredDestination {
  readonly config: DestinationConfig
  readonly way: Way | null
}

export interface RegisteredService {
  readonly key: ServiceKey
  readonly config: ServiceConfig
  /** By endpoint text. */
  readonly destinations: ReadonlyMap<string, RegisteredDestination>
}

/** By service id. Immutable: a change makes another one, so that a failed change leaves the former in force. */
export type Registry = ReadonlyMap<string, RegisteredService>

export const serviceId = (config: ServiceConfig): string => formatServiceKey(keyOf(config))
export const endpointId = (config: DestinationConfig): string => formatEndpoint(endpointOf(config))

/** The settings without what identifies the service. */
export const serviceSettings = (config: ServiceConfig): ServiceSettings => ({
  scheduler: config.scheduler,
  schedulerFlags: config.schedulerFlags,
  persistentSeconds: config.persistentSeconds,
  netmask: config.netmask,
  engine: config.engine,
  onePacket: config.onePacket,
})

/** The registry with the entry replaced, or removed where `value` is undefined. */
export function replaced<V>(
  map: ReadonlyMap<string, V>,
  key: string,
  value: V | undefined,
): ReadonlyMap<string, V> {
  const copy = new Map(map)
  if (value === undefined) copy.delete(key)
  else copy.set(key, value)
  return copy
}

/** How this daemon takes packets in and lets them out. */
export interface Arrangement {
  /** Delivers super-packets whole. */
  readonly superQueue: number
  /** Delivers packets as the wire will see them: for whatever leaves by our own hand. */
  readonly plainQueue: number
  /** Whether direct routing is the kernel's work, by mark. */
  readonly routesByMark: boolean
  readonly markMask: number
  readonly markOf: (slot: number) => number
}

/** What the registry asks of the host, and what lingers. */
export function wantedState(registry: Registry, lingering: Lingering, arrangement: Arrangement): WantedState {
  const services = served(registry, lingering)
  const forwarding = new Set<Family>()
  const hops = new Map<number, RoutedHop>()
  for (const { key, destinations } of services) {
    for (const { config, way } of destinations) {
      if (isForwardedByKernel(config, arrangement)) forwarding.add(serviceFamily(key))
      if (config.method !== 'gatewaying' || !arrangement.routesByMark || !way?.hop) continue
      const { hop } = way
      if (hops.has(hop.slot)) continue
      hops.set(hop.slot, { hop, mark: arrangement.markOf(hop.slot), mask: arrangement.markMask })
    }
  }
  return {
    services: services.map((service) => redirected(service, arrangement)),
    hops: [...hops.values()],
    sysctls: { forwarding: [...forwarding], noRedirects: forwarding.size > 0, tunnelIngress: [] },
  }
}

interface ServedService {
  readonly key: ServiceKey
  /** Those in force first: where both are on the same slot, theirs is the newer way. */
  readonly destinations: readonly RegisteredDestination[]
}

function served(registry: Registry, lingering: Lingering): ServedService[] {
  const services = new Map<string, { key: ServiceKey; destinations: RegisteredDestination[] }>()
  for (const [id, { key, destinations }] of registry) {
    services.set(id, { key, destinations: [...destinations.values()] })
  }
  for (const former of lingering) {
    const service = services.get(former.service)
    if (service === undefined) services.set(former.service, { key: former.key, destinations: [former] })
    else service.destinations.push(former)
  }
  return [...services.values()]
}

/** Whether the kernel sends the packets on, after the verdict. */
export const isForwardedByKernel = ({ method }: DestinationConfig, { routesByMark }: Arrangement): boolean =>
  method === 'masquerading' || (method === 'gatewaying' && routesByMark)

function redirected({ key, destinations }: ServedService, arrangement: Arrangement): RedirectedService {
  const isKernels = destinations.every(({ config }) => isForwardedByKernel(config, arrangement))
  const masqueraded = destinations.filter(({ config }) => config.method === 'masquerading')
  return {
    key,
    queueNumber: isKernels ? arrangement.superQueue : arrangement.plainQueue,
    replySources: masqueraded.map(({ config, way }): ReplySource => {
      const { address, port } = endpointOf(config)
      const transport = key.kind === 'address' ? key.transport : 'any'
      return { address, port, transport, isLocal: way?.isLocal === true }
    }),
    announcesPorts: isFtp(key) && masqueraded.length > 0,
    tunnelSources: destinations
      .filter(({ config }) => config.method === 'ipip')
      .map(({ way }) => (way === null ? null : parseAddress(way.sourceAddress)))
      .filter((address) => address !== null),
  }
}

const isFtp = (key: ServiceKey): boolean =>
  key.kind === 'address' && key.transport === 'tcp' && key.port === FTP_PORT
