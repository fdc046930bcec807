/** A whole IP packet read in place: what the forwarding path knows of it, as plain numbers. */

import { type Family, IpAddress } from '../bytes/address.ts'
import { readI32, readU8, readU16 } from '../bytes/octets.ts'
import { ICMP_HEADER_BYTES } from './icmp.ts'
import { ipv4Flaw, ipv4HeaderFlaw } from './ipv4.ts'
import { IPV6_HEADER_BYTES, ipv6Flaw, ipv6HeaderFlaw } from './ipv6.ts'
import { type ExtensionWalk, walkExtensions } from './ipv6-extensions.ts'
import { MALFORMED, type Malformed } from './malformed.ts'
import { PROTOCOL } from './protocol.ts'
import { sctpFlaw } from './sctp.ts'
import { tcpFlaw } from './tcp.ts'
import { UDP_HEADER_BYTES, udpFlaw } from './udp.ts'

// Offsets of the fields that are read on every packet. Each header's own file has them all.
const IPV4_TRAFFIC_CLASS = 1
const IPV4_TOTAL_LENGTH = 2
const IPV4_IDENTIFICATION = 4
const IPV4_FLAGS_OFFSET = 6
const IPV4_TTL = 8
const IPV4_PROTOCOL = 9
const IPV4_SOURCE = 12
const IPV4_DESTINATION = 16
const IPV4_DONT_FRAGMENT = 0x4000
const IPV4_MORE_FRAGMENTS = 0x2000
const IPV4_OFFSET_MASK = 0x1fff

const IPV6_PAYLOAD_LENGTH = 4
const IPV6_NEXT_HEADER = 6
const IPV6_HOP_LIMIT = 7
const IPV6_SOURCE = 8
const IPV6_DESTINATION = 24
const IPV6_FRAGMENT_IDENTIFICATION = 4

const SOURCE_PORT = 0 // the same in TCP, UDP and SCTP
const DESTINATION_PORT = 2
const TCP_FLAGS = 13

/** How much of the transport header an ICMP error is sure to quote: "64 bits of Original Data Datagram", RFC 792. */
export const QUOTED_TRANSPORT_BYTES = 8

const NO_BYTES = new Uint8Array(0)

/**
 * One instance is reused for every packet: reading allocates nothing, and every number stays a small integer.
 * The bytes belong to whoever gave them; the fields count until the next `read`, and only after one that
 * answered null. They are snapshots: a change of the bytes does not show in them.
 */
export class Packet implements ExtensionWalk {
  bytes: Uint8Array = NO_BYTES
  start = 0
  /** The IP packet's own end, at most the end that was given; of a quoted packet, the end that was given. */
  end = 0
  family: Family = 4
  /** The transport protocol, behind any extension headers. */
  protocol = 0
  /** The network header: IPv4 options or IPv6 extension headers included. */
  headerBytes = 0
  /** `start + headerBytes`: on a later fragment, where its data begins. */
  transportStart = 0
  /** In octets; 0 for a first fragment and for a whole packet. */
  fragmentOffset = 0
  moreFragments = false
  /** Where the IPv6 fragment header stands, or -1. */
  fragmentHeaderStart = -1
  /** The addresses as {@link IpAddress} holds them: signed words, IPv4 in `W0` alone. */
  sourceW0 = 0
  sourceW1 = 0
  sourceW2 = 0
  sourceW3 = 0
  destinationW0 = 0
  destinationW1 = 0
  destinationW2 = 0
  destinationW3 = 0
  /** Of TCP, UDP and SCTP; 0 for other protocols and on later fragments. */
  sourcePort = 0
  destinationPort = 0
  /** Bits of `TCP_FLAG`; 0 unless TCP, on later fragments, and where a quotation ends before them. */
  tcpFlags = 0

  /**
   * Reads the packet at the beginning of `[start, end)` strictly, which must lie within `bytes`. Answers null when
   * it is sound; otherwise how it is malformed, and then no field but `bytes`, `start` and `end` counts.
   */
  read(bytes: Uint8Array, start: number, end: number): Malformed | null {
    this.bytes = bytes
    this.start = start
    this.end = end
    if (end <= start) return MALFORMED['ip-empty']
    const version = readU8(bytes, start) >>> 4
    if (version === 4) {
      const flaw = ipv4Flaw(bytes, start, end)
      if (flaw !== null) return flaw
      this.end = start + readU16(bytes, start + IPV4_TOTAL_LENGTH)
      readIpv4(this, bytes, start)
    } else if (version === 6) {
      const flaw = ipv6Flaw(bytes, start, end)
      if (flaw !== null) return flaw
      this.end = start + IPV6_HEADER_BYTES + readU16(bytes, start + IPV6_PAYLOAD_LENGTH)
      const extensionFlaw = readIpv6(this, bytes, start, this.end)
      if (extensionFlaw !== null) return extensionFlaw
    } else return MALFORMED['ip-version']
    return readTransport(this, bytes, this.transportStart, this.end)
  }

