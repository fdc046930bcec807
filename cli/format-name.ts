/** Services and endpoints as listings and saved commands name them. */

import { endpointOf, keyOf, type Service } from '../control/index.ts'
import type { DestinationKey, ServiceKey, Transport } from '../lib/service/key.ts'
import type { Labels } from './names.ts'

/** `10.0.0.1:80`, `[fd00::1]:http`. */
export function endpointLabel(
  { address, port }: DestinationKey,
  transport: Transport | null,
  labels: Labels,
): string {
  const host = labels.host(address.toString())
  return `${address.family === 6 ? `[${host}]` : host}:${labels.port(port, transport)}`
}

/** `TCP  10.0.0.1:80`, `FWM  5`, `FWM  5 IPv6`; an IPv4 service's is cut at 33 characters. */
export function serviceLabel(key: ServiceKey, labels: Labels): string {
  // Deviation from ipvsadm 1.31, which prints a mark from 2^31 up as a negative number that it cannot read back.
  if (key.kind === 'fwmark') return `FWM  ${key.fwmark}${key.family === 6 ? ' IPv6' : ''}`
  const label = `${key.transport.toUpperCase().padEnd(4)} ${endpointLabel(key, key.transport, labels)}`
  return key.address.family === 4 ? label.slice(0, 33) : label
}

/** A server's endpoint in a table: an IPv4 one is cut at 28 characters. */
export function serverLabel(endpoint: DestinationKey, transport: Transport | null, labels: Labels): string {
  const label = endpointLabel(endpoint, transport, labels)
  return endpoint.address.family === 4 ? label.slice(0, 28) : label
}

/** The transport whose service names the ports of a service's servers go by; behind a firewall mark, none. */
export const transportOf = (key: ServiceKey): Transport | null =>
  key.kind === 'address' ? key.transport : null

/** Every address that a listing of these services shows. */
export function addressesOf(services: readonly Service[]): Set<string> {
  const addresses = new Set<string>()
  for (const service of services) {
    const key = keyOf(service)
    if (key.kind === 'address') addresses.add(key.address.toString())
    for (const each of service.destinations) addresses.add(endpointOf(each).address.toString())
  }
  return addresses
}
