/** How a virtual service and a destination are named: by values that identify them, and as text. */

import { type Family, type IpAddress, parseAddress } from '../bytes/address.ts'

/** The transports that a service can have; sctp is scheduled like the others. */
export type Transport = 'tcp' | 'udp' | 'sctp'

/** A service is known by its address, or by the firewall mark that netfilter gave the packet. */
export type ServiceKey =
  | {
      readonly kind: 'address'
      readonly transport: Transport
      readonly address: IpAddress
      readonly port: number
    }
  | { readonly kind: 'fwmark'; readonly fwmark: number; readonly family: Family }

/** A destination is known, within its service, by address and port. */
export interface DestinationKey {
  readonly address: IpAddress
  readonly port: number
}

export const serviceFamily = (key: ServiceKey): Family =>
  key.kind === 'address' ? key.address.family : key.family

/** `tcp:10.0.0.1:80`, `udp:[fd00::1]:53`, `fwmark:5`, `fwmark:5:ipv6`. */
export const formatServiceKey = (key: ServiceKey): string =>
  key.kind === 'address'
    ? `${key.transport}:${formatEndpoint(key)}`
    : `fwmark:${key.fwmark}${key.family === 6 ? ':ipv6' : ''}`

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export const formatEndpoint = ({ address, port }: DestinationKey): string =>
  address.family === 4 ? `${address}:${port}` : `[${address}]:${port}`

/** The inverse of {@link formatServiceKey}, or null. */
export function parseServiceKey(text: string): ServiceKey | null {
  const mark = /^fwmark:(\d{1,10})(:ipv6)?$/.exec(text)
  if (mark !== null) {
    const fwmark = Number(mark[1])
    return fwmark >= 1 && fwmark <= 0xffff_ffff ? { kind: 'fwmark', fwmark, family: mark[2] ? 6 : 4 } : null
  }
  const named = /^(tcp|udp|sctp):(.+)$/.exec(text)
  const endpoint = named === null ? null : parseEndpoint(named[2] as string)
  return endpoint === null ? null : { kind: 'address', transport: named?.[1] as Transport, ...endpoint }
}

/** The inverse of {@link formatEndpoint}, or null. */
export function parseEndpoint(text: string): DestinationKey | null {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  if (parts === null) return null
  const address = parseAddress((parts[1] ?? parts[2]) as string)
  const port = Number(parts[3])
  if (address === null || port > 65_535) return null
  return (address.family === 6) === (parts[1] !== undefined) ? { address, port } : null
}
