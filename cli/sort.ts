/**
 * The order of listings: services by firewall mark (address services have none and come first), family, protocol,
 * address and port; servers by family, address and port.
 *
 * Deviation from ipvsadm 1.31: it compares by the sign of a wrapping 32-bit difference, which puts 192.168.1.1
 * before 10.0.0.1 and mark 4294967295 before everything. Here every value is compared unsigned.
 */

import { endpointOf, keyOf, type Service } from '../control/index.ts'
import type { IpAddress } from '../lib/bytes/address.ts'
import type { DestinationKey, ServiceKey } from '../lib/service/key.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'

/** The services in order, each with its servers in order. The argument is left as it is. */
export function sorted(services: readonly Service[]): Service[] {
  return sortedBy(services, keyOf, compareServices).map((service) => ({
    ...service,
    destinations: sortedBy(service.destinations, endpointOf, compareEndpoints),
  }))
}

/** Orders by a key that is made once for each item. */
function sortedBy<T, K>(items: readonly T[], key: (item: T) => K, compare: (a: K, b: K) => number): T[] {
  return items
    .map((item) => ({ item, key: key(item) }))
    .sort((a, b) => compare(a.key, b.key))
    .map(({ item }) => item)
}

function compareServices(a: ServiceKey, b: ServiceKey): number {
  if (a.kind === 'address' && b.kind === 'address')
    return (
      a.address.family - b.address.family ||
      PROTOCOL[a.transport] - PROTOCOL[b.transport] ||
      compareEndpoints(a, b)
    )
  if (a.kind === 'fwmark' && b.kind === 'fwmark') return a.fwmark - b.fwmark || a.family - b.family
  return a.kind === 'address' ? -1 : 1
}

const compareEndpoints = (a: DestinationKey, b: DestinationKey): number =>
  compareAddresses(a.address, b.address) || a.port - b.port

const compareAddresses = (a: IpAddress, b: IpAddress): number =>
  a.family - b.family ||
  (a.w0 >>> 0) - (b.w0 >>> 0) ||
  (a.w1 >>> 0) - (b.w1 >>> 0) ||
  (a.w2 >>> 0) - (b.w2 >>> 0) ||
  (a.w3 >>> 0) - (b.w3 >>> 0)
