/** The fixed IPv6 header, RFC 8200 §3. What may follow it is walked in `ipv6-extensions.ts`. */
import { readAddress, writeAddress } from '../bytes/address.ts'
import { readU8, readU16, readU32, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import { MALFORMED } from './malformed.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-------+---------------+---------------------------------------+
// |Version| Traffic Class |              Flow Label               |
// |         Payload Length        |  Next Header  |   Hop Limit   |
// |                     Source Address (128 bits)                 |
// |                  Destination Address (128 bits)               |
// +---------------------------------------------------------------+
const VERSION_CLASS_FLOW = 0
const PAYLOAD_LENGTH = 4
const NEXT_HEADER = 6
const HOP_LIMIT = 7
const SOURCE = 8
const DESTINATION = 24
const FLOW_LABEL_MASK = 0xfffff
/** Length of the fixed IPv6 header. */
export const IPV6_HEADER_BYTES = 40
/** An IPv6 header seen in place: every read and write goes to `bytes` itself. No checksum covers it alone. */
export class Ipv6View {
  kind = 'ipv6'
  bytes
  start
  /** Unchecked, for emitting and for bytes that were checked before. To read off the wire use {@link ipv6At}. */
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
    return readU8(this.bytes, this.start + VERSION_CLASS_FLOW) >>> 4
  }
  get trafficClass() {
    return (readU16(this.bytes, this.start + VERSION_CLASS_FLOW) >>> 4) & 0xff
  }
  get flowLabel() {
    return readU32(this.bytes, this.start + VERSION_CLASS_FLOW) & FLOW_LABEL_MASK
  }
  /** Everything behind the fixed header, extension headers included. */
  get payloadBytes() {
    return readU16(this.bytes, this.start + PAYLOAD_LENGTH)
  }
  /** Protocol of what follows: an extension header's, or the transport's. */
  get nextHeader() {
    return readU8(this.bytes, this.start + NEXT_HEADER)
  }
  get hopLimit() {
    return readU8(this.bytes, this.start + HOP_LIMIT)
  }
  /** Allocates. */
  get source() {
    return readAddress(this.bytes, this.start + SOURCE, 6)
  }
  /** Allocates. */
  get destination() {
    return readAddress(this.bytes, this.start + DESTINATION, 6)
  }
  set trafficClass(value) {
    const word = readU16(this.bytes, this.start + VERSION_CLASS_FLOW)
    writeU16(this.bytes, this.start + VERSION_CLASS_FLOW, (word & 0xf00f) | (value << 4))
  }
  set flowLabel(value) {
    const word = readU32(this.bytes, this.start + VERSION_CLASS_FLOW)
    writeU32(this.bytes, this.start + VERSION_CLASS_FLOW, (word & ~FLOW_LABEL_MASK) | value)
  }
  /** Writing it voids what {@link ipv6At} promised. */
  set payloadBytes(value) {
    writeU16(this.bytes, this.start + PAYLOAD_LENGTH, value)
  }
  /** Writing it changes how everything behind is read. */
  set nextHeader(value) {
    writeU8(this.bytes, this.start + NEXT_HEADER, value)
  }
  set hopLimit(value) {
    writeU8(this.bytes, this.start + HOP_LIMIT, value)
  }
  set source(address) {
    writeAddress(this.bytes, this.start + SOURCE, address)
  }
  set destination(address) {
    writeAddress(this.bytes, this.start + DESTINATION, address)
  }
}
/** The IPv6 header at `start`, or how it is malformed. Once you hold a view, no accessor reads beyond `end`. */
export function ipv6At(bytes, start = 0, end = bytes.length) {
  return ipv6Flaw(bytes, start, end) ?? new Ipv6View(bytes, start)
}
/** How the packet at `[start, end)` is malformed as far as its fixed IPv6 header tells, or null. */
export function ipv6Flaw(bytes, start, end) {
  const flaw = ipv6HeaderFlaw(bytes, start, end)
  if (flaw !== null) return flaw
  const payloadBytes = readU16(bytes, start + PAYLOAD_LENGTH)
  const thereBytes = end - start - IPV6_HEADER_BYTES
  if (payloadBytes > thereBytes) return MALFORMED['ipv6-payload-truncated']
  // RFC 2675 §2: zero announces a jumbogram, whose length stands in a hop-by-hop option.
  if (payloadBytes === 0 && thereBytes > 0) return MALFORMED['ipv6-jumbogram']
  return null
}
/** The same for a packet that may be cut short, as quoted in an ICMP error: the header alone is looked at. */
export function ipv6HeaderFlaw(bytes, start, end) {
  if (end - start < IPV6_HEADER_BYTES) return MALFORMED['ipv6-truncated']
  if (readU8(bytes, start + VERSION_CLASS_FLOW) >>> 4 !== 6) return MALFORMED['ipv6-version']
  return null
}
export const parseIpv6 = (view) => ({
  trafficClass: view.trafficClass,
  flowLabel: view.flowLabel,
  nextHeader: view.nextHeader,
  hopLimit: view.hopLimit,
  source: view.source,
  destination: view.destination,
  payloadBytes: view.payloadBytes,
})
/**
 * Writes the whole fixed header at `at` and answers where the payload begins. Unchecked: the caller has made room
 * and keeps every value in its range.
 */
export function emitIpv6(bytes, at, header) {
  writeU32(bytes, at + VERSION_CLASS_FLOW, (6 << 28) | (header.trafficClass << 20) | header.flowLabel)
  writeU16(bytes, at + PAYLOAD_LENGTH, header.payloadBytes)
  writeU8(bytes, at + NEXT_HEADER, header.nextHeader)
  writeU8(bytes, at + HOP_LIMIT, header.hopLimit)
  writeAddress(bytes, at + SOURCE, header.source)
  writeAddress(bytes, at + DESTINATION, header.destination)
  return at + IPV6_HEADER_BYTES
}
/** `fd00:9::1 > fd00::1 hlim 64 flow 0x12345`; a flow label of 0 is left out. */
export function describeIpv6(view) {
  const flow = view.flowLabel === 0 ? '' : ` flow 0x${view.flowLabel.toString(16)}`
  return `${view.source} > ${view.destination} hlim ${view.hopLimit}${flow}`
}
