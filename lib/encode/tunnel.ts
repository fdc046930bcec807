/** Tunnelling: the packet goes on unchanged behind outer headers, IPv4 or IPv6 in either, of one of three types. */

import type { Family, IpAddress } from '../bytes/address.ts'
import type { Path } from '../service/destination.ts'
import type { TunnelSettings, TunnelType } from '../service/tunnel.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { checksumOffset } from '../wire/transport-checksum.ts'
import { greBytes, writeGre } from './gre.ts'
import { gueBytes, writeGue } from './gue.ts'
import { OFFLOAD, type Offload } from './offload.ts'
import { type OuterOptions, outerHeaderBytes, writeOuterHeader } from './outer-header.ts'

export type { OuterOptions }

/** The longest that can come before a packet: IPv6, UDP and GUE with the remote checksum's option. */
export const LONGEST_OUTER_BYTES = outerHeaderBytes(6) + gueBytes(true)

/** What a tunnel goes to. */
export interface TunnelEnd {
  readonly address: IpAddress
  readonly tunnel: TunnelSettings
}

/** What a type of tunnel puts between the outer IP header and the packet. */
interface Encapsulation {
  /** What the outer IP header announces, by the packet's family. */
  readonly protocol: Readonly<Record<Family, number>>
  /** Whether it can say that the packet's transport checksum is for the far end to finish. */
  readonly canLeaveChecksum: boolean
  bytes(tunnel: TunnelSettings, leavesChecksum: boolean): number
  /** Writes it, right before the packet. The outer IP header is there already. */
  write(packet: Packet, outerStart: number, tunnel: TunnelSettings, leavesChecksum: boolean): void
}

/** The protocol number that announces an inner packet of the family. */
const INNER_PROTOCOL = { 4: PROTOCOL.ipip, 6: PROTOCOL.ipv6 } as const

const ENCAPSULATIONS: Readonly<Record<TunnelType, Encapsulation>> = {
  ipip: {
    protocol: INNER_PROTOCOL,
    canLeaveChecksum: false,
    bytes: () => 0,
    write: () => {},
  },
  gue: {
    protocol: { 4: PROTOCOL.udp, 6: PROTOCOL.udp },
    canLeaveChecksum: true,
    bytes: (_tunnel, leavesChecksum) => gueBytes(leavesChecksum),
    write: (packet, outerStart, tunnel, leavesChecksum) =>
      writeGue(packet, outerStart, INNER_PROTOCOL[packet.family], tunnel, leavesChecksum),
  },
  gre: {
    protocol: { 4: PROTOCOL.gre, 6: PROTOCOL.gre },
    canLeaveChecksum: false,
    bytes: ({ checksum }) => greBytes(checksum),
    write: (packet, _outerStart, { checksum }) => writeGre(packet, checksum),
  },
}

/** What the tunnel adds to a packet, outer IP header and all. */
export const overheadBytes = ({ address, tunnel }: TunnelEnd, leavesChecksum: boolean): number =>
  outerHeaderBytes(address.family) + ENCAPSULATIONS[tunnel.type].bytes(tunnel, leavesChecksum)

/**
 * Whether the far end of the tunnel is to finish the packet's transport checksum: it was left unfinished, the tunnel can
 * say so, and the checksum is one that is finished by summing.
 */
export const leavesChecksum = ({ tunnel }: TunnelEnd, packet: Packet, offload: Offload): boolean =>
  offload !== OFFLOAD.finished &&
  tunnel.checksum === 'remote' &&
  ENCAPSULATIONS[tunnel.type].canLeaveChecksum &&
  !packet.isFragment &&
  checksumOffset(packet.protocol) >= 0

/**
 * Writes the outer headers in front of the packet and returns where they start: `packet.start` less
 * {@link overheadBytes}, which must be there to write. The hop limit is copied, and checksums cover the packet, so all
 * that is to change in it must have changed before.
 */
export function encapsulate(packet: Packet, to: TunnelEnd, path: Path, options: OuterOptions): number {
  const encapsulation = ENCAPSULATIONS[to.tunnel.type]
  const start = packet.start - overheadBytes(to, options.leavesChecksum)
  const protocol = encapsulation.protocol[packet.family]
  writeOuterHeader(packet, start, path.sourceAddress, to.address, protocol, options)
  encapsulation.write(packet, start, to.tunnel, options.leavesChecksum)
  return start
}
