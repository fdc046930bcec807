/** ICMP messages, RFC 792: an 8-octet header, then echo data or the packet that an error is about. */
import { adjust, adjustBy, checksum } from '../bytes/checksum.ts'
import { readU8, readU16, readU32, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import { MALFORMED } from './malformed.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +---------------+---------------+-------------------------------+
// |     Type      |     Code      |           Checksum            |
// |          Rest of Header: unused, or identifier | sequence     |
// |                        Echo data, or                          |
// |  Internet Header + 64 bits of Original Data Datagram, or more |
// +---------------------------------------------------------------+
const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const REST = 4
const IDENTIFIER = 4
const SEQUENCE = 6
const MTU = 6 // RFC 1191 §4: the low half of the rest, in "fragmentation needed" alone
const BODY = 8
/** Length of an ICMP header: where the echo data or the quoted packet begins. */
export const ICMP_HEADER_BYTES = 8
export const ICMP_TYPE = {
  echoReply: 0,
  destinationUnreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
}
/** Codes of destination unreachable. */
export const ICMP_UNREACHABLE = { network: 0, host: 1, protocol: 2, port: 3, fragmentationNeeded: 4 }
/** Whether messages of this type quote the packet they are about. RFC 1122 §3.2.2. */
export function isIcmpError(type) {
  switch (type) {
    case ICMP_TYPE.destinationUnreachable:
    case ICMP_TYPE.sourceQuench:
    case ICMP_TYPE.redirect:
    case ICMP_TYPE.timeExceeded:
    case ICMP_TYPE.parameterProblem:
      return true
    default:
      return false
  }
}
/** An ICMP header seen in place: every read and write goes to `bytes` itself. */
export class IcmpView {
  kind = 'icmp'
  bytes
  start
  /** Unchecked, for emitting and for bytes that were checked before. To read off the wire use {@link icmpAt}. */
  constructor(bytes, start) {
    this.bytes = bytes
    this.start = start
  }
  /** Moves this view to another header, unchecked. */
  at(bytes, start) {
    this.bytes = bytes
    this.start = start
    return this
  }
  get type() {
    return readU8(this.bytes, this.start + TYPE)
  }
  get code() {
    return readU8(this.bytes, this.start + CODE)
  }
  get checksum() {
    return readU16(this.bytes, this.start + CHECKSUM)
  }
  /** The four octets behind the checksum, unsigned. */
  get rest() {
    return readU32(this.bytes, this.start + REST)
  }
  /** Of an echo. */
  get identifier() {
    return readU16(this.bytes, this.start + IDENTIFIER)
  }
  /** Of an echo. */
  get sequence() {
    return readU16(this.bytes, this.start + SEQUENCE)
  }
  /** Of "fragmentation needed"; 0 from routers older than RFC 1191. */
  get mtu() {
    return readU16(this.bytes, this.start + MTU)
  }
  /** Where the echo data or the quoted packet begins. */
  get bodyStart() {
    return this.start + BODY
  }
  /** @param end where the message ends: the packet's end */
  checksumIsValid(end) {
    return checksum(this.bytes, this.start, end) === 0
  }
  set type(value) {
    writeU8(this.bytes, this.start + TYPE, value)
  }
  set code(value) {
    writeU8(this.bytes, this.start + CODE, value)
  }
  set checksum(value) {
    writeU16(this.bytes, this.start + CHECKSUM, value)
  }
  set rest(value) {
    writeU32(this.bytes, this.start + REST, value)
  }
  set mtu(value) {
    writeU16(this.bytes, this.start + MTU, value)
  }
  setMtuWithChecksum(value) {
    this.checksum = adjust(this.checksum, this.mtu, value)
    this.mtu = value
  }
  /** Carries the checksum through a change of other covered octets, the quoted packet's for example. */
  adjustChecksumBy(delta16) {
    this.checksum = adjustBy(this.checksum, delta16)
  }
  /**
   * Computes the checksum afresh and writes it.
   * @param end where the message ends: the packet's end
   */
  finishChecksum(end) {
    this.checksum = 0
    this.checksum = checksum(this.bytes, this.start, end)
  }
}
/** The ICMP header at `start`, or how it is malformed. Once you hold a view, no accessor reads beyond `end`. */
export function icmpAt(bytes, start = 0, end = bytes.length) {
  return icmpFlaw(bytes, start, end) ?? new IcmpView(bytes, start)
}
/** How the ICMP message `[start, end)` is malformed, or null. What it quotes is `Packet.readQuoted`'s to judge. */
export const icmpFlaw = (_bytes, start, end) =>
  end - start < ICMP_HEADER_BYTES ? MALFORMED['icmp-truncated'] : null
export const parseIcmp = (view) => ({
  type: view.type,
  code: view.code,
  rest: view.rest,
})
/**
 * Writes the whole header at `at`, checksum included, and answers where the body begins. The body must be in place
 * already, up to `end`, since the checksum covers it. Unchecked: the caller has made room.
 */
export function emitIcmp(bytes, at, end, header) {
  writeU8(bytes, at + TYPE, header.type)
  writeU8(bytes, at + CODE, header.code)
  writeU16(bytes, at + CHECKSUM, 0)
  writeU32(bytes, at + REST, header.rest)
  writeU16(bytes, at + CHECKSUM, checksum(bytes, at, end))
  return at + BODY
}
const UNREACHABLE_NAMES = ['network', 'host', 'protocol', 'port']
/** `icmp echo request id 7 seq 1`, `icmp port unreachable`, `icmp fragmentation needed mtu 1400`, `icmp type 13 code 0`. */
export function describeIcmp(view) {
  switch (view.type) {
    case ICMP_TYPE.echoReply:
      return `icmp echo reply id ${view.identifier} seq ${view.sequence}`
    case ICMP_TYPE.echoRequest:
      return `icmp echo request id ${view.identifier} seq ${view.sequence}`
    case ICMP_TYPE.destinationUnreachable:
      return `icmp ${describeUnreachable(view)}`
    case ICMP_TYPE.sourceQuench:
      return 'icmp source quench'
    case ICMP_TYPE.timeExceeded:
      return view.code === 0 ? 'icmp time exceeded' : 'icmp reassembly time exceeded'
    default:
      return `icmp type ${view.type} code ${view.code}`
  }
}
function describeUnreachable(view) {
  if (view.code === ICMP_UNREACHABLE.fragmentationNeeded) return `fragmentation needed mtu ${view.mtu}`
  const what = UNREACHABLE_NAMES[view.code]
  return what === undefined ? `unreachable code ${view.code}` : `${what} unreachable`
}
