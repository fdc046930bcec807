/** The IPv4 header, RFC 791 §3.1. Options are carried along, never interpreted. */
import { readAddress, writeAddress } from '../bytes/address.ts'
import { adjust, adjustBy, checksum, fold16, sum16, wordDelta } from '../bytes/checksum.ts'
import { readI32, readU8, readU16, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import { MALFORMED } from './malformed.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-------+-------+---------------+-------------------------------+
// |Version|  IHL  |Type of Service|          Total Length         |
// |         Identification        |0|D|M|      Fragment Offset    |
// |  Time to Live |    Protocol   |         Header Checksum       |
// |                         Source Address                        |
// |                      Destination Address                      |
// |                    Options                    |    Padding    |
// +-----------------------------------------------+---------------+
const VERSION_IHL = 0
const TRAFFIC_CLASS = 1
const TOTAL_LENGTH = 2
const IDENTIFICATION = 4
const FLAGS_OFFSET = 6
const TTL = 8
const PROTOCOL_NUMBER = 9
const CHECKSUM = 10
const SOURCE = 12
const DESTINATION = 16
const OPTIONS = 20
const RESERVED_FLAG = 0x8000
const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS = 0x2000
const OFFSET_MASK = 0x1fff // in units of 8 octets
/** Length of an IPv4 header without options. */
export const IPV4_HEADER_BYTES = 20
/** An IPv4 header seen in place: every read and write goes to `bytes` itself. */
export class Ipv4View {
  kind = 'ipv4'
  bytes
  start
  /** Unchecked, for emitting and for bytes that were checked before. To read off the wire use {@link ipv4At}. */
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
  get version() {
    return readU8(this.bytes, this.start + VERSION_IHL) >>> 4
  }
  /** Options included. Writing it voids what {@link ipv4At} promised. */
  get headerBytes() {
    return (readU8(this.bytes, this.start + VERSION_IHL) & 0x0f) * 4
  }
  /** DSCP and ECN together, the former type of service. */
  get trafficClass() {
    return readU8(this.bytes, this.start + TRAFFIC_CLASS)
  }
  /** Header and payload. */
  get totalBytes() {
    return readU16(this.bytes, this.start + TOTAL_LENGTH)
  }
  get identification() {
    return readU16(this.bytes, this.start + IDENTIFICATION)
  }
  /** The flag that RFC 791 reserves, to be zero. */
  get reservedFlag() {
    return (readU16(this.bytes, this.start + FLAGS_OFFSET) & RESERVED_FLAG) !== 0
  }
  get dontFragment() {
    return (readU16(this.bytes, this.start + FLAGS_OFFSET) & DONT_FRAGMENT) !== 0
  }
  get moreFragments() {
    return (readU16(this.bytes, this.start + FLAGS_OFFSET) & MORE_FRAGMENTS) !== 0
  }
  /** In octets. */
  get fragmentOffset() {
    return (readU16(this.bytes, this.start + FLAGS_OFFSET) & OFFSET_MASK) * 8
  }
  get ttl() {
    return readU8(this.bytes, this.start + TTL)
  }
  get protocol() {
    return readU8(this.bytes, this.start + PROTOCOL_NUMBER)
  }
  get checksum() {
    return readU16(this.bytes, this.start + CHECKSUM)
  }
  /** Signed, as {@link IpAddress.w0}. */
  get sourceWord() {
    return readI32(this.bytes, this.start + SOURCE)
  }
  /** Signed, as {@link IpAddress.w0}. */
  get destinationWord() {
    return readI32(this.bytes, this.start + DESTINATION)
  }
  /** Allocates. */
  get source() {
    return readAddress(this.bytes, this.start + SOURCE, 4)
  }
  /** Allocates. */
  get destination() {
    return readAddress(this.bytes, this.start + DESTINATION, 4)
  }
  get checksumIsValid() {
    return checksum(this.bytes, this.start, this.start + this.headerBytes) === 0
  }
  set trafficClass(value) {
    writeU8(this.bytes, this.start + TRAFFIC_CLASS, value)
  }
  /** Writing it voids what {@link ipv4At} promised. */
  set totalBytes(value) {
    writeU16(this.bytes, this.start + TOTAL_LENGTH, value)
  }
  set identification(value) {
    writeU16(this.bytes, this.start + IDENTIFICATION, value)
  }
  set ttl(value) {
    writeU8(this.bytes, this.start + TTL, value)
  }
  set checksum(value) {
    writeU16(this.bytes, this.start + CHECKSUM, value)
  }
  set sourceWord(value) {
    writeU32(this.bytes, this.start + SOURCE, value)
  }
  set destinationWord(value) {
    writeU32(this.bytes, this.start + DESTINATION, value)
  }
  setTrafficClassWithChecksum(value) {
    const word = readU16(this.bytes, this.start + VERSION_IHL)
    this.checksum = adjust(this.checksum, word, (word & 0xff00) | value)
    this.trafficClass = value
  }
  setTotalBytesWithChecksum(value) {
    this.checksum = adjust(this.checksum, this.totalBytes, value)
    this.totalBytes = value
  }
  setIdentificationWithChecksum(value) {
    this.checksum = adjust(this.checksum, this.identification, value)
    this.identification = value
  }
  setTtlWithChecksum(value) {
    const word = readU16(this.bytes, this.start + TTL)
    this.checksum = adjust(this.checksum, word, (value << 8) | (word & 0xff))
    this.ttl = value
  }
  setSourceWordWithChecksum(value) {
    this.checksum = adjustBy(this.checksum, fold16(wordDelta(this.sourceWord, value)))
    this.sourceWord = value
  }
  setDestinationWordWithChecksum(value) {
    this.checksum = adjustBy(this.checksum, fold16(wordDelta(this.destinationWord, value)))
    this.destinationWord = value
  }
}
/** The IPv4 header at `start`, or how it is malformed. Once you hold a view, no accessor reads beyond `end`. */
export function ipv4At(bytes, start = 0, end = bytes.length) {
  return ipv4Flaw(bytes, start, end) ?? new Ipv4View(bytes, start)
}
/** How the packet at `[start, end)` is malformed as far as its IPv4 header tells, or null. */
export function ipv4Flaw(bytes, start, end) {
  const flaw = ipv4HeaderFlaw(bytes, start, end)
  if (flaw !== null) return flaw
  const totalBytes = readU16(bytes, start + TOTAL_LENGTH)
  if (totalBytes > end - start) return MALFORMED['ipv4-payload-truncated']
  if (totalBytes < (readU8(bytes, start + VERSION_IHL) & 0x0f) * 4) return MALFORMED['ipv4-total-length']
  const offset = readU16(bytes, start + FLAGS_OFFSET) & OFFSET_MASK
  if (offset !== 0 && offset * 8 + totalBytes > 0xffff) return MALFORMED['ipv4-fragment-end']
  return null
}
/** The same for a packet that may be cut short, as quoted in an ICMP error: the header alone is looked at. */
export function ipv4HeaderFlaw(bytes, start, end) {
  if (end - start < IPV4_HEADER_BYTES) return MALFORMED['ipv4-truncated']
  const versionIhl = readU8(bytes, start + VERSION_IHL)
  if (versionIhl >>> 4 !== 4) return MALFORMED['ipv4-version']
  const headerBytes = (versionIhl & 0x0f) * 4
  if (headerBytes < IPV4_HEADER_BYTES) return MALFORMED['ipv4-header-length']
  if (headerBytes > end - start) return MALFORMED['ipv4-options-truncated']
  return null
}
export const parseIpv4 = (view) => ({
  trafficClass: view.trafficClass,
  identification: view.identification,
  dontFragment: view.dontFragment,
  moreFragments: view.moreFragments,
  fragmentOffset: view.fragmentOffset,
  ttl: view.ttl,
  protocol: view.protocol,
  source: view.source,
  destination: view.destination,
  options: view.bytes.slice(view.start + OPTIONS, view.start + view.headerBytes),
  payloadBytes: view.totalBytes - view.headerBytes,
})
/**
 * Writes the whole header at `at`, checksum included, and answers where the payload begins. Unchecked: the caller
 * has made room and keeps every value in its range.
 */
export function emitIpv4(bytes, at, header) {
  const headerBytes = OPTIONS + header.options.length
  writeU8(bytes, at + VERSION_IHL, 0x40 | (headerBytes / 4))
  writeU8(bytes, at + TRAFFIC_CLASS, header.trafficClass)
  writeU16(bytes, at + TOTAL_LENGTH, headerBytes + header.payloadBytes)
  writeU16(bytes, at + IDENTIFICATION, header.identification)
  const flags = (header.dontFragment ? DONT_FRAGMENT : 0) | (header.moreFragments ? MORE_FRAGMENTS : 0)
  writeU16(bytes, at + FLAGS_OFFSET, flags | (header.fragmentOffset / 8))
  writeU8(bytes, at + TTL, header.ttl)
  writeU8(bytes, at + PROTOCOL_NUMBER, header.protocol)
  writeU16(bytes, at + CHECKSUM, 0)
  writeAddress(bytes, at + SOURCE, header.source)
  writeAddress(bytes, at + DESTINATION, header.destination)
  bytes.set(header.options, at + OPTIONS)
  writeU16(bytes, at + CHECKSUM, ~sum16(bytes, at, at + headerBytes) & 0xffff)
  return at + headerBytes
}
/** `10.9.0.1 > 10.0.0.1 ttl 64 id 4660 DF`, or `… fragment 1480+` with the offset, and a plus when more follow. */
export function describeIpv4(view) {
  const fragment =
    view.moreFragments || view.fragmentOffset > 0
      ? ` fragment ${view.fragmentOffset}${view.moreFragments ? '+' : ''}`
      : ''
  const flags = view.dontFragment ? ' DF' : ''
  return `${view.source} > ${view.destination} ttl ${view.ttl} id ${view.identification}${flags}${fragment}`
}
