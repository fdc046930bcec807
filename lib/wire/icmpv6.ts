/** ICMPv6 messages, RFC 4443: as ICMP, but the checksum covers the pseudo-header too. */

import { adjust, adjustBy, fold16, wordDelta } from '../bytes/checksum.ts'
import { readU8, readU16, readU32, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import { MALFORMED, type Malformed } from './malformed.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +---------------+---------------+-------------------------------+
// |     Type      |     Code      |           Checksum            |
// |     Rest of Header: unused, MTU, or identifier | sequence     |
// |                        Echo data, or                          |
// |   As much of the invoking packet as fits into the minimum MTU |
// +---------------------------------------------------------------+
const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const REST = 4
const IDENTIFIER = 4
const SEQUENCE = 6
const BODY = 8

/** Length of an ICMPv6 header: where the echo data or the quoted packet begins. */
export const ICMPV6_HEADER_BYTES = 8

export const ICMPV6_TYPE = {
  destinationUnreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
} as const

/** Codes of destination unreachable. */
export const ICMPV6_UNREACHABLE = { noRoute: 0, prohibited: 1, address: 3, port: 4 } as const

/** Whether messages of this type quote the packet they are about: the high bit is clear. RFC 4443 §2.1. */
export const isIcmpv6Error = (type: number): boolean => type < 128

/** An ICMPv6 header seen in place: every read and write goes to `bytes` itself. */
export class Icmpv6View {
  readonly kind = 'icmpv6'
  bytes: Uint8Array
  start: number

  /** Unchecked, for emitting and for bytes that were checked before. To read off the wire use {@link icmpv6At}. */
  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes
    this.start = start
  }

  /** Moves this view to another header, unchecked. */
  at(bytes: Uint8Array, start: number): this {
    this.bytes = bytes
    this.start = start
    return this
  }

  get type(): number {
    return readU8(this.bytes, this.start + TYPE)
  }
  get code(): number {
    return readU8(this.bytes, this.start + CODE)
  }
  get checksum(): number {
    return readU16(this.bytes, this.start + CHECKSUM)
  }
  /** The four octets behind the checksum, unsigned. */
  get rest(): number {
    return readU32(this.bytes, this.start + REST)
  }
  /** Of an echo. */
  get identifier(): number {
    return readU16(this.bytes, this.start + IDENTIFIER)
  }
  /** Of an echo. */
  get sequence(): number {
    return readU16(this.bytes, this.start + SEQUENCE)
  }
  /** Of "packet too big": 32 bits wide here. RFC 4443 §3.2. */
  get mtu(): number {
    return this.rest
  }
  /** Where the echo data or the quoted packet begins. */
  get bodyStart(): number {
    return this.start + BODY
  }

  set type(value: number) {
    writeU8(this.bytes, this.start + TYPE, value)
  }
  set code(value: number) {
    writeU8(this.bytes, this.start + CODE, value)
  }
  set checksum(value: number) {
    writeU16(this.bytes, this.start + CHECKSUM, value)
  }
  set rest(value: number) {
    writeU32(this.bytes, this.start + REST, value)
  }
  set mtu(value: number) {
    this.rest = value
  }

  setIdentifierWithChecksum(value: number): void {
    this.checksum = adjust(this.checksum, this.identifier, value)
    writeU16(this.bytes, this.start + IDENTIFIER, value)
  }
  setMtuWithChecksum(value: number): void {
    this.checksum = adjustBy(this.checksum, fold16(wordDelta(this.mtu, value)))
    this.mtu = value
  }
  /** Carries the checksum through a change of other covered octets: the pseudo-header's, the quoted packet's. */
  adjustChecksumBy(delta16: number): void {
    this.checksum = adjustBy(this.checksum, delta16)
  }
}

/** What an ICMPv6 header says, as values. */
export interface Icmpv6Header {
  readonly type: number
  readonly code: number
  /** Unsigned 32 bits: for an echo, identifier and sequence number; for "packet too big", the MTU. */
  readonly rest: number
}

/** The ICMPv6 header at `start`, or how it is malformed. Once you hold a view, no accessor reads beyond `end`. */
export function icmpv6At(bytes: Uint8Array, start = 0, end = bytes.length): Icmpv6View | Malformed {
  return icmpv6Flaw(bytes, start, end) ?? new Icmpv6View(bytes, start)
}

/** How the ICMPv6 message `[start, end)` is malformed, or null. What it quotes is `Packet.readQuoted`'s to judge. */
export const icmpv6Flaw = (_bytes: Uint8Array, start: number, end: number): Malformed | null =>
  end - start < ICMPV6_HEADER_BYTES ? MALFORMED['icmpv6-truncated'] : null

export const parseIcmpv6 = (view: Icmpv6View): Icmpv6Header => ({
  type: view.type,
  code: view.code,
  rest: view.rest,
})

/**
 * Writes the whole header at `at` and answers where the body begins. The checksum is written as 0: it covers the
 * body and the addresses too, see `finishTransportChecksum`. Unchecked: the caller has made room.
 */
export function emitIcmpv6(bytes: Uint8Array, at: number, header: Icmpv6Header): number {
  writeU8(bytes, at + TYPE, header.type)
  writeU8(bytes, at + CODE, header.code)
  writeU16(bytes, at + CHECKSUM, 0)
  writeU32(bytes, at + REST, header.rest)
  return at + BODY
}

const UNREACHABLE_NAMES: Readonly<Record<number, string>> = {
  [ICMPV6_UNREACHABLE.noRoute]: 'no route',
  [ICMPV6_UNREACHABLE.prohibited]: 'administratively prohibited',
  [ICMPV6_UNREACHABLE.address]: 'address unreachable',
  [ICMPV6_UNREACHABLE.port]: 'port unreachable',
}

/** `icmpv6 port unreachable`, `icmpv6 packet too big mtu 1280`, `icmpv6 echo request id 7 seq 1`, `icmpv6 type 135 code 0`. */
export function describeIcmpv6(view: Icmpv6View): string {
  switch (view.type) {
    case ICMPV6_TYPE.destinationUnreachable:
      return `icmpv6 ${UNREACHABLE_NAMES[view.code] ?? `unreachable code ${view.code}`}`
    case ICMPV6_TYPE.packetTooBig:
      return `icmpv6 packet too big mtu ${view.mtu}`
    case ICMPV6_TYPE.timeExceeded:
      return view.code === 0 ? 'icmpv6 time exceeded' : 'icmpv6 reassembly time exceeded'
    case ICMPV6_TYPE.echoRequest:
      return `icmpv6 echo request id ${view.identifier} seq ${view.sequence}`
    case ICMPV6_TYPE.echoReply:
      return `icmpv6 echo reply id ${view.identifier} seq ${view.sequence}`
    default:
      return `icmpv6 type ${view.type} code ${view.code}`
  }
}
