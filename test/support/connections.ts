/** Connections for tests of the table: identities in short, and packets of either direction that belong to them. */

import { parseAddress } from '../../lib/bytes/address.ts'
import { FLAG } from '../../lib/conn/layout.ts'
import type { NewConnection } from '../../lib/conn/new-connection.ts'
import { METHOD } from '../../lib/service/destination.ts'
import { parseEndpoint } from '../../lib/service/key.ts'
import type { Packet } from '../../lib/wire/packet.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { readPacket, tcp4, tcp6, udp4, udp6 } from './packets.ts'

export interface ConnectionSpec {
  readonly transport?: 'tcp' | 'udp'
  readonly client: string
  readonly virtual: string
  readonly destination: string
  readonly method?: 'masquerading' | 'gatewaying' | 'ipip'
  readonly destinationId?: number
  readonly fwmark?: number
}

/** The identity as the table is given it. */
export function newConnection(spec: ConnectionSpec): NewConnection {
  const client = parseEndpoint(spec.client)!
  const virtual = parseEndpoint(spec.virtual)!
  const destination = parseEndpoint(spec.destination)!
  return {
    family: client.address.family,
    protocol: PROTOCOL[spec.transport ?? 'tcp'],
    clientW0: client.address.w0,
    clientW1: client.address.w1,
    clientW2: client.address.w2,
    clientW3: client.address.w3,
    clientPort: client.port,
    virtualW0: virtual.address.w0,
    virtualW1: virtual.address.w1,
    virtualW2: virtual.address.w2,
    virtualW3: virtual.address.w3,
    virtualPort: virtual.port,
    destination: destination.address,
    destinationPort: destination.port,
    destinationId: spec.destinationId ?? 1,
    flags: METHOD[spec.method ?? 'masquerading'] | FLAG.inactive,
    fwmark: spec.fwmark ?? 0,
  }
}

/** A packet from the client to the virtual service. */
export const inboundOf = ({ transport = 'tcp', client, virtual }: ConnectionSpec): Packet =>
  packetOf(transport, client, virtual)

/** The server's answer as the director sees it: a masqueraded server's comes from its own endpoint. */
export const outboundOf = ({
  transport = 'tcp',
  method,
  client,
  virtual,
  destination,
}: ConnectionSpec): Packet =>
  packetOf(transport, method === undefined || method === 'masquerading' ? destination : virtual, client)

export function packetOf(transport: 'tcp' | 'udp', source: string, destination: string): Packet {
  const { family } = parseEndpoint(source)?.address ?? parseAddress('0.0.0.0')!
  const build = family === 4 ? { tcp: tcp4, udp: udp4 } : { tcp: tcp6, udp: udp6 }
  return readPacket(build[transport]({ source, destination }))
}