  /**
   * Reads a packet that an ICMP error quotes: it may be cut short anywhere behind {@link QUOTED_TRANSPORT_BYTES} of
   * its transport header, so no length in it is believed.
   */
  readQuoted(bytes: Uint8Array, start: number, end: number): Malformed | null {
    this.bytes = bytes
    this.start = start
    this.end = end
    if (end <= start) return MALFORMED['ip-empty']
    const version = readU8(bytes, start) >>> 4
    if (version === 4) {
      const flaw = ipv4HeaderFlaw(bytes, start, end)
      if (flaw !== null) return flaw
      readIpv4(this, bytes, start)
    } else if (version === 6) {
      const flaw = ipv6HeaderFlaw(bytes, start, end) ?? readIpv6(this, bytes, start, end)
      if (flaw !== null) return flaw
    } else return MALFORMED['ip-version']
    return readQuotedTransport(this, bytes, this.transportStart, end)
  }

  /** Exchanges source and destination in the fields, not in the bytes: an ICMP error quotes what went the other way. */
  turnAround(): void {
    const { sourceW0, sourceW1, sourceW2, sourceW3, sourcePort } = this
    this.sourceW0 = this.destinationW0
    this.sourceW1 = this.destinationW1
    this.sourceW2 = this.destinationW2
    this.sourceW3 = this.destinationW3
    this.sourcePort = this.destinationPort
    this.destinationW0 = sourceW0
    this.destinationW1 = sourceW1
    this.destinationW2 = sourceW2
    this.destinationW3 = sourceW3
    this.destinationPort = sourcePort
  }

  get totalBytes(): number {
    return this.end - this.start
  }
  get isFragment(): boolean {
    return this.moreFragments || this.fragmentOffset !== 0
  }
  /** Any fragment but the first: it has no transport header. */
  get isLaterFragment(): boolean {
    return this.fragmentOffset !== 0
  }
  /** IPv4's TTL, IPv6's hop limit; read from the bytes as they are now. */
  get hopLimit(): number {
    return readU8(this.bytes, this.start + (this.family === 4 ? IPV4_TTL : IPV6_HOP_LIMIT))
  }
  /** DSCP and ECN: IPv4's type of service, IPv6's traffic class; read from the bytes as they are now. */
  get trafficClass(): number {
    return this.family === 4
      ? readU8(this.bytes, this.start + IPV4_TRAFFIC_CLASS)
      : (readU16(this.bytes, this.start) >>> 4) & 0xff
  }
  /** IPv4's flag; false for IPv6, where routers never fragment anyway. */
  get dontFragment(): boolean {
    return (
      this.family === 4 && (readU16(this.bytes, this.start + IPV4_FLAGS_OFFSET) & IPV4_DONT_FRAGMENT) !== 0
    )
  }
  /** IPv4's 16 bits; the signed 32 bits of an IPv6 fragment header, 0 without one. */
  get identification(): number {
    if (this.family === 4) return readU16(this.bytes, this.start + IPV4_IDENTIFICATION)
    if (this.fragmentHeaderStart < 0) return 0
    return readI32(this.bytes, this.fragmentHeaderStart + IPV6_FRAGMENT_IDENTIFICATION)
  }
  /** Allocates. */
  get source(): IpAddress {
    return new IpAddress(this.family, this.sourceW0, this.sourceW1, this.sourceW2, this.sourceW3)
  }
  /** Allocates. */
  get destination(): IpAddress {
    return new IpAddress(
      this.family,
      this.destinationW0,
      this.destinationW1,
      this.destinationW2,
      this.destinationW3,
    )
  }
}

// The functions below are handed what they could read back from the packet: 41 ns a packet became 33 that way.

/** The IPv4 fields but the end; the header was found sound. */
function readIpv4(packet: Packet, bytes: Uint8Array, start: number): void {
  const headerBytes = (readU8(bytes, start) & 0x0f) * 4
  const flagsOffset = readU16(bytes, start + IPV4_FLAGS_OFFSET)
  packet.family = 4
  packet.protocol = readU8(bytes, start + IPV4_PROTOCOL)
  packet.headerBytes = headerBytes
  packet.transportStart = start + headerBytes
  packet.fragmentOffset = (flagsOffset & IPV4_OFFSET_MASK) * 8
  packet.moreFragments = (flagsOffset & IPV4_MORE_FRAGMENTS) !== 0
  packet.fragmentHeaderStart = -1
  packet.sourceW0 = readI32(bytes, start + IPV4_SOURCE)
  packet.sourceW1 = 0
  packet.sourceW2 = 0
  packet.sourceW3 = 0
  packet.destinationW0 = readI32(bytes, start + IPV4_DESTINATION)
  packet.destinationW1 = 0
  packet.destinationW2 = 0
  packet.destinationW3 = 0
}

