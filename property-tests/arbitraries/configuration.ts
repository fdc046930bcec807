/** Services and servers as a director may hold them: whatever the control API accepts. */

import * as fc from 'fast-check'
import type { z } from 'zod'
import type { DestinationConfig, ServiceConfig } from '../../control/index.ts'
import { IpAddress } from '../../lib/bytes/address.ts'

const word = fc.integer({ min: 0, max: 0xffff_ffff })
const ipv4 = word.map((w0) => new IpAddress(4, w0).toString())
const ipv6 = fc.tuple(word, word, word, word).map((words) => new IpAddress(6, ...words).toString())
const port = fc.integer({ min: 1, max: 65_535 })
/** For services; the first means any port, and needs persistence. */
const anyPort = fc.oneof(fc.constant(0), port)

/** Unicast: 10.0.0.0/8 and 2000::/16. */
const serverIpv4 = word.map((w0) => new IpAddress(4, (w0 & 0x00ff_ffff) | 0x0a00_0000).toString())
const serverIpv6 = word.map((w3) => new IpAddress(6, 0x2000_0000, 0, 0, w3).toString())

/** The kernel's three flags, whichever the scheduler knows. */
const flags = fc.subarray(['flag-1', 'flag-2', 'flag-3'] as const).map((each) => [...each])

const scheduling = fc.record({
  scheduler: fc.constantFrom(
    'rr',
    'wrr',
    'lc',
    'wlc',
    'sed',
    'nq',
    'fo',
    'ovf',
    'lblc',
    'twos',
    'none',
    'sh',
    'mh',
  ),
  schedulerFlags: flags,
})

const persistentSeconds = fc.option(fc.integer({ min: 1, max: 2_678_400 }))

const identity = fc.oneof(
  fc.record({
    protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
    address: fc.oneof(ipv4, ipv6),
    port: anyPort,
  }),
  fc.record({ fwmark: fc.integer({ min: 1, max: 0xffff_ffff }), family: fc.constantFrom('ipv4', 'ipv6') }),
)

/** Only what a type of tunnel uses: nothing else is saved. */
const tunnel = fc.oneof(
  fc.constant({ type: 'ipip' as const }),
  fc.record({
    type: fc.constant('gue' as const),
    port,
    checksum: fc.constantFrom('none' as const, 'full' as const, 'remote' as const),
  }),
  fc.record({
    type: fc.constant('gre' as const),
    checksum: fc.constantFrom('none' as const, 'full' as const),
  }),
)

/** The lower and the upper one, which is not below it; mostly none. */
const thresholds = fc.oneof(
  fc.constant([0, 0] as const),
  fc
    .tuple(fc.nat({ max: 2_147_483_647 }), fc.nat({ max: 2_147_483_647 }))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
)

type ServiceInput = z.input<typeof ServiceConfig>
type Identity = typeof identity extends fc.Arbitrary<infer T> ? T : never
type DestinationInput = z.input<typeof DestinationConfig>

const isIpv6 = (service: ServiceInput): boolean =>
  'fwmark' in service ? service.family === 'ipv6' : service.address.includes(':')

const servers = (service: ServiceInput): fc.Arbitrary<DestinationInput[]> => {
  const own = isIpv6(service) ? serverIpv6 : serverIpv4
  const weight = fc.integer({ min: 0, max: 2_147_483_647 })
  // Servers that are not masqueraded have the service's port, where it has one: ipvsadm writes no other.
  const samePort = 'fwmark' in service ? fc.integer({ min: 0, max: 65_535 }) : fc.constant(service.port)
  const placed = fc.oneof(
    fc.record({ address: own, port: anyPort, method: fc.constant('masquerading' as const), weight }),
    fc.record({ address: own, port: samePort, method: fc.constant('gatewaying' as const), weight }),
    fc.record({
      address: fc.oneof(serverIpv4, serverIpv6),
      port: samePort,
      method: fc.constant('ipip' as const),
      weight,
      tunnel,
    }),
  )
  const server = fc
    .tuple(placed, thresholds)
    .map(([each, [lowerThreshold, upperThreshold]]) => ({ ...each, lowerThreshold, upperThreshold }))
  return fc.uniqueArray(server, { maxLength: 5, selector: (each) => `${each.address} ${each.port}` })
}

const nameOf = (service: ServiceInput): string =>
  'fwmark' in service
    ? `${service.fwmark} ${service.family}`
    : `${service.protocol} ${service.address} ${service.port}`

export interface ConfiguredService {
  readonly service: ServiceInput
  readonly servers: readonly DestinationInput[]
}

/** What a service of this identity may be set to by uipvsadm. */
function settingsOf(id: Identity): fc.Arbitrary<ServiceInput> {
  const mask: fc.Arbitrary<string | number> = isIpv6(id as ServiceInput)
    ? fc.integer({ min: 1, max: 128 })
    : ipv4
  const mayBeOnePacket = 'fwmark' in id || id.protocol === 'udp'
  const needsPersistence = 'fwmark' in id ? false : id.port === 0
  return fc
    .record({
      scheduling,
      persistentSeconds: needsPersistence ? persistentSeconds.map((each) => each ?? 360) : persistentSeconds,
      netmask: fc.option(mask),
      engine: fc.option(fc.constant('sip')),
      onePacket: mayBeOnePacket ? fc.boolean() : fc.constant(false),
    })
    .map(({ scheduling: { scheduler, schedulerFlags }, ...rest }) => ({
      ...id,
      ...rest,
      scheduler,
      schedulerFlags,
    })) as fc.Arbitrary<ServiceInput>
}

/** Services that differ, each with servers that differ, in every setting that there is a way to ask for. */
export const configuration: fc.Arbitrary<ConfiguredService[]> = fc.uniqueArray(
  identity
    .chain((id) => settingsOf(id))
    .chain((service) => servers(service).map((each) => ({ service, servers: each }))),
  { maxLength: 6, selector: ({ service }) => nameOf(service) },
)
