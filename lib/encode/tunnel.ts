/** Tunnelling (ipip): the packet goes on unchanged behind an outer header, IPv4 or IPv6 in either. RFC 2003, RFC 2473. */

import type { Family, IpAddress } from '../bytes/address.ts'
import { writeAddress } from '../bytes/address.ts'
import { checksum } from '../bytes/checksum.ts'
import { writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import type { Path } from '../service/destination.ts'
import type { Packet } from '../wire/packet.ts'

const IPV4_BYTES = 20
const IPV6_BYTES = 40
const DONT_FRAGMENT = 0x4000

/** The protocol number that announces an inner packet of the family. */
const INNER_PROTOCOL = { 4: 4, 6: 41 } as const

/** What an outer header of the family takes. */
export const outerBytes = (outer: Family): number => (outer === 4 ? IPV4_BYTES : IPV6_BYTES)

/**
 * Writes the outer header in front of the packet and returns where it starts: `packet.start` less
 * {@link outerBytes}, which must be there to write. The hop limit is copied, so it must be decremented before.
 * @param identification for outer IPv4 headers that may be fragmented; must not repeat soon
 */
export function encapsulate(
  packet: Packet,
  destination: IpAddress,
  path: Path,
  identification: number,
): number {
  const start = packet.start - outerBytes(destination.family)
  if (destination.family === 4) writeOuterIpv4(packet, start, destination, path, identification)
  else writeOuterIpv6(packet, start, destination, path)
  return start
}

/** ECN as IPVS copies it: congestion experienced inside becomes ECT(0) outside, all else is copied. */
const outerTrafficClass = (inner: number): number => ((inner & 3) === 3 ? inner & ~1 : inner)

function writeOuterIpv4(
  packet: Packet,
  at: number,
  destination: IpAddress,
  path: Path,
  identification: number,
): void {
  const { bytes } = packet
  const dontFragment = packet.family === 4 && packet.dontFragment
  writeU8(bytes, at, 0x45)
  writeU8(bytes, at + 1, outerTrafficClass(packet.trafficClass))
  writeU16(bytes, at + 2, packet.end - at)
  writeU16(bytes, at + 4, dontFragment ? 0 : identification)
  writeU16(bytes, at + 6, dontFragment ? DONT_FRAGMENT : 0)
  writeU8(bytes, at + 8, packet.hopLimit)
  writeU8(bytes, at + 9, INNER_PROTOCOL[packet.family])
  writeU16(bytes, at + 10, 0)
  writeAddress(bytes, at + 12, path.sourceAddress)
  writeAddress(bytes, at + 16, destination)
  writeU16(bytes, at + 10, checksum(bytes, at, at + IPV4_BYTES))
}

function writeOuterIpv6(packet: Packet, at: number, destination: IpAddress, path: Path): void {
  const { bytes } = packet
  writeU32(bytes, at, (6 << 28) | (outerTrafficClass(packet.trafficClass) << 20))
  writeU16(bytes, at + 4, packet.end - packet.start)
  writeU8(bytes, at + 6, INNER_PROTOCOL[packet.family])
  writeU8(bytes, at + 7, packet.hopLimit)
  writeAddress(bytes, at + 8, path.sourceAddress)
  writeAddress(bytes, at + 24, destination)
}
