/** Builds whole packets for tests: only what a test is about needs saying, and every checksum is right. */

import { type IpAddress, parseAddress } from '../../lib/bytes/address.ts'
import { emitIcmp } from '../../lib/wire/icmp.ts'
import { emitIcmpv6 } from '../../lib/wire/icmpv6.ts'
import { emitIpv4, IPV4_HEADER_BYTES, type Ipv4Header, Ipv4View } from '../../lib/wire/ipv4.ts'
import { emitIpv6, IPV6_HEADER_BYTES, type Ipv6Header, Ipv6View } from '../../lib/wire/ipv6.ts'
import { emitFragmentHeader, FRAGMENT_HEADER_BYTES } from '../../lib/wire/ipv6-extensions.ts'
import { Packet } from '../../lib/wire/packet.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { emitSctp, emitSctpChunk, SCTP_CHUNK, SCTP_HEADER_BYTES } from '../../lib/wire/sctp.ts'
import { emitTcp, TCP_FLAG } from '../../lib/wire/tcp.ts'
import {
  checksumOffset,
  finishTransportChecksum,
  pseudoHeaderSum,
} from '../../lib/wire/transport-checksum.ts'
import { emitUdp } from '../../lib/wire/udp.ts'

/** Text stands for its Latin-1 octets. */
export type Payload = string | Uint8Array

/** Endpoints are `10.0.0.1:80` or `[fd00::1]:80`; of protocols without ports, an address alone. */
export interface Endpoints {
  readonly source: string
  readonly destination: string
}

export type Ip4Options = Endpoints & Partial<Omit<Ipv4Header, 'source' | 'destination' | 'payloadBytes'>>

export type Ip6Options = Endpoints &
  Partial<Omit<Ipv6Header, 'source' | 'destination' | 'payloadBytes' | 'nextHeader'>> & {
    /** Extension headers in their order, as octets; the chain of next headers is made here. */
    readonly extensions?: readonly Ip6Extension[]
  }

/** `bytes` is the whole header, a multiple of 8 octets; its first octet is overwritten with the next header. */
export interface Ip6Extension {
  readonly protocol: number
  readonly bytes: Uint8Array
}

export interface TcpOptions {
  /** Letters, as printed: `S`, `SA`, `FA`; `A` unless said. */
  readonly flags?: string
  readonly sequence?: number
  readonly acknowledgment?: number
  readonly window?: number
  readonly tcpOptions?: Uint8Array
  readonly payload?: Payload
}

export interface UdpOptions {
  /** False leaves the checksum 0, "none". */
  readonly hasChecksum?: boolean
  readonly payload?: Payload
}

/** A chunk: its type by name or number, then what fills it. */
export type SctpChunkSpec = readonly [type: keyof typeof SCTP_CHUNK | number, value?: Payload]

export interface SctpOptions {
  readonly verificationTag?: number
  /** One DATA chunk unless said. */
  readonly chunks?: readonly SctpChunkSpec[]
}

export interface IcmpOptions {
  readonly type: number
  readonly code?: number
  readonly rest?: number
  /** Echo data, or the quoted packet. */
  readonly body?: Payload
}

export const tcp4 = (options: Ip4Options & TcpOptions): Uint8Array =>
  finished(ip4({ ...options, protocol: PROTOCOL.tcp, payload: tcpSegment(options) }))

export const tcp6 = (options: Ip6Options & TcpOptions): Uint8Array =>
  finished(ip6({ ...options, protocol: PROTOCOL.tcp, payload: tcpSegment(options) }))

export const udp4 = (options: Ip4Options & UdpOptions): Uint8Array => {
  const bytes = ip4({ ...options, protocol: PROTOCOL.udp, payload: udpDatagram(options) })
  return options.hasChecksum === false ? bytes : finished(bytes)
}

export const udp6 = (options: Ip6Options & UdpOptions): Uint8Array => {
  const bytes = ip6({ ...options, protocol: PROTOCOL.udp, payload: udpDatagram(options) })
  return options.hasChecksum === false ? bytes : finished(bytes)
}

export const sctp4 = (options: Ip4Options & SctpOptions): Uint8Array =>
  finished(ip4({ ...options, protocol: PROTOCOL.sctp, payload: sctpPacket(options) }))

export const sctp6 = (options: Ip6Options & SctpOptions): Uint8Array =>
  finished(ip6({ ...options, protocol: PROTOCOL.sctp, payload: sctpPacket(options) }))

export function icmp4(options: Ip4Options & IcmpOptions): Uint8Array {
  const { type, code = 0, rest = 0 } = options
  const message = withRoomBefore(8, options.body)
  emitIcmp(message, 0, message.length, { type, code, rest })
  return ip4({ ...options, protocol: PROTOCOL.icmp, payload: message })
}

