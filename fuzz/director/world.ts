/** The services among which fuzzed packets move: every forwarding method, tunnel, kind of persistence and transport. */

import { parseAddress } from '../../lib/bytes/address.ts'
import { Director } from '../../lib/director/director.ts'
import type { KnobName } from '../../lib/director/knobs.ts'
import type { DirectorOptions } from '../../lib/director/options.ts'
import type { Destination, DestinationSettings } from '../../lib/service/destination.ts'
import { parseEndpoint, parseServiceKey } from '../../lib/service/key.ts'
import { NOBODY_ID } from '../../lib/service/nobody.ts'
import { isRefusal } from '../../lib/service/refusal.ts'
import type { TunnelSettings } from '../../lib/service/tunnel.ts'
import type { ServiceSettings } from '../../lib/service/virtual-service.ts'

export interface ServerSpec extends DestinationSettings {
  readonly at: string
  /** Null: no way to it is known. */
  readonly mtuBytes: number | null
  /** The real server is the director itself. */
  readonly isLocal?: boolean
}

export interface ServiceSpec extends ServiceSettings {
  readonly key: string
  readonly servers: readonly ServerSpec[]
}

/** How a case's director is made. */
export interface WorldSpec {
  readonly services: readonly ServiceSpec[]
  readonly knobs: Readonly<Partial<Record<KnobName, number>>>
  readonly connectionLimit: number
  readonly kernelForwards: { readonly masquerading: boolean; readonly gatewaying: boolean }
  readonly randomSeed: number
  readonly answersEcho?: boolean
}

export type MakeDirector = (options: DirectorOptions) => Director

export class World {
  readonly director: Director
  /** Every destination there has been, removed ones included. */
  readonly destinations = new Set<Destination>()
  readonly #spec: WorldSpec

  /** Throws where the case asks for a service that is refused: it would not be the case that it was. */
  constructor(spec: WorldSpec, make: MakeDirector = (options) => new Director(options)) {
    const { connectionLimit, kernelForwards, randomSeed, knobs, services, answersEcho = false } = spec
    this.#spec = spec
    const random = randomFrom(randomSeed)
    this.director = make({ nowMs: 0, random, connectionLimit, kernelForwards, answersEcho })
    this.destinations.add(this.director.services.destination(NOBODY_ID))
    Object.assign(this.director.knobs, knobs)
    for (const service of services) this.addService(service.key)
  }

  /** The service as the case's table has it, with its servers; a refusal changes nothing. */
  addService(key: string): void {
    const spec = this.#specOf(key)
    if (isRefusal(this.director.services.add(parseServiceKey(key)!, spec))) return
    for (const { at } of spec.servers) this.addServer(key, at)
  }

  removeService(key: string): void {
    this.director.services.remove(parseServiceKey(key)!)
  }

