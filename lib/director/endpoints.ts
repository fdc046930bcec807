/** The endpoints of an inbound packet, as schedulers and new connections are told of them. */

import { IpAddress } from '../bytes/address.ts'
import type { Packet } from '../wire/packet.ts'

export interface Endpoints {
  protocol: number
  clientW0: number
  clientW1: number
  clientW2: number
  clientW3: number
  clientPort: number
  virtualW0: number
  virtualW1: number
  virtualW2: number
  virtualW3: number
  virtualPort: number
}

export const NO_ENDPOINTS: Endpoints = {
  protocol: 0,
  clientW0: 0,
  clientW1: 0,
  clientW2: 0,
  clientW3: 0,
  clientPort: 0,
  virtualW0: 0,
  virtualW1: 0,
  virtualW2: 0,
  virtualW3: 0,
  virtualPort: 0,
}

export const NO_ADDRESS = new IpAddress(4, 0)

export function copyEndpoints(packet: Packet, to: Endpoints): void {
  to.protocol = packet.protocol
  to.clientW0 = packet.sourceW0
  to.clientW1 = packet.sourceW1
  to.clientW2 = packet.sourceW2
  to.clientW3 = packet.sourceW3
  to.clientPort = packet.sourcePort
  to.virtualW0 = packet.destinationW0
  to.virtualW1 = packet.destinationW1
  to.virtualW2 = packet.destinationW2
  to.virtualW3 = packet.destinationW3
  to.virtualPort = packet.destinationPort
}