/** The IPv6 fields but the end; the fixed header was found sound, and the extension headers are judged here. */
function readIpv6(packet: Packet, bytes: Uint8Array, start: number, end: number): Malformed | null {
  packet.family = 6
  packet.sourceW0 = readI32(bytes, start + IPV6_SOURCE)
  packet.sourceW1 = readI32(bytes, start + IPV6_SOURCE + 4)
  packet.sourceW2 = readI32(bytes, start + IPV6_SOURCE + 8)
  packet.sourceW3 = readI32(bytes, start + IPV6_SOURCE + 12)
  packet.destinationW0 = readI32(bytes, start + IPV6_DESTINATION)
  packet.destinationW1 = readI32(bytes, start + IPV6_DESTINATION + 4)
  packet.destinationW2 = readI32(bytes, start + IPV6_DESTINATION + 8)
  packet.destinationW3 = readI32(bytes, start + IPV6_DESTINATION + 12)
  const nextHeader = readU8(bytes, start + IPV6_NEXT_HEADER)
  const flaw = walkExtensions(packet, bytes, nextHeader, start + IPV6_HEADER_BYTES, end)
  packet.headerBytes = packet.transportStart - start
  return flaw
}

/** Judges the transport header at `at` and reads the ports; on a later fragment there is none. */
function readTransport(packet: Packet, bytes: Uint8Array, at: number, end: number): Malformed | null {
  packet.sourcePort = 0
  packet.destinationPort = 0
  packet.tcpFlags = 0
  if (packet.isLaterFragment) return null
  switch (packet.protocol) {
    case PROTOCOL.tcp: {
      const flaw = tcpFlaw(bytes, at, end)
      if (flaw !== null) return flaw
      packet.tcpFlags = readU8(bytes, at + TCP_FLAGS)
      break
    }
    case PROTOCOL.udp: {
      // The length in a first fragment is the whole datagram's: it says nothing about this packet.
      if (end - at < UDP_HEADER_BYTES) return MALFORMED['udp-truncated']
      const flaw = packet.moreFragments ? null : udpFlaw(bytes, at, end)
      if (flaw !== null) return flaw
      break
    }
    case PROTOCOL.sctp: {
      const flaw = sctpFlaw(bytes, at, end)
      if (flaw !== null) return flaw
      break
    }
    default:
      return icmpFlawOf(packet)
  }
  packet.sourcePort = readU16(bytes, at + SOURCE_PORT)
  packet.destinationPort = readU16(bytes, at + DESTINATION_PORT)
  return null
}

/** As {@link readTransport}, content with {@link QUOTED_TRANSPORT_BYTES}. */
function readQuotedTransport(packet: Packet, bytes: Uint8Array, at: number, end: number): Malformed | null {
  packet.sourcePort = 0
  packet.destinationPort = 0
  packet.tcpFlags = 0
  if (packet.isLaterFragment) return null
  const isEnough = end - at >= QUOTED_TRANSPORT_BYTES
  switch (packet.protocol) {
    case PROTOCOL.tcp:
      if (!isEnough) return MALFORMED['tcp-truncated']
      if (end - at > TCP_FLAGS) packet.tcpFlags = readU8(bytes, at + TCP_FLAGS)
      break
    case PROTOCOL.udp:
      if (!isEnough) return MALFORMED['udp-truncated']
      break
    case PROTOCOL.sctp:
      if (!isEnough) return MALFORMED['sctp-truncated']
      break
    default:
      return icmpFlawOf(packet)
  }
  packet.sourcePort = readU16(bytes, at + SOURCE_PORT)
  packet.destinationPort = readU16(bytes, at + DESTINATION_PORT)
  return null
}

/** Each ICMP counts within its own family only; elsewhere its number is one unknown protocol among others. */
function icmpFlawOf({ family, protocol, transportStart, end }: Packet): Malformed | null {
  if (protocol !== (family === 4 ? PROTOCOL.icmp : PROTOCOL.icmpv6)) return null
  if (end - transportStart >= ICMP_HEADER_BYTES) return null
  return family === 4 ? MALFORMED['icmp-truncated'] : MALFORMED['icmpv6-truncated']
}
