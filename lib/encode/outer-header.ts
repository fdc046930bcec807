/** The IP header in front of a tunnel's packet. RFC 2003, RFC 2473, RFC 4213. */

import { type Family, type IpAddress, writeAddress } from '../bytes/address.ts'
import { checksum } from '../bytes/checksum.ts'
import { writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import type { Packet } from '../wire/packet.ts'

const IPV4_BYTES = 20
const IPV6_BYTES = 40
const DONT_FRAGMENT = 0x4000

/** What is decided for each packet anew; an object that the caller reuses. */
export interface OuterOptions {
  /** For IPv4 headers whose packet may be fragmented; must not repeat soon. */
  identification: number
  /** What an IPv4 header says of fragmenting. */
  dontFragment: boolean
  /** The inner transport checksum stays unfinished, and the tunnel's header says so to the far end. */
  leavesChecksum: boolean
}

/** What an outer header of the family takes; it has neither options nor extension headers. */
export const outerHeaderBytes = (outer: Family): number => (outer === 4 ? IPV4_BYTES : IPV6_BYTES)

/** Writes the header at `at`, for everything up to the packet's end. The hop limit and traffic class are the packet's. */
export function writeOuterHeader(
  packet: Packet,
  at: number,
  from: IpAddress,
  to: IpAddress,
  protocol: number,
  options: OuterOptions,
): void {
  if (to.family === 4) writeOuterIpv4(packet, at, from, to, protocol, options)
  else writeOuterIpv6(packet, at, from, to, protocol)
}

function writeOuterIpv4(
  packet: Packet,
  at: number,
  from: IpAddress,
  to: IpAddress,
  protocol: number,
  { dontFragment, identification }: OuterOptions,
): void {
  const { bytes } = packet
  writeU8(bytes, at, 0x45)
  writeU8(bytes, at + 1, outerTrafficClass(packet.trafficClass))
  writeU16(bytes, at + 2, packet.end - at)
  writeU16(bytes, at + 4, dontFragment ? 0 : identification)
  writeU16(bytes, at + 6, dontFragment ? DONT_FRAGMENT : 0)
  writeU8(bytes, at + 8, packet.hopLimit)
  writeU8(bytes, at + 9, protocol)
  writeU16(bytes, at + 10, 0)
  writeAddress(bytes, at + 12, from)
  writeAddress(bytes, at + 16, to)
  writeU16(bytes, at + 10, checksum(bytes, at, at + IPV4_BYTES))
}

function writeOuterIpv6(packet: Packet, at: number, from: IpAddress, to: IpAddress, protocol: number): void {
  const { bytes } = packet
  writeU32(bytes, at, (6 << 28) | (outerTrafficClass(packet.trafficClass) << 20))
  writeU16(bytes, at + 4, packet.end - at - IPV6_BYTES)
  writeU8(bytes, at + 6, protocol)
  writeU8(bytes, at + 7, packet.hopLimit)
  writeAddress(bytes, at + 8, from)
  writeAddress(bytes, at + 24, to)
}

/** ECN as IPVS copies it: congestion experienced inside becomes ECT(0) outside, all else is copied. */
const outerTrafficClass = (inner: number): number => ((inner & 3) === 3 ? inner & ~1 : inner)
