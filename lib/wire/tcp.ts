/** The TCP header, RFC 9293 §3.1. Options are carried along, never interpreted. */

import { adjust, adjustBy } from '../bytes/checksum.ts'
import { readU8, readU16, readU32, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import { MALFORMED, type Malformed } from './malformed.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-------------------------------+-------------------------------+
// |          Source Port          |       Destination Port        |
// |                        Sequence Number                        |
// |                    Acknowledgment Number                      |
// | Offset| Rsrvd |C|E|U|A|P|R|S|F|            Window             |
// |           Checksum            |         Urgent Pointer        |
// |                           Options                             |
// +---------------------------------------------------------------+
const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const SEQUENCE = 4
const ACKNOWLEDGMENT = 8
const DATA_OFFSET = 12
const FLAGS = 13
const WINDOW = 14
const CHECKSUM = 16
const URGENT = 18
const OPTIONS = 20

/** Length of a TCP header without options. */
export const TCP_HEADER_BYTES = 20

/** The control bits, as they stand in the flags octet. */
export const TCP_FLAG = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
} as const

/** A TCP header seen in place: every read and write goes to `bytes` itself. */
export class TcpView {
  readonly kind = 'tcp'
  bytes: Uint8Array
  start: number

  /** Unchecked, for emitting and for bytes that were checked before. To read off the wire use {@link tcpAt}. */
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

  get sourcePort(): number {
    return readU16(this.bytes, this.start + SOURCE_PORT)
  }
  get destinationPort(): number {
    return readU16(this.bytes, this.start + DESTINATION_PORT)
  }
  get sequence(): number {
    return readU32(this.bytes, this.start + SEQUENCE)
  }
  get acknowledgment(): number {
    return readU32(this.bytes, this.start + ACKNOWLEDGMENT)
  }
  /** The data offset in octets: options included. */
  get headerBytes(): number {
    return (readU8(this.bytes, this.start + DATA_OFFSET) >>> 4) * 4
  }
  /** The four bits that RFC 9293 reserves, to be zero. */
  get reserved(): number {
    return readU8(this.bytes, this.start + DATA_OFFSET) & 0x0f
  }
  /** Bits of {@link TCP_FLAG}. */
  get flags(): number {
    return readU8(this.bytes, this.start + FLAGS)
  }
  get window(): number {
    return readU16(this.bytes, this.start + WINDOW)
  }
  get checksum(): number {
    return readU16(this.bytes, this.start + CHECKSUM)
  }
  get urgentPointer(): number {
    return readU16(this.bytes, this.start + URGENT)
  }

  set sourcePort(value: number) {
    writeU16(this.bytes, this.start + SOURCE_PORT, value)
  }
  set destinationPort(value: number) {
    writeU16(this.bytes, this.start + DESTINATION_PORT, value)
  }
  set sequence(value: number) {
    writeU32(this.bytes, this.start + SEQUENCE, value)
  }
  set acknowledgment(value: number) {
    writeU32(this.bytes, this.start + ACKNOWLEDGMENT, value)
  }
  set flags(value: number) {
    writeU8(this.bytes, this.start + FLAGS, value)
  }
  set window(value: number) {
    writeU16(this.bytes, this.start + WINDOW, value)
  }
  set checksum(value: number) {
    writeU16(this.bytes, this.start + CHECKSUM, value)
  }

  setSourcePortWithChecksum(value: number): void {
    this.checksum = adjust(this.checksum, this.sourcePort, value)
    this.sourcePort = value
  }
  setDestinationPortWithChecksum(value: number): void {
    this.checksum = adjust(this.checksum, this.destinationPort, value)
    this.destinationPort = value
  }
  /** Carries the checksum through a change of other covered octets, the pseudo-header's for example. */
  adjustChecksumBy(delta16: number): void {
    this.checksum = adjustBy(this.checksum, delta16)
  }
}

/** What a TCP header says, as values. */
export interface TcpHeader {
  readonly sourcePort: number
  readonly destinationPort: number
  /** Unsigned 32 bits. */
  readonly sequence: number
  /** Unsigned 32 bits. */
  readonly acknowledgment: number
  /** Bits of {@link TCP_FLAG}. */
  readonly flags: number
  readonly window: number
  readonly urgentPointer: number
  /** Padded: 0 to 40 octets, a multiple of 4. */
  readonly options: Uint8Array
}

/** The TCP header at `start`, or how it is malformed. Once you hold a view, no accessor reads beyond `end`. */
export function tcpAt(bytes: Uint8Array, start = 0, end = bytes.length): TcpView | Malformed {
  return tcpFlaw(bytes, start, end) ?? new TcpView(bytes, start)
}

/** How the TCP header of the segment `[start, end)` is malformed, or null. */
export function tcpFlaw(bytes: Uint8Array, start: number, end: number): Malformed | null {
  if (end - start < TCP_HEADER_BYTES) return MALFORMED['tcp-truncated']
  const headerBytes = (readU8(bytes, start + DATA_OFFSET) >>> 4) * 4
  if (headerBytes < TCP_HEADER_BYTES) return MALFORMED['tcp-data-offset']
  if (headerBytes > end - start) return MALFORMED['tcp-options-truncated']
  return null
}

export const parseTcp = (view: TcpView): TcpHeader => ({
  sourcePort: view.sourcePort,
  destinationPort: view.destinationPort,
  sequence: view.sequence,
  acknowledgment: view.acknowledgment,
  flags: view.flags,
  window: view.window,
  urgentPointer: view.urgentPointer,
  options: view.bytes.slice(view.start + OPTIONS, view.start + view.headerBytes),
})

/**
 * Writes the whole header at `at` and answers where the payload begins. The checksum is written as 0: it covers
 * the payload and the addresses too, see `finishTransportChecksum`. Unchecked: the caller has made room and keeps
 * every value in its range.
 */
export function emitTcp(bytes: Uint8Array, at: number, header: TcpHeader): number {
  const headerBytes = OPTIONS + header.options.length
  writeU16(bytes, at + SOURCE_PORT, header.sourcePort)
  writeU16(bytes, at + DESTINATION_PORT, header.destinationPort)
  writeU32(bytes, at + SEQUENCE, header.sequence)
  writeU32(bytes, at + ACKNOWLEDGMENT, header.acknowledgment)
  writeU8(bytes, at + DATA_OFFSET, (headerBytes / 4) << 4)
  writeU8(bytes, at + FLAGS, header.flags)
  writeU16(bytes, at + WINDOW, header.window)
  writeU16(bytes, at + CHECKSUM, 0)
  writeU16(bytes, at + URGENT, header.urgentPointer)
  bytes.set(header.options, at + OPTIONS)
  return at + headerBytes
}

/** `tcp SA seq 500 ack 101 win 8192`; the acknowledgment is shown where the flag says it counts. */
export function describeTcp(view: TcpView): string {
  const ack = (view.flags & TCP_FLAG.ack) === 0 ? '' : ` ack ${view.acknowledgment}`
  return `tcp ${describeTcpFlags(view.flags)} seq ${view.sequence}${ack} win ${view.window}`
}

const FLAG_LETTERS = 'FSRPAUEC' // from bit 0 on

/** One letter a flag, `SA` for SYN and ACK; `-` for none. */
export function describeTcpFlags(flags: number): string {
  const letters = [...FLAG_LETTERS].filter((_, bit) => (flags & (1 << bit)) !== 0)
  return letters.length === 0 ? '-' : letters.join('')
}
