/** Between a service's key, as tables hold it, and the fields that name it in the API's JSON. */

import { type IpAddress, parseAddress } from '../lib/bytes/address.ts'
import type { DestinationKey, ServiceKey, Transport } from '../lib/service/key.ts'

/** The identifying fields of a `ServiceConfig` or `Service`. */
export type ServiceIdentity =
  | { readonly protocol: Transport; readonly address: string; readonly port: number }
  | { readonly fwmark: number; readonly family: 'ipv4' | 'ipv6' }

export const identityOf = (key: ServiceKey): ServiceIdentity =>
  key.kind === 'address'
    ? { protocol: key.transport, address: key.address.toString(), port: key.port }
    : { fwmark: key.fwmark, family: key.family === 6 ? 'ipv6' : 'ipv4' }

/** The inverse of {@link identityOf}. The address must have been validated, as the schema's are. */
export const keyOf = (identity: ServiceIdentity): ServiceKey =>
  'fwmark' in identity
    ? { kind: 'fwmark', fwmark: identity.fwmark, family: identity.family === 'ipv6' ? 6 : 4 }
    : { kind: 'address', transport: identity.protocol, ...endpointOf(identity) }

/** The key of an address and port that the schema has validated. */
export const endpointOf = ({ address, port }: { address: string; port: number }): DestinationKey => ({
  address: parseAddress(address) as IpAddress,
  port,
})