  /** The same service by another scheduler. */
  editService(key: string, change: { readonly scheduler: string; readonly schedulerFlags: number }): void {
    this.director.services.edit(parseServiceKey(key)!, { ...this.#specOf(key), ...change })
  }

  addServer(key: string, at: string): void {
    const spec = this.#serverOf(key, at)
    const added = this.director.services.addDestination(parseServiceKey(key)!, parseEndpoint(at)!, spec)
    if (isRefusal(added)) return
    this.destinations.add(added)
    const source = parseAddress(added.address.family === 4 ? '192.168.1.254' : 'fd01::254')!
    const { mtuBytes, isLocal = false } = spec
    added.path = mtuBytes === null ? null : { sourceAddress: source, mtuBytes, isLocal }
  }

  editServer(key: string, at: string, change: Partial<DestinationSettings>): void {
    const settings = { ...this.#serverOf(key, at), ...change }
    this.director.services.editDestination(parseServiceKey(key)!, parseEndpoint(at)!, settings)
  }

  removeServer(key: string, at: string): void {
    this.director.services.removeDestination(parseServiceKey(key)!, parseEndpoint(at)!)
  }

  #specOf(key: string): ServiceSpec {
    const spec = this.#spec.services.find((each) => each.key === key)
    if (spec === undefined) throw new Error(`expected a service of the case, found ${key}`)
    return spec
  }

  #serverOf(key: string, at: string): ServerSpec {
    const spec = this.#specOf(key).servers.find((each) => each.at === at)
    if (spec === undefined) throw new Error(`expected a server of ${key}, found ${at}`)
    return spec
  }
}

/** Numbers in [0, 1), the same for the same seed: a linear congruential generator, for variety and no more. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const server = (at: string, settings: Partial<ServerSpec> = {}): ServerSpec => ({
  at,
  method: 'masquerading',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  mtuBytes: 1500,
  ...settings,
})

const tunnelTo = (at: string, tunnel?: TunnelSettings): ServerSpec =>
  server(at, { method: 'ipip', ...(tunnel === undefined ? {} : { tunnel }) })

const service = (
  key: string,
  servers: readonly ServerSpec[],
  settings: Partial<ServiceSettings> = {},
): ServiceSpec => ({
  key,
  scheduler: 'rr',
  schedulerFlags: 0,
  servers,
  ...settings,
})

const bound = (granularity: number, engine: string | null = null): Partial<ServiceSettings> => ({
  persistence: { timeoutSec: 60, granularity, engine },
})

const IPIP = { type: 'ipip', port: 0 } as const
const GUE = { type: 'gue', port: 6080 } as const
const GRE = { type: 'gre', port: 0 } as const

/** Most of it in both families; the ports are those of the recorded packets, where there are any. */
export const WORLD: readonly ServiceSpec[] = [
  service('tcp:10.0.0.1:80', [
    server('192.168.1.1:8080'),
    server('192.168.1.2:80', { method: 'gatewaying' }),
  ]),
  service('tcp:[fd00::1]:80', [server('[fd01::4]:8080'), tunnelTo('192.168.1.3:80')]),
  service('udp:10.0.0.1:53', [
    server('192.168.1.1:5300', { upperThreshold: 2, lowerThreshold: 1 }),
    server('192.168.1.5:53', { mtuBytes: 300 }),
  ]),
  service('udp:[fd00::1]:53', [
    server('[fd01::4]:5300'),
    server('[fd01::5]:53', { method: 'gatewaying', mtuBytes: 1280 }),
  ]),
  service('sctp:10.0.0.1:90', [server('192.168.1.1:9000'), tunnelTo('[fd01::3]:90')]),
  service('sctp:[fd00::1]:90', [server('[fd01::4]:9000'), server('[fd01::5]:90', { method: 'gatewaying' })]),
  service('udp:10.0.0.1:500', [server('192.168.1.9:500')]),
  service('udp:[fd00::1]:500', [tunnelTo('[fd01::3]:500')]),
  service('tcp:10.0.0.1:21', [server('192.168.1.1:21'), server('192.168.1.2:21')], bound(-1)),
  service('tcp:[fd00::1]:21', [server('[fd01::4]:21')]),
  service('udp:10.0.0.1:5060', [server('192.168.1.1:5060'), server('192.168.1.2:5060')], {
    onePacket: true,
    ...bound(-1, 'sip'),
  }),
  service('udp:[fd00::1]:5060', [server('[fd01::4]:5070'), server('[fd01::6]:5060')], bound(64, 'sip')),
  service(
    'udp:10.0.0.1:123',
    [server('192.168.1.1:123'), server('192.168.1.2:123', { method: 'gatewaying' })],
    { onePacket: true },
  ),
  service(
    'tcp:10.0.0.2:0',
    [server('192.168.1.1:0'), server('192.168.1.2:0', { method: 'gatewaying' })],
    bound(-256),
  ),
  service('fwmark:1', [server('192.168.1.1:0'), tunnelTo('192.168.1.3:0')], bound(-1)),
  service('fwmark:1:ipv6', [server('[fd01::4]:0'), tunnelTo('[fd01::3]:0')]),
  service('fwmark:2', [
    server('192.168.1.1:8080'),
    server('192.168.1.5:0', { mtuBytes: null, method: 'ipip' }),
  ]),
  service('fwmark:3', [server('192.168.1.1:0', { weight: 0 })]),
  service('tcp:10.0.0.1:81', [
    server('192.168.1.1:8081', { fullNat: true }),
    server('192.168.1.254:8081', { isLocal: true }),
  ]),
  service('udp:[fd00::1]:81', [
    server('[fd01::4]:8081', { fullNat: true }),
    server('[fd01::254]:81', { method: 'gatewaying', isLocal: true }),
  ]),
  // Templates that are due at once: a full table must not take them for what makes room.
  service('udp:10.0.0.2:54', [server('192.168.1.1:54'), server('192.168.1.2:54')], {
    persistence: { timeoutSec: 0, granularity: -1, engine: null },
  }),
  service('tcp:10.0.0.1:110', [
    tunnelTo('192.168.1.3:110', { ...IPIP, checksum: 'none', clampsMss: true }),
    tunnelTo('[fd01::3]:110', { ...GRE, checksum: 'full', clampsMss: true }),
  ]),
  service('tcp:10.0.0.1:101', [tunnelTo('192.168.1.3:101'), tunnelTo('[fd01::3]:101')]),
  service('tcp:[fd00::1]:101', [tunnelTo('[fd01::3]:101'), tunnelTo('192.168.1.3:101')]),
  service('tcp:10.0.0.1:103', [
    tunnelTo('192.168.1.3:103', { ...GUE, checksum: 'none' }),
    tunnelTo('[fd01::3]:103', { ...GUE, checksum: 'full' }),
  ]),
  service('udp:10.0.0.1:107', [
    tunnelTo('192.168.1.3:107', { ...GUE, checksum: 'remote' }),
    tunnelTo('[fd01::3]:107', { ...GUE, checksum: 'remote' }),
  ]),
  service('udp:[fd00::1]:107', [
    tunnelTo('192.168.1.3:107', { ...GUE, checksum: 'remote' }),
    tunnelTo('[fd01::3]:107', { ...GUE, checksum: 'none' }),
  ]),
  service('tcp:10.0.0.1:109', [
    tunnelTo('192.168.1.3:109', { ...GRE, checksum: 'none' }),
    tunnelTo('[fd01::3]:109', { ...GRE, checksum: 'full' }),
  ]),
  service('tcp:[fd00::1]:109', [
    tunnelTo('192.168.1.3:109', { ...GRE, checksum: 'full' }),
    tunnelTo('[fd01::3]:109', { ...GRE, checksum: 'none' }),
  ]),
]