export function icmp6(options: Ip6Options & IcmpOptions): Uint8Array {
  const { type, code = 0, rest = 0 } = options
  const message = withRoomBefore(8, options.body)
  emitIcmpv6(message, 0, { type, code, rest })
  return finished(ip6({ ...options, protocol: PROTOCOL.icmpv6, payload: message }))
}

/** An IPv4 packet around whatever payload; TTL 64, and no flag set unless said. */
export function ip4(options: Ip4Options & { protocol: number; payload?: Payload }): Uint8Array {
  const ipOptions = options.options ?? new Uint8Array(0)
  const bytes = withRoomBefore(IPV4_HEADER_BYTES + ipOptions.length, options.payload)
  emitIpv4(bytes, 0, {
    trafficClass: options.trafficClass ?? 0,
    identification: options.identification ?? 0x1234,
    dontFragment: options.dontFragment ?? false,
    moreFragments: options.moreFragments ?? false,
    fragmentOffset: options.fragmentOffset ?? 0,
    ttl: options.ttl ?? 64,
    protocol: options.protocol,
    source: endpointAddress(options.source),
    destination: endpointAddress(options.destination),
    options: ipOptions,
    payloadBytes: bytes.length - IPV4_HEADER_BYTES - ipOptions.length,
  })
  return bytes
}

/** An IPv6 packet around whatever payload; hop limit 64 unless said. */
export function ip6(options: Ip6Options & { protocol: number; payload?: Payload }): Uint8Array {
  const extensions = options.extensions ?? []
  const payloadBytes = octets(options.payload).length
  const extensionBytes = extensions.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const bytes = withRoomBefore(IPV6_HEADER_BYTES + extensionBytes, options.payload)
  let at = emitIpv6(bytes, 0, {
    trafficClass: options.trafficClass ?? 0,
    flowLabel: options.flowLabel ?? 0,
    nextHeader: extensions[0]?.protocol ?? options.protocol,
    hopLimit: options.hopLimit ?? 64,
    source: endpointAddress(options.source),
    destination: endpointAddress(options.destination),
    payloadBytes: extensionBytes + payloadBytes,
  })
  for (const [index, extension] of extensions.entries()) {
    bytes.set(extension.bytes, at)
    bytes[at] = extensions[index + 1]?.protocol ?? options.protocol
    at += extension.bytes.length
  }
  return bytes
}

/** Splits an IPv4 packet as a router would: every fragment but the last carries `dataBytes`, a multiple of 8. */
export function fragment4(whole: Uint8Array, dataBytes: number): Uint8Array[] {
  const { headerBytes } = new Ipv4View(whole, 0)
  const data = whole.subarray(headerBytes)
  return chunks(data.length, dataBytes).map(({ offset, end, isLast }) => {
    const bytes = concat(whole.subarray(0, headerBytes), data.subarray(offset, end))
    const view = new Ipv4View(bytes, 0)
    bytes[6] = (isLast ? 0 : 0x20) | (offset >>> 11)
    bytes[7] = (offset >>> 3) & 0xff
    view.totalBytes = bytes.length
    view.checksum = 0
    view.checksum = referenceChecksum(bytes.subarray(0, headerBytes))
    return bytes
  })
}

/** Splits an IPv6 packet without extension headers as its sender would. */
export function fragment6(whole: Uint8Array, dataBytes: number, identification = 0x55): Uint8Array[] {
  const data = whole.subarray(IPV6_HEADER_BYTES)
  const { nextHeader } = new Ipv6View(whole, 0)
  return chunks(data.length, dataBytes).map(({ offset, end, isLast }) => {
    const header = new Uint8Array(FRAGMENT_HEADER_BYTES)
    emitFragmentHeader(header, 0, {
      nextHeader,
      fragmentOffset: offset,
      moreFragments: !isLast,
      identification,
    })
    const bytes = concat(whole.subarray(0, IPV6_HEADER_BYTES), header, data.subarray(offset, end))
    const view = new Ipv6View(bytes, 0)
    view.nextHeader = PROTOCOL.fragment
    view.payloadBytes = bytes.length - IPV6_HEADER_BYTES
    return bytes
  })
}

/**
 * The same packet with its transport checksum as a sender leaves it to offload: the pseudo-header's sum alone, and of
 * SCTP, which has none, 0.
 */
export function withUnfinishedChecksum(whole: Uint8Array): Uint8Array {
  const bytes = whole.slice()
  const packet = readPacket(bytes)
  if (packet.protocol === PROTOCOL.sctp)
    return bytes.fill(0, packet.transportStart + 8, packet.transportStart + 12)
  const sum = pseudoHeaderSum(packet, packet.end - packet.transportStart)
  new DataView(bytes.buffer).setUint16(packet.transportStart + checksumOffset(packet.protocol), sum)
  return bytes
}

