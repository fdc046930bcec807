/** Services and servers as a director may hold them: whatever the control API accepts. */

import * as fc from 'fast-check'
import type { z } from 'zod'
import type { DestinationConfig, ServiceConfig } from '../../control/index.ts'
import { IpAddress } from '../../lib/bytes/address.ts'

const word = fc.integer({ min: 0, max: 0xffff_ffff })
const ipv4 = word.map((w0) => new IpAddress(4, w0).toString())
const ipv6 = fc.tuple(word, word, word, word).map((words) => new IpAddress(6, ...words).toString())
const port = fc.integer({ min: 1, max: 65_535 })

/** Unicast: 10.0.0.0/8 and 2000::/16. */
const serverIpv4 = word.map((w0) => new IpAddress(4, (w0 & 0x00ff_ffff) | 0x0a00_0000).toString())
const serverIpv6 = word.map((w3) => new IpAddress(6, 0x2000_0000, 0, 0, w3).toString())

const flags = fc.subarray(['flag-1', 'flag-2', 'flag-3'] as const).map((each) => [...each])
const namedFlags = fc.subarray(['flag-1', 'flag-2'] as const).map((each) => [...each])

/** `sh` and `mh` have names for two flags only, and nothing else can be written or read for them. */
const settings = fc.oneof(
  fc.record({
    scheduler: fc.constantFrom('rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'none'),
    schedulerFlags: flags,
  }),
  fc.record({ scheduler: fc.constantFrom('sh', 'mh'), schedulerFlags: namedFlags }),
)

const identity = fc.oneof(
  fc.record({ protocol: fc.constantFrom('tcp', 'udp', 'sctp'), address: fc.oneof(ipv4, ipv6), port }),
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

type ServiceInput = z.input<typeof ServiceConfig>
type DestinationInput = z.input<typeof DestinationConfig>

const isIpv6 = (service: ServiceInput): boolean =>
  'fwmark' in service ? service.family === 'ipv6' : service.address.includes(':')

const servers = (service: ServiceInput): fc.Arbitrary<DestinationInput[]> => {
  const own = isIpv6(service) ? serverIpv6 : serverIpv4
  const weight = fc.integer({ min: 0, max: 2_147_483_647 })
  // Servers that are not masqueraded have the service's port, where it has one: ipvsadm writes no other.
  const samePort = 'fwmark' in service ? fc.integer({ min: 0, max: 65_535 }) : fc.constant(service.port)
  const server = fc.oneof(
    fc.record({ address: own, port, method: fc.constant('masquerading' as const), weight }),
    fc.record({ address: own, port: samePort, method: fc.constant('gatewaying' as const), weight }),
    fc.record({
      address: fc.oneof(serverIpv4, serverIpv6),
      port: samePort,
      method: fc.constant('ipip' as const),
      weight,
      tunnel,
    }),
  )
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

/** Services that differ, each with servers that differ; thresholds are left out, which `-S` does not save. */
export const configuration: fc.Arbitrary<ConfiguredService[]> = fc.uniqueArray(
  fc
    .tuple(identity, settings)
    .map(([id, set]): ServiceInput => ({ ...id, ...set }) as ServiceInput)
    .chain((service) => servers(service).map((each) => ({ service, servers: each }))),
  { maxLength: 6, selector: ({ service }) => nameOf(service) },
)
