/** ICMP errors that the director itself answers with, quoting the packet they are about. RFC 792, RFC 4443. */

import { type IpAddress, writeAddress } from '../bytes/address.ts'
import { checksum, pseudoHeaderSum6 } from '../bytes/checksum.ts'
import { readU8, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'

/** Type and code by family: `[IPv4, IPv6]`. */
export const ICMP_ERROR = {
  portUnreachable: { 4: [3, 3], 6: [1, 4] },
  hostUnreachable: { 4: [3, 1], 6: [1, 0] },
  packetTooBig: { 4: [3, 4], 6: [2, 0] },
  timeExceeded: { 4: [11, 0], 6: [3, 0] },
} as const
export type IcmpErrorKind = keyof typeof ICMP_ERROR
export type IcmpTypeCode = readonly [type: number, code: number]

/** The longest error written: IPv4 keeps to 576 octets (RFC 1812 §4.3.2.3), IPv6 to 1280 (RFC 4443 §2.4). */
export const ICMP_ERROR_MAX_BYTES = 1280
const MAX_BYTES = { 4: 576, 6: 1280 } as const
const HOP_LIMIT = 64
const ICMP_BYTES = 8

/** Whether RFC 1122 §3.2.2 and RFC 4443 §2.4 let the packet be answered with an error at all. */
export function mayAnswer(packet: Packet): boolean {
  if (packet.isLaterFragment) return false
  if (packet.family === 6) {
    return packet.destinationW0 >>> 24 !== 0xff && packet.sourceW0 >>> 24 !== 0xff && !isZero(packet)
  }
  const isUnicast = (word: number) => word >>> 24 !== 0 && word >>> 24 < 224
  return isUnicast(packet.destinationW0) && isUnicast(packet.sourceW0)
}

const isZero = ({ sourceW0, sourceW1, sourceW2, sourceW3 }: Packet): boolean =>
  (sourceW0 | sourceW1 | sourceW2 | sourceW3) === 0

/**
 * Writes a whole IP packet to `out` from 0 on, from the offending packet's destination to its source, and returns its
 * length. `out` has room for {@link ICMP_ERROR_MAX_BYTES}.
 * @param what by name, or type and code as they are to be
 * @param rest the four octets behind the checksum: the MTU in octets for `packetTooBig`, 0 for the other names
 * @param source who says so, where that is not the offending packet's destination
 */
export function writeIcmpError(
  out: Uint8Array,
  packet: Packet,
  what: IcmpErrorKind | IcmpTypeCode,
  rest: number,
  identification: number,
  source: IpAddress | null = null,
): number {
  const [type, code] = typeof what === 'string' ? ICMP_ERROR[what][packet.family] : what
  const headerBytes = packet.family === 4 ? 20 : 40
  const room = MAX_BYTES[packet.family] - headerBytes - ICMP_BYTES
  const quotedEnd = Math.min(packet.end, packet.start + room)
  const icmpAt = headerBytes
  const end = headerBytes + ICMP_BYTES + quotedEnd - packet.start
  if (packet.family === 4) writeIpv4(out, packet, end, identification)
  else writeIpv6(out, packet, end - headerBytes)

  writeU8(out, icmpAt, type)
  writeU8(out, icmpAt + 1, code)
  writeU16(out, icmpAt + 2, 0)
  writeU32(out, icmpAt + 4, rest)
  for (let from = packet.start, at = icmpAt + ICMP_BYTES; from < quotedEnd; from++, at++) {
    writeU8(out, at, readU8(packet.bytes, from))
  }
  if (source !== null) writeSource(out, source)
  const pseudo = packet.family === 4 ? 0 : pseudoHeaderSum6(out, 0, PROTOCOL.icmpv6, end - icmpAt)
  writeU16(out, icmpAt + 2, checksum(out, icmpAt, end, pseudo))
  return end
}

/** Writes over the source, the IPv4 header checksum following. */
function writeSource(out: Uint8Array, source: IpAddress): void {
  writeAddress(out, source.family === 4 ? 12 : 8, source)
  if (source.family === 6) return
  writeU16(out, 10, 0)
  writeU16(out, 10, checksum(out, 0, 20))
}

function writeIpv4(out: Uint8Array, packet: Packet, totalBytes: number, identification: number): void {
  writeU8(out, 0, 0x45)
  writeU8(out, 1, (packet.trafficClass & 0x1e) | 0xc0)
  writeU16(out, 2, totalBytes)
  writeU16(out, 4, identification)
  writeU16(out, 6, 0)
  writeU8(out, 8, HOP_LIMIT)
  writeU8(out, 9, PROTOCOL.icmp)
  writeU16(out, 10, 0)
  writeU32(out, 12, packet.destinationW0)
  writeU32(out, 16, packet.sourceW0)
  writeU16(out, 10, checksum(out, 0, 20))
}

function writeIpv6(out: Uint8Array, packet: Packet, payloadBytes: number): void {
  writeU32(out, 0, 6 << 28)
  writeU16(out, 4, payloadBytes)
  writeU8(out, 6, PROTOCOL.icmpv6)
  writeU8(out, 7, HOP_LIMIT)
  writeU32(out, 8, packet.destinationW0)
  writeU32(out, 12, packet.destinationW1)
  writeU32(out, 16, packet.destinationW2)
  writeU32(out, 20, packet.destinationW3)
  writeU32(out, 24, packet.sourceW0)
  writeU32(out, 28, packet.sourceW1)
  writeU32(out, 32, packet.sourceW2)
  writeU32(out, 36, packet.sourceW3)
}
