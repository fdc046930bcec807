/** Generic UDP encapsulation, version 0: a UDP header and four octets or twelve. draft-ietf-intarea-gue §3. */

import { foldAddress } from '../bytes/address.ts'
import { checksum, pseudoHeaderSum4, pseudoHeaderSum6 } from '../bytes/checksum.ts'
import { readU8, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import type { TunnelSettings } from '../service/tunnel.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { checksumOffset } from '../wire/transport-checksum.ts'
import { UDP_HEADER_BYTES, UDP_NO_CHECKSUM, udpChecksum } from '../wire/udp.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-------------------------------+-------------------------------+
// |          Source Port          |       Destination Port        |
// |            Length             |           Checksum            |
// +---+-+---------+---------------+-------------------------------+
// | 0 |C|  Hlen   |   Protocol    |             Flags             |
// +---+-+---------+---------------+-------------------------------+
// |   Private flags, if Flags announce them (remote checksum)     |
// |        Checksum start         |        Checksum field         |
// +-------------------------------+-------------------------------+
const GUE_BYTES = 4
const PRIVATE_FLAGS_BYTES = 4
const REMOTE_CHECKSUM_BYTES = 4

/** The two flags as Linux defines them; `Hlen` counts what follows the first four octets, in words of four. */
const HAS_PRIVATE_FLAGS = 0x0001
const HAS_REMOTE_CHECKSUM = 0x8000_0000
const REMOTE_CHECKSUM_WORDS = (PRIVATE_FLAGS_BYTES + REMOTE_CHECKSUM_BYTES) / 4

/** Source ports are taken from here, Linux's default range for local ones: the first, and the first that is not. */
export const GUE_SOURCE_PORTS = { from: 32_768, to: 60_999 } as const

/** What stands between the outer IP header and the packet. */
export const gueBytes = (leavesChecksum: boolean): number =>
  UDP_HEADER_BYTES + GUE_BYTES + (leavesChecksum ? PRIVATE_FLAGS_BYTES + REMOTE_CHECKSUM_BYTES : 0)

/**
 * Writes both headers right before the packet. The outer IP header at `outerStart` must have been written: its addresses
 * are in the UDP checksum, which is 0 for `none`, over IPv6 too (RFC 6935).
 * @param protocol what the packet is, by protocol number
 */
export function writeGue(
  packet: Packet,
  outerStart: number,
  protocol: number,
  tunnel: TunnelSettings,
  leavesChecksum: boolean,
): void {
  const { bytes, start, end } = packet
  const udp = start - gueBytes(leavesChecksum)
  const gue = udp + UDP_HEADER_BYTES
  writeU8(bytes, gue, leavesChecksum ? REMOTE_CHECKSUM_WORDS : 0)
  writeU8(bytes, gue + 1, protocol)
  writeU16(bytes, gue + 2, leavesChecksum ? HAS_PRIVATE_FLAGS : 0)
  if (leavesChecksum) writeRemoteChecksum(packet, gue + GUE_BYTES)

  writeU16(bytes, udp, flowPort(packet))
  writeU16(bytes, udp + 2, tunnel.port)
  writeU16(bytes, udp + 4, end - udp)
  writeU16(bytes, udp + 6, UDP_NO_CHECKSUM)
  if (tunnel.checksum === 'none') return
  const isIpv4 = readU8(bytes, outerStart) >>> 4 === 4
  const pseudoHeaderSum = isIpv4 ? pseudoHeaderSum4 : pseudoHeaderSum6
  const before = pseudoHeaderSum(bytes, outerStart, PROTOCOL.udp, end - udp)
  writeU16(bytes, udp + 6, udpChecksum(checksum(bytes, udp, end, before)))
}

/** Where the far end is to begin summing, and where to put the sum; from the packet's first octet. */
function writeRemoteChecksum({ bytes, protocol, headerBytes }: Packet, at: number): void {
  writeU32(bytes, at, HAS_REMOTE_CHECKSUM)
  writeU16(bytes, at + PRIVATE_FLAGS_BYTES, headerBytes)
  writeU16(bytes, at + PRIVATE_FLAGS_BYTES + 2, headerBytes + checksumOffset(protocol))
}

/** The port that stands for the packet's flow: the same for all its packets, so that they take one way. */
function flowPort(packet: Packet): number {
  const source = foldAddress(packet.sourceW0, packet.sourceW1, packet.sourceW2, packet.sourceW3)
  const destination = foldAddress(
    packet.destinationW0,
    packet.destinationW1,
    packet.destinationW2,
    packet.destinationW3,
  )
  let hash = Math.imul(source, 0xcc9e2d51) ^ Math.imul(destination, 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 15), 0xcc9e2d51) + packet.protocol
  hash ^= (packet.sourcePort << 16) | packet.destinationPort
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  // Sixteen bits suffice, and keep the product a small integer.
  const { from, to } = GUE_SOURCE_PORTS
  return from + (((hash >>> 16) * (to - from)) >>> 16)
}
