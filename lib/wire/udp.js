/** The UDP header, RFC 768. */
import { adjust, adjustBy } from '../bytes/checksum.ts'
import { readU16, writeU16 } from '../bytes/octets.ts'
import { MALFORMED } from './malformed.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-------------------------------+-------------------------------+
// |          Source Port          |       Destination Port        |
// |            Length             |           Checksum            |
// +-------------------------------+-------------------------------+
const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const LENGTH = 4
const CHECKSUM = 6
export const UDP_HEADER_BYTES = 8
/** A checksum field of 0 says that the sender computed none. */
export const UDP_NO_CHECKSUM = 0
/**
 * A computed checksum as UDP writes it: "If the computed checksum is zero, it is transmitted as all ones", since
 * zero means none. RFC 768.
 */
export const udpChecksum = (computed) => (computed === UDP_NO_CHECKSUM ? 0xffff : computed)
/** A UDP header seen in place: every read and write goes to `bytes` itself. */
export class UdpView {
  kind = 'udp'
  bytes
  start
  /** Unchecked, for emitting and for bytes that were checked before. To read off the wire use {@link udpAt}. */
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
  get sourcePort() {
    return readU16(this.bytes, this.start + SOURCE_PORT)
  }
  get destinationPort() {
    return readU16(this.bytes, this.start + DESTINATION_PORT)
  }
  /** Header and payload, as the header says. */
  get datagramBytes() {
    return readU16(this.bytes, this.start + LENGTH)
  }
  /** {@link UDP_NO_CHECKSUM} where the sender computed none. */
  get checksum() {
    return readU16(this.bytes, this.start + CHECKSUM)
  }
  set sourcePort(value) {
    writeU16(this.bytes, this.start + SOURCE_PORT, value)
  }
  set destinationPort(value) {
    writeU16(this.bytes, this.start + DESTINATION_PORT, value)
  }
  /** Writing it voids what {@link udpAt} promised. */
  set datagramBytes(value) {
    writeU16(this.bytes, this.start + LENGTH, value)
  }
  set checksum(value) {
    writeU16(this.bytes, this.start + CHECKSUM, value)
  }
  /** A datagram without a checksum stays without. */
  setSourcePortWithChecksum(value) {
    this.keepChecksum(adjust(this.checksum, this.sourcePort, value))
    this.sourcePort = value
  }
  /** A datagram without a checksum stays without. */
  setDestinationPortWithChecksum(value) {
    this.keepChecksum(adjust(this.checksum, this.destinationPort, value))
    this.destinationPort = value
  }
  /**
   * Carries the checksum through a change of other covered octets, the pseudo-header's for example. A datagram
   * without a checksum stays without.
   */
  adjustChecksumBy(delta16) {
    this.keepChecksum(adjustBy(this.checksum, delta16))
  }
  keepChecksum(adjusted) {
    if (this.checksum !== UDP_NO_CHECKSUM) this.checksum = udpChecksum(adjusted)
  }
}
/** The UDP header at `start`, or how it is malformed. Once you hold a view, no accessor reads beyond `end`. */
export function udpAt(bytes, start = 0, end = bytes.length) {
  return udpFlaw(bytes, start, end) ?? new UdpView(bytes, start)
}
/** How the UDP header of the datagram `[start, end)` is malformed, or null. Octets beyond its length are allowed. */
export function udpFlaw(bytes, start, end) {
  if (end - start < UDP_HEADER_BYTES) return MALFORMED['udp-truncated']
  const datagramBytes = readU16(bytes, start + LENGTH)
  if (datagramBytes < UDP_HEADER_BYTES) return MALFORMED['udp-length']
  if (datagramBytes > end - start) return MALFORMED['udp-payload-truncated']
  return null
}
export const parseUdp = (view) => ({
  sourcePort: view.sourcePort,
  destinationPort: view.destinationPort,
  payloadBytes: view.datagramBytes - UDP_HEADER_BYTES,
})
/**
 * Writes the whole header at `at` and answers where the payload begins. The checksum is written as 0, "none": it
 * covers the payload and the addresses too, see `finishTransportChecksum`. Unchecked: the caller has made room
 * and keeps every value in its range.
 */
export function emitUdp(bytes, at, header) {
  writeU16(bytes, at + SOURCE_PORT, header.sourcePort)
  writeU16(bytes, at + DESTINATION_PORT, header.destinationPort)
  writeU16(bytes, at + LENGTH, UDP_HEADER_BYTES + header.payloadBytes)
  writeU16(bytes, at + CHECKSUM, UDP_NO_CHECKSUM)
  return at + UDP_HEADER_BYTES
}
/** `udp len 5`: the length is the payload's. */
export const describeUdp = (view) => `udp len ${view.datagramBytes - UDP_HEADER_BYTES}`
