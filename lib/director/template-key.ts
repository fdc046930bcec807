/** Whom a persistence template binds, and for what: a client's network, and the service's port, all ports, or a mark. */

import type { Family } from '../bytes/address.ts'
import type { NewConnection } from '../conn/new-connection.ts'
import type { Persistence, VirtualService } from '../service/virtual-service.ts'
import type { Packet } from '../wire/packet.ts'
import { copyEndpoints } from './endpoints.ts'

/** What a template's ports are where it binds a client for all of them. */
export const ANY_PORT = 0
/** Templates of firewall marks are of every protocol: `IP` in listings. */
const PROTOCOL_OF_MARKS = 0
/** FTP's data comes from other ports of the same client. */
const FTP_PORT = 21

/** Writes the key of the template that the packet's client is bound by. */
export function writeTemplateKey(
  template: NewConnection,
  packet: Packet,
  { key, port }: VirtualService,
  { granularity }: Persistence,
): void {
  copyEndpoints(packet, template)
  template.family = packet.family
  template.clientPort = ANY_PORT
  template.clientW0 = packet.sourceW0 & maskWord(packet.family, granularity, 0)
  template.clientW1 = packet.sourceW1 & maskWord(packet.family, granularity, 1)
  template.clientW2 = packet.sourceW2 & maskWord(packet.family, granularity, 2)
  template.clientW3 = packet.sourceW3 & maskWord(packet.family, granularity, 3)
  if (key.kind === 'fwmark') {
    template.protocol = PROTOCOL_OF_MARKS
    template.virtualW0 = key.fwmark | 0
    template.virtualW1 = 0
    template.virtualW2 = 0
    template.virtualW3 = 0
  }
  const isOnePort = packet.destinationPort === port && port !== FTP_PORT && key.kind === 'address'
  template.virtualPort = isOnePort ? port : ANY_PORT
}

/** One word of the mask that tells clients apart. */
function maskWord(family: Family, granularity: number, word: number): number {
  if (family === 4) return word === 0 ? granularity : 0
  const bits = granularity - word * 32
  if (bits >= 32) return -1
  return bits <= 0 ? 0 : -1 << (32 - bits)
}
