/** The checksums of a packet that was read: computed whole, verified, or carried through a rewrite. */

import { adjustBy, checksum, pseudoHeaderSum4, pseudoHeaderSum6, sum16 } from '../bytes/checksum.ts'
import { readU16, writeU16 } from '../bytes/octets.ts'
import type { Packet } from './packet.ts'
import { PROTOCOL } from './protocol.ts'
import { sctpChecksumIsValid, writeSctpChecksum } from './sctp.ts'
import { UDP_NO_CHECKSUM, udpChecksum } from './udp.ts'

const TCP_CHECKSUM = 16
const UDP_CHECKSUM = 6
const UDP_LENGTH = 4
const ICMPV6_CHECKSUM = 2

/**
 * Where the checksum stands in the transport header, for the protocols whose checksum covers the pseudo-header and
 * so changes with the addresses; -1 for every other. (ICMP's and SCTP's cover no addresses.)
 */
export function checksumOffset(protocol: number): number {
  switch (protocol) {
    case PROTOCOL.tcp:
      return TCP_CHECKSUM
    case PROTOCOL.udp:
      return UDP_CHECKSUM
    case PROTOCOL.icmpv6:
      return ICMPV6_CHECKSUM
    default:
      return -1
  }
}

/**
 * The checksum that belongs into the transport header, computed from every octet, as it is to be written (UDP's 0
 * becomes 0xffff); what stands in the field now does not count. The packet must be whole and of a protocol that
 * has a {@link checksumOffset}.
 *
 * The pseudo-header is made from the addresses in the IP header. That is not the one the sender used where an IPv6
 * routing header has segments left (RFC 8200 §8.1): such a packet's checksum can be adjusted, not computed here.
 */
export function computeTransportChecksum(packet: Packet): number {
  const { bytes, transportStart, protocol } = packet
  const end = coveredEnd(packet)
  const field = transportStart + checksumOffset(protocol)
  const before = sum16(bytes, transportStart, field, pseudoHeaderSum(packet, end - transportStart))
  const computed = checksum(bytes, field + 2, end, before)
  return protocol === PROTOCOL.udp ? udpChecksum(computed) : computed
}

/**
 * Writes {@link computeTransportChecksum}, of SCTP its CRC: for packets just emitted, and those whose checksum was left
 * to offload. A packet of a protocol without a checksum that we know is left alone; so is a fragment, which does not
 * have all that is to be summed.
 */
export function finishTransportChecksum(packet: Packet): void {
  if (packet.isFragment) return
  const { bytes, transportStart, protocol } = packet
  if (protocol === PROTOCOL.sctp) {
    writeSctpChecksum(bytes, transportStart, packet.end)
    return
  }
  const offset = checksumOffset(protocol)
  if (offset >= 0) writeU16(bytes, transportStart + offset, computeTransportChecksum(packet))
}

/**
 * Carries the transport checksum through a rewrite whose covered changes come to `delta16` (see `wordDelta`). A wrong
 * checksum stays wrong. UDP without a checksum stays without; protocols without a {@link checksumOffset}, and later
 * fragments, are left alone.
 */
export function adjustTransportChecksum(packet: Packet, delta16: number): void {
  const { bytes, transportStart, protocol } = packet
  const offset = checksumOffset(protocol)
  if (offset < 0 || packet.isLaterFragment) return
  const standing = readU16(bytes, transportStart + offset)
  if (protocol !== PROTOCOL.udp) writeU16(bytes, transportStart + offset, adjustBy(standing, delta16))
  else if (standing !== UDP_NO_CHECKSUM)
    writeU16(bytes, transportStart + offset, udpChecksum(adjustBy(standing, delta16)))
}

/**
 * Whether the transport checksum is right, ICMP's and SCTP's included. True also where there is nothing to verify: a UDP
 * checksum of 0 over IPv4 (over IPv6 there must be one, RFC 8200 §8.1), a fragment, any other protocol.
 */
export function transportChecksumIsValid(packet: Packet): boolean {
  if (packet.isFragment) return true
  const { bytes, transportStart, protocol, family } = packet
  const end = coveredEnd(packet)
  if (protocol === PROTOCOL.icmp && family === 4) return sum16(bytes, transportStart, end) === 0xffff
  if (protocol === PROTOCOL.sctp) return sctpChecksumIsValid(bytes, transportStart, end)
  if (checksumOffset(protocol) < 0) return true
  if (protocol === PROTOCOL.udp && readU16(bytes, transportStart + UDP_CHECKSUM) === UDP_NO_CHECKSUM)
    return family === 4
  return sum16(bytes, transportStart, end, pseudoHeaderSum(packet, end - transportStart)) === 0xffff
}

/** Whether the header checksum is right; true for IPv6, whose header has none. */
export const ipv4ChecksumIsValid = (packet: Packet): boolean =>
  packet.family === 6 || checksum(packet.bytes, packet.start, packet.transportStart) === 0

/** The sum, folded, of the pseudo-header for `transportBytes` octets; what offload finds in an unfinished field. */
export const pseudoHeaderSum = (packet: Packet, transportBytes: number): number =>
  packet.family === 4
    ? pseudoHeaderSum4(packet.bytes, packet.start, packet.protocol, transportBytes)
    : pseudoHeaderSum6(packet.bytes, packet.start, packet.protocol, transportBytes)

/** Where the octets end that the checksum covers: UDP's own length may be shorter than the packet. */
const coveredEnd = (packet: Packet): number =>
  packet.protocol === PROTOCOL.udp
    ? packet.transportStart + readU16(packet.bytes, packet.transportStart + UDP_LENGTH)
    : packet.end
