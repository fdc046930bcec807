/** A packet's headers as named fields, for people, in the order of the headers. */

import { ICMP_HEADER_BYTES, IcmpView, isIcmpError } from './icmp.ts'
import { Icmpv6View, isIcmpv6Error } from './icmpv6.ts'
import { Ipv4View } from './ipv4.ts'
import { Ipv6View } from './ipv6.ts'
import { Packet } from './packet.ts'
import { PROTOCOL } from './protocol.ts'
import { SctpView } from './sctp.ts'
import { describeTcpFlags, TCP_HEADER_BYTES, TcpView } from './tcp.ts'
import { UDP_HEADER_BYTES, UdpView } from './udp.ts'

export type FieldValue = string | number | boolean
/** `ipv4.ttl` and its value. Addresses are text, checksums four or eight hexadecimal digits. */
export type Field = readonly [name: string, value: FieldValue]

/**
 * The fields of a packet that was read, from the bytes as they are now: the IP header's without options and extension
 * headers, the transport's, then what follows it as `payload`; and of an ICMP error those of the packet that it quotes.
 */
export function headerFields(packet: Packet): Field[] {
  const network = packet.family === 4 ? ipv4Fields(packet) : ipv6Fields(packet)
  return [...network, ...transportFields(packet)]
}

function ipv4Fields({ bytes, start }: Packet): Field[] {
  const view = new Ipv4View(bytes, start)
  return [
    ['ipv4.trafficClass', view.trafficClass],
    ['ipv4.totalBytes', view.totalBytes],
    ['ipv4.identification', view.identification],
    ['ipv4.dontFragment', view.dontFragment],
    ['ipv4.moreFragments', view.moreFragments],
    ['ipv4.fragmentOffset', view.fragmentOffset],
    ['ipv4.ttl', view.ttl],
    ['ipv4.protocol', view.protocol],
    ['ipv4.checksum', hex(view.checksum)],
    ['ipv4.source', `${view.source}`],
    ['ipv4.destination', `${view.destination}`],
  ]
}

function ipv6Fields({ bytes, start }: Packet): Field[] {
  const view = new Ipv6View(bytes, start)
  return [
    ['ipv6.trafficClass', view.trafficClass],
    ['ipv6.flowLabel', view.flowLabel],
    ['ipv6.payloadBytes', view.payloadBytes],
    ['ipv6.nextHeader', view.nextHeader],
    ['ipv6.hopLimit', view.hopLimit],
    ['ipv6.source', `${view.source}`],
    ['ipv6.destination', `${view.destination}`],
  ]
}

function transportFields(packet: Packet): Field[] {
  const { bytes, transportStart: at, protocol, family, end } = packet
  if (packet.isLaterFragment) return [payload(packet, at)]
  switch (protocol) {
    case PROTOCOL.tcp:
      return tcpFields(packet)
    case PROTOCOL.udp: {
      const view = new UdpView(bytes, at)
      return [
        ['udp.sourcePort', view.sourcePort],
        ['udp.destinationPort', view.destinationPort],
        ['udp.datagramBytes', view.datagramBytes],
        ['udp.checksum', hex(view.checksum)],
        payload(packet, at + UDP_HEADER_BYTES),
      ]
    }
    case PROTOCOL.sctp: {
      const view = new SctpView(bytes, at)
      const ports: Field[] = [
        ['sctp.sourcePort', view.sourcePort],
        ['sctp.destinationPort', view.destinationPort],
        ['sctp.verificationTag', hex(view.verificationTag, 8)],
      ]
      if (end < view.chunksStart) return ports
      return [...ports, ['sctp.checksum', hex(view.checksum, 8)], payload(packet, view.chunksStart)]
    }
    case family === 4 ? PROTOCOL.icmp : PROTOCOL.icmpv6:
      return icmpFields(packet)
    default:
      return [payload(packet, at)]
  }
}

/** A quotation may end within the header: behind the sequence number. */
function tcpFields(packet: Packet): Field[] {
  const { bytes, transportStart: at, end } = packet
  const view = new TcpView(bytes, at)
  const first: Field[] = [
    ['tcp.sourcePort', view.sourcePort],
    ['tcp.destinationPort', view.destinationPort],
    ['tcp.sequence', view.sequence],
  ]
  if (end - at < TCP_HEADER_BYTES) return first
  return [
    ...first,
    ['tcp.acknowledgment', view.acknowledgment],
    ['tcp.flags', describeTcpFlags(view.flags)],
    ['tcp.window', view.window],
    ['tcp.checksum', hex(view.checksum)],
    ['tcp.urgentPointer', view.urgentPointer],
    ['tcp.options', octets(packet, at + TCP_HEADER_BYTES, Math.min(end, at + view.headerBytes))],
    payload(packet, at + view.headerBytes),
  ]
}

function icmpFields(packet: Packet): Field[] {
  const { bytes, transportStart: at, family, end } = packet
  const layer = family === 4 ? 'icmp' : 'icmpv6'
  const view = family === 4 ? new IcmpView(bytes, at) : new Icmpv6View(bytes, at)
  const own: Field[] = [
    [`${layer}.type`, view.type],
    [`${layer}.code`, view.code],
    [`${layer}.checksum`, hex(view.checksum)],
    [`${layer}.rest`, hex(view.rest, 8)],
  ]
  const isError = family === 4 ? isIcmpError(view.type) : isIcmpv6Error(view.type)
  const quoted = new Packet()
  const isQuoting = isError && quoted.readQuoted(bytes, at + ICMP_HEADER_BYTES, end) === null
  if (!isQuoting) return [...own, payload(packet, at + ICMP_HEADER_BYTES)]
  return [...own, ...headerFields(quoted).map(([name, value]): Field => [`quoted.${name}`, value])]
}

/** How much of a payload is looked at: where it changes, it is a line of text. */
const PAYLOAD_MAX_BYTES = 128

const payload = (packet: Packet, from: number): Field => [
  'payload',
  octets(packet, from, Math.min(packet.end, from + PAYLOAD_MAX_BYTES)),
]

/** Text where it is printable and line ends, hexadecimal digits elsewhere. */
function octets({ bytes }: Packet, from: number, to: number): string {
  const shown = bytes.subarray(from, Math.max(from, to))
  const isText = shown.every((octet) => (octet >= 0x20 && octet < 0x7f) || octet === 0x0d || octet === 0x0a)
  if (isText) return String.fromCharCode(...shown)
  return Array.from(shown, (octet) => hex(octet, 2).slice(2)).join('')
}

const hex = (value: number, digits = 4): string => `0x${value.toString(16).padStart(digits, '0')}`
