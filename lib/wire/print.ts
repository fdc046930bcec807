/** A packet as one line of text, for logs and failing tests. Much like tcpdump; never throws, whatever the bytes. */

import { readU8 } from '../bytes/octets.ts'
import { describeIcmp, IcmpView, isIcmpError } from './icmp.ts'
import { describeIcmpv6, Icmpv6View, isIcmpv6Error } from './icmpv6.ts'
import { describeMalformed, type Malformed } from './malformed.ts'
import { Packet } from './packet.ts'
import { describeProtocol, hasPorts, PROTOCOL } from './protocol.ts'
import { describeSctp, SctpView } from './sctp.ts'
import { describeTcp, TCP_HEADER_BYTES, TcpView } from './tcp.ts'
import { describeUdp, UdpView } from './udp.ts'

/** How deep packets within packets are shown. */
const DEPTH_MAX = 4
/** How much of a malformed packet is shown, in octets. */
const HEX_MAX_BYTES = 40
const ICMP_BODY = 8 // both ICMPs

/**
 * `10.9.0.1:3001 > 10.0.0.1:80 tcp S seq 100 win 8192 len 0`. A tunnelled packet follows its outer header, and the
 * packet that an ICMP error is about follows the error, both in brackets. Allocates freely.
 */
export const printPacket = (bytes: Uint8Array, start = 0, end = bytes.length): string =>
  printNested({ bytes, start, end, depth: 0, isQuoted: false })

interface Area {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly depth: number
  readonly isQuoted: boolean
}

function printNested(area: Area): string {
  if (area.depth === DEPTH_MAX) return '…'
  const packet = new Packet()
  const flaw = area.isQuoted
    ? packet.readQuoted(area.bytes, area.start, area.end)
    : packet.read(area.bytes, area.start, area.end)
  if (flaw !== null) return printMalformed(area, flaw)
  const endpoints = `${printEndpoint(packet, 'source')} > ${printEndpoint(packet, 'destination')}`
  return `${endpoints} ${printTransport(packet, area)}${printFragment(packet)}`
}

function printMalformed({ bytes, start, end }: Area, flaw: Malformed): string {
  const shownEnd = Math.min(end, start + HEX_MAX_BYTES)
  let hex = ''
  for (let at = start; at < shownEnd; at++) hex += readU8(bytes, at).toString(16).padStart(2, '0')
  const more = shownEnd < end ? '…' : ''
  return `malformed ${flaw.reason}: ${describeMalformed(flaw)}; ${Math.max(0, end - start)} octets ${hex}${more}`
}

function printEndpoint(packet: Packet, side: 'source' | 'destination'): string {
  const address = packet[side]
  if (packet.isLaterFragment || !hasPorts(packet.protocol)) return `${address}`
  const port = side === 'source' ? packet.sourcePort : packet.destinationPort
  return packet.family === 4 ? `${address}:${port}` : `[${address}]:${port}`
}

function printTransport(packet: Packet, area: Area): string {
  const { bytes, transportStart, end, protocol, family } = packet
  const payloadBytes = end - transportStart
  if (packet.isLaterFragment) return `${describeProtocol(protocol)} len ${payloadBytes}`
  if (protocol === PROTOCOL.tcp) return printTcp(packet)
  if (protocol === PROTOCOL.udp) return describeUdp(new UdpView(bytes, transportStart))
  if (protocol === PROTOCOL.sctp) return describeSctp(new SctpView(bytes, transportStart), end)
  if (protocol === PROTOCOL.icmp && family === 4) {
    const icmp = new IcmpView(bytes, transportStart)
    return describeIcmp(icmp) + (isIcmpError(icmp.type) ? printInner(packet, area, { isQuoted: true }) : '')
  }
  if (protocol === PROTOCOL.icmpv6 && family === 6) {
    const icmp = new Icmpv6View(bytes, transportStart)
    return (
      describeIcmpv6(icmp) + (isIcmpv6Error(icmp.type) ? printInner(packet, area, { isQuoted: true }) : '')
    )
  }
  if ((protocol === PROTOCOL.ipip || protocol === PROTOCOL.ipv6) && !packet.isFragment)
    return `${describeProtocol(protocol)}${printInner(packet, area, { isQuoted: area.isQuoted })}`
  return `${describeProtocol(protocol)} len ${payloadBytes}`
}

function printTcp({ bytes, transportStart, end }: Packet): string {
  const tcp = new TcpView(bytes, transportStart)
  // A quotation may hold the ports and the sequence number alone.
  if (end - transportStart < TCP_HEADER_BYTES) return `tcp seq ${tcp.sequence} cut short`
  return `${describeTcp(tcp)} len ${Math.max(0, end - transportStart - tcp.headerBytes)}`
}

/** The packet within this one, in brackets: behind an ICMP header, or right behind a tunnel's outer header. */
function printInner(packet: Packet, { depth }: Area, { isQuoted }: { isQuoted: boolean }): string {
  const isTunnel = packet.protocol === PROTOCOL.ipip || packet.protocol === PROTOCOL.ipv6
  const start = packet.transportStart + (isTunnel ? 0 : ICMP_BODY)
  if (start >= packet.end) return ''
  return ` (${printNested({ bytes: packet.bytes, start, end: packet.end, depth: depth + 1, isQuoted })})`
}

function printFragment(packet: Packet): string {
  if (!packet.isFragment) return ''
  const identification = packet.identification >>> 0
  return ` fragment ${packet.fragmentOffset}${packet.moreFragments ? '+' : ''} id ${identification}`
}
