/** The packet inside one of our tunnel packets that an ICMP error quotes. */

import { readU8, readU16 } from '../bytes/octets.ts'
import type { TunnelSettings, TunnelType } from '../service/tunnel.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { UDP_HEADER_BYTES } from '../wire/udp.ts'

const NOTHING = -1
const GUE_BYTES = 4
const GRE_BYTES = 4
const GRE_CHECKSUM_BYTES = 4
const GRE_CHECKSUM_PRESENT = 0x8000
const ETHERTYPES: readonly number[] = [0x0800, 0x86dd]
const INNER_PROTOCOLS: readonly number[] = [PROTOCOL.ipip, PROTOCOL.ipv6]

interface QuotedTunnel {
  readonly type: TunnelType
  /** Where the inner packet starts, or -1 where this is no header that we write. */
  innerStart(quoted: Packet): number
}

/** By what the outer IP header announces. */
const TUNNELS: Readonly<Record<number, QuotedTunnel>> = {
  [PROTOCOL.ipip]: { type: 'ipip', innerStart: ({ transportStart }) => transportStart },
  [PROTOCOL.ipv6]: { type: 'ipip', innerStart: ({ transportStart }) => transportStart },
  [PROTOCOL.udp]: { type: 'gue', innerStart: behindGue },
  [PROTOCOL.gre]: { type: 'gre', innerStart: behindGre },
}

/** The type of tunnel that the quoted packet may be of; null for what is none. */
export const quotedTunnelType = ({ protocol }: Packet): TunnelType | null => TUNNELS[protocol]?.type ?? null

/** Whether the quoted packet may have gone through this tunnel. */
export const isOfTunnel = (quoted: Packet, { type, port }: TunnelSettings): boolean =>
  quotedTunnelType(quoted) === type && (type !== 'gue' || port === quoted.destinationPort)

/** Where the inner packet starts in the quoted one, or -1. */
export function quotedInnerStart(quoted: Packet): number {
  const start = TUNNELS[quoted.protocol]?.innerStart(quoted) ?? NOTHING
  return start < quoted.end ? start : NOTHING
}

function behindGue({ bytes, transportStart, end }: Packet): number {
  const at = transportStart + UDP_HEADER_BYTES
  if (at + GUE_BYTES > end) return NOTHING
  const first = readU8(bytes, at)
  // Version 0, no control message.
  if (first >>> 5 !== 0 || !INNER_PROTOCOLS.includes(readU8(bytes, at + 1))) return NOTHING
  return at + GUE_BYTES + (first & 0x1f) * 4
}

function behindGre({ bytes, transportStart, end }: Packet): number {
  if (transportStart + GRE_BYTES > end) return NOTHING
  const flags = readU16(bytes, transportStart)
  if ((flags & ~GRE_CHECKSUM_PRESENT) !== 0) return NOTHING
  if (!ETHERTYPES.includes(readU16(bytes, transportStart + 2))) return NOTHING
  return transportStart + GRE_BYTES + (flags === 0 ? 0 : GRE_CHECKSUM_BYTES)
}