/** The packet that the octets hold; a test that hands in a malformed one fails here. */
export function readPacket(bytes: Uint8Array): Packet {
  const packet = new Packet()
  const flaw = packet.read(bytes, 0, bytes.length)
  if (flaw !== null) throw new Error(`expected a sound packet, found ${flaw.reason}`)
  return packet
}

/** Octets from hex text; blanks, line breaks and `# …` annotations do not count. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '')
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`expected pairs of hex digits, found ${digits}`)
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts))

export const octets = (payload: Payload = ''): Uint8Array =>
  typeof payload === 'string' ? Uint8Array.from(Buffer.from(payload, 'latin1')) : payload

/** The internet checksum word by word, written apart from `lib/bytes/checksum.ts` to hold it to account. */
export function referenceChecksum(bytes: Uint8Array, ...before: readonly Uint8Array[]): number {
  const all = concat(...before, bytes)
  let sum = 0
  for (let at = 0; at < all.length; at += 2) {
    sum += (all[at] as number) * 256 + (all[at + 1] ?? 0)
    if (sum > 0xffff) sum -= 0xffff // the carry out comes back in at the bottom
  }
  return 0xffff - sum
}

function finished(bytes: Uint8Array): Uint8Array {
  const packet = readPacket(bytes)
  if (!packet.isFragment) finishTransportChecksum(packet)
  return bytes
}

function tcpSegment(options: Endpoints & TcpOptions): Uint8Array {
  const tcpOptions = options.tcpOptions ?? new Uint8Array(0)
  const bytes = withRoomBefore(20 + tcpOptions.length, options.payload)
  emitTcp(bytes, 0, {
    sourcePort: endpointPort(options.source),
    destinationPort: endpointPort(options.destination),
    sequence: options.sequence ?? 100,
    acknowledgment: options.acknowledgment ?? 0,
    flags: tcpFlags(options.flags ?? 'A'),
    window: options.window ?? 8192,
    urgentPointer: 0,
    options: tcpOptions,
  })
  return bytes
}

function udpDatagram(options: Endpoints & UdpOptions): Uint8Array {
  const bytes = withRoomBefore(8, options.payload)
  emitUdp(bytes, 0, {
    sourcePort: endpointPort(options.source),
    destinationPort: endpointPort(options.destination),
    payloadBytes: bytes.length - 8,
  })
  return bytes
}

function sctpPacket({
  source,
  destination,
  verificationTag = 1,
  chunks = [['data']],
}: Endpoints & SctpOptions) {
  const header = new Uint8Array(SCTP_HEADER_BYTES)
  emitSctp(header, 0, {
    sourcePort: endpointPort(source),
    destinationPort: endpointPort(destination),
    verificationTag,
  })
  return concat(header, ...chunks.map(sctpChunk))
}

/** Padded with zeros to a multiple of 4 octets. */
function sctpChunk([type, value]: SctpChunkSpec): Uint8Array {
  const valueOctets = octets(value)
  const bytes = new Uint8Array(4 + Math.ceil(valueOctets.length / 4) * 4)
  const at = emitSctpChunk(bytes, 0, {
    type: typeof type === 'number' ? type : SCTP_CHUNK[type],
    flags: 0,
    valueBytes: valueOctets.length,
  })
  bytes.set(valueOctets, at)
  return bytes
}

const FLAG_OF_LETTER: Readonly<Record<string, number>> = {
  F: TCP_FLAG.fin,
  S: TCP_FLAG.syn,
  R: TCP_FLAG.rst,
  P: TCP_FLAG.psh,
  A: TCP_FLAG.ack,
  U: TCP_FLAG.urg,
  E: TCP_FLAG.ece,
  C: TCP_FLAG.cwr,
}

function tcpFlags(letters: string): number {
  let flags = 0
  for (const letter of letters) {
    const flag = FLAG_OF_LETTER[letter]
    if (flag === undefined) throw new Error(`expected letters of FSRPAUEC, found ${letters}`)
    flags |= flag
  }
  return flags
}

function endpointAddress(text: string): IpAddress {
  const address = parseAddress(/^\[(.*)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, '$1'))
  if (address === null) throw new Error(`expected an address or address:port, found ${text}`)
  return address
}

function endpointPort(text: string): number {
  const digits = /^(?:\[.*\]|[\d.]+):(\d+)$/.exec(text)?.[1]
  if (digits === undefined) throw new Error(`expected address:port, found ${text}`)
  return Number(digits)
}

function withRoomBefore(headerBytes: number, payload: Payload = ''): Uint8Array {
  return concat(new Uint8Array(headerBytes), octets(payload))
}

function chunks(totalBytes: number, chunkBytes: number): { offset: number; end: number; isLast: boolean }[] {
  const found = []
  for (let offset = 0; offset < totalBytes; offset += chunkBytes) {
    const end = Math.min(offset + chunkBytes, totalBytes)
    found.push({ offset, end, isLast: end === totalBytes })
  }
  return found
}
