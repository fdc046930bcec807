/** Answers to pings of a virtual address that the director's host does not have. RFC 792, RFC 4443 §4.2. */

import { checksum, pseudoHeaderSum6 } from '../bytes/checksum.ts'
import { readU8, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import { ICMP_TYPE } from '../wire/icmp.ts'
import { ICMPV6_TYPE } from '../wire/icmpv6.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'

const HOP_LIMIT = 64
const ICMP_CHECKSUM = 2
/** Where the fields stand in an IP header that change. */
const IPV4 = { identification: 4, ttl: 8, checksum: 10, source: 12, destination: 16 } as const
const IPV6 = { hopLimit: 7, source: 8, destination: 24 } as const

/** Whether the packet is a whole echo request. */
export function isEchoRequest(packet: Packet): boolean {
  if (packet.isFragment) return false
  const type = readU8(packet.bytes, packet.transportStart)
  return packet.family === 4
    ? packet.protocol === PROTOCOL.icmp && type === ICMP_TYPE.echoRequest
    : packet.protocol === PROTOCOL.icmpv6 && type === ICMPV6_TYPE.echoRequest
}

/** Makes the reply out of the request, in place: the addresses exchanged, a fresh hop limit, the same data. */
export function turnIntoEchoReply(packet: Packet, identification: number): void {
  const { bytes, start, transportStart, end, family } = packet
  const type = family === 4 ? ICMP_TYPE.echoReply : ICMPV6_TYPE.echoReply
  writeU8(bytes, transportStart, type)
  if (family === 4) {
    writeU32(bytes, start + IPV4.source, packet.destinationW0)
    writeU32(bytes, start + IPV4.destination, packet.sourceW0)
    writeU16(bytes, start + IPV4.identification, identification)
    writeU8(bytes, start + IPV4.ttl, HOP_LIMIT)
    writeU16(bytes, start + IPV4.checksum, 0)
    writeU16(bytes, start + IPV4.checksum, checksum(bytes, start, transportStart))
  } else {
    exchangeIpv6Addresses(bytes, start)
    writeU8(bytes, start + IPV6.hopLimit, HOP_LIMIT)
  }
  writeU16(bytes, transportStart + ICMP_CHECKSUM, 0)
  const pseudo = family === 4 ? 0 : pseudoHeaderSum6(bytes, start, PROTOCOL.icmpv6, end - transportStart)
  writeU16(bytes, transportStart + ICMP_CHECKSUM, checksum(bytes, transportStart, end, pseudo))
}

function exchangeIpv6Addresses(bytes: Uint8Array, start: number): void {
  for (let octet = 0; octet < 16; octet++) {
    const source = readU8(bytes, start + IPV6.source + octet)
    writeU8(bytes, start + IPV6.source + octet, readU8(bytes, start + IPV6.destination + octet))
    writeU8(bytes, start + IPV6.destination + octet, source)
  }
}
