/**
 * AH and ESP have no ports of their own: they follow the key exchange that set them up, a connection of UDP port 500 to
 * UDP port 500 between the same addresses. So they reach the destination that knows the keys.
 */

import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import type { ConnectionTable } from './connection-table.ts'

/** The port of the internet key exchange. */
const IKE_PORT = 500

/** The key exchange's connection for a client's packet of whatever protocol, or `NONE`. The packet stays as it is. */
export function findInboundKeyExchange(connections: ConnectionTable, packet: Packet): number {
  const { protocol, sourcePort, destinationPort } = packet
  identify(packet, PROTOCOL.udp, IKE_PORT, IKE_PORT)
  const record = connections.findInbound(packet)
  identify(packet, protocol, sourcePort, destinationPort)
  return record
}

/** The same for a server's packet. */
export function findOutboundKeyExchange(connections: ConnectionTable, packet: Packet): number {
  const { protocol, sourcePort, destinationPort } = packet
  identify(packet, PROTOCOL.udp, IKE_PORT, IKE_PORT)
  const record = connections.findOutbound(packet)
  identify(packet, protocol, sourcePort, destinationPort)
  return record
}

function identify(packet: Packet, protocol: number, sourcePort: number, destinationPort: number): void {
  packet.protocol = protocol
  packet.sourcePort = sourcePort
  packet.destinationPort = destinationPort
}
