/** The SCTP common header and the chunks behind it, RFC 9260 §3. What is in a chunk is carried along, never interpreted. */

import { crc32c } from '../bytes/crc32c.ts'
import { readI32, readU8, readU16, readU32, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import { MALFORMED, type Malformed } from './malformed.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-------------------------------+-------------------------------+
// |          Source Port          |       Destination Port        |
// |                       Verification Tag                        |
// |                           Checksum                            |
// +-------------------------------+-------------------------------+  each chunk, padded to a multiple of 4 octets:
// |     Type      |     Flags     |            Length             |
// |                             Value                             |
// +---------------------------------------------------------------+
const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const VERIFICATION_TAG = 4
const CHECKSUM = 8

const CHUNK_TYPE = 0
const CHUNK_FLAGS = 1
const CHUNK_LENGTH = 2

export const SCTP_HEADER_BYTES = 12
export const SCTP_CHUNK_HEADER_BYTES = 4

/** Chunk types, RFC 9260 §3.2; ECNE and CWR as its appendix B reserves them. */
export const SCTP_CHUNK = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  ecne: 12,
  cwr: 13,
  shutdownComplete: 14,
} as const

/** In the place of a chunk's type: there is no chunk, or not the whole of its header. */
export const NO_SCTP_CHUNK = -1

/** An SCTP common header seen in place: every read and write goes to `bytes` itself. */
export class SctpView {
  readonly kind = 'sctp'
  bytes: Uint8Array
  start: number

  /** Unchecked, for emitting and for bytes that were checked before. To read off the wire use {@link sctpAt}. */
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
  get verificationTag(): number {
    return readU32(this.bytes, this.start + VERIFICATION_TAG)
  }
  /** As it stands, its first octet highest; compare it with {@link sctpChecksum}. */
  get checksum(): number {
    return readU32(this.bytes, this.start + CHECKSUM)
  }

  /** Where the first chunk begins, if there is one. */
  get chunksStart(): number {
    return this.start + SCTP_HEADER_BYTES
  }

  // No setter carries the checksum along: a CRC can only be computed over the whole packet, see `writeSctpChecksum`.
  set sourcePort(value: number) {
    writeU16(this.bytes, this.start + SOURCE_PORT, value)
  }
  set destinationPort(value: number) {
    writeU16(this.bytes, this.start + DESTINATION_PORT, value)
  }
  set verificationTag(value: number) {
    writeU32(this.bytes, this.start + VERIFICATION_TAG, value)
  }
  set checksum(value: number) {
    writeU32(this.bytes, this.start + CHECKSUM, value)
  }
}

/** What an SCTP common header says, as values. */
export interface SctpHeader {
  readonly sourcePort: number
  readonly destinationPort: number
  /** Unsigned 32 bits; 0 on a packet that holds INIT. */
  readonly verificationTag: number
}

/** The header at `start`, or how it is malformed. Once you hold a view, no accessor reads beyond `end`. */
export function sctpAt(bytes: Uint8Array, start = 0, end = bytes.length): SctpView | Malformed {
  return sctpFlaw(bytes, start, end) ?? new SctpView(bytes, start)
}

/** How the common header of the packet `[start, end)` is malformed, or null. There may be no chunk behind it. */
export const sctpFlaw = (_bytes: Uint8Array, start: number, end: number): Malformed | null =>
  end - start < SCTP_HEADER_BYTES ? MALFORMED['sctp-truncated'] : null

/** The type of the chunk at `at`, or {@link NO_SCTP_CHUNK} where its header is not all there before `end`. */
export const sctpChunkType = (bytes: Uint8Array, at: number, end: number): number =>
  end - at < SCTP_CHUNK_HEADER_BYTES ? NO_SCTP_CHUNK : readU8(bytes, at + CHUNK_TYPE)

/**
 * Where the chunk behind the one at `at` begins, or `end` where there is none or its place cannot be told, the length
 * being less than a chunk's header. Moves on by at least 4 octets, so that a walk ends. The header must be there.
 */
export function nextSctpChunk(bytes: Uint8Array, at: number, end: number): number {
  const chunkBytes = readU16(bytes, at + CHUNK_LENGTH)
  if (chunkBytes < SCTP_CHUNK_HEADER_BYTES) return end
  return Math.min(end, at + ((chunkBytes + 3) & ~3))
}

/**
 * The checksum that belongs into the packet `[start, end)`, computed from every octet as if the field held 0
 * (RFC 9260 §6.8); as it is to be written, a signed 32-bit number. It covers no address.
 */
export function sctpChecksum(bytes: Uint8Array, start: number, end: number): number {
  const before = crc32c(ZEROS, 0, ZEROS.length, crc32c(bytes, start, start + CHECKSUM))
  const crc = crc32c(bytes, start + SCTP_HEADER_BYTES, end, before)
  // Appendix A: the CRC goes out with its lowest octet first.
  return (crc << 24) | ((crc & 0xff00) << 8) | ((crc >>> 8) & 0xff00) | (crc >>> 24)
}

/** What stands in for the checksum field. */
const ZEROS = new Uint8Array(4)

/** Writes {@link sctpChecksum} into the packet `[start, end)`, which must be whole. */
export const writeSctpChecksum = (bytes: Uint8Array, start: number, end: number): void =>
  writeU32(bytes, start + CHECKSUM, sctpChecksum(bytes, start, end))

/** Whether the packet `[start, end)` holds its right checksum. */
export const sctpChecksumIsValid = (bytes: Uint8Array, start: number, end: number): boolean =>
  readI32(bytes, start + CHECKSUM) === sctpChecksum(bytes, start, end)

export const parseSctp = (view: SctpView): SctpHeader => ({
  sourcePort: view.sourcePort,
  destinationPort: view.destinationPort,
  verificationTag: view.verificationTag,
})

/**
 * Writes the common header at `at` and answers where the first chunk begins. The checksum is written as 0: it covers
 * the chunks too, see {@link writeSctpChecksum}. Unchecked: the caller has made room and keeps every value in its range.
 */
export function emitSctp(bytes: Uint8Array, at: number, header: SctpHeader): number {
  writeU16(bytes, at + SOURCE_PORT, header.sourcePort)
  writeU16(bytes, at + DESTINATION_PORT, header.destinationPort)
  writeU32(bytes, at + VERIFICATION_TAG, header.verificationTag)
  writeU32(bytes, at + CHECKSUM, 0)
  return at + SCTP_HEADER_BYTES
}

/** What a chunk's header says, as values. */
export interface SctpChunkHeader {
  /** Of {@link SCTP_CHUNK}, or any other octet. */
  readonly type: number
  readonly flags: number
  /** What follows the chunk's header, padding not counted. */
  readonly valueBytes: number
}

/** Writes a chunk's header at `at`, unchecked, and answers where its value begins. */
export function emitSctpChunk(bytes: Uint8Array, at: number, chunk: SctpChunkHeader): number {
  writeU8(bytes, at + CHUNK_TYPE, chunk.type)
  writeU8(bytes, at + CHUNK_FLAGS, chunk.flags)
  writeU16(bytes, at + CHUNK_LENGTH, SCTP_CHUNK_HEADER_BYTES + chunk.valueBytes)
  return at + SCTP_CHUNK_HEADER_BYTES
}

/** So many chunks are named; of more, that there are more. */
const SHOWN_CHUNKS_MAX = 8

/** `sctp COOKIE-ECHO DATA`: the chunks of the packet that ends at `end`, `-` for none; unknown types by number. */
export function describeSctp(view: SctpView, end: number): string {
  const names: string[] = []
  let at = view.chunksStart
  for (;;) {
    const type = sctpChunkType(view.bytes, at, end)
    if (type === NO_SCTP_CHUNK) break
    if (names.push(names.length === SHOWN_CHUNKS_MAX ? '…' : nameOf(type)) > SHOWN_CHUNKS_MAX) break
    at = nextSctpChunk(view.bytes, at, end)
  }
  return `sctp ${names.length === 0 ? '-' : names.join(' ')}`
}

/** As the RFC writes them: `INIT-ACK` is "INIT ACK" there, hyphenated here so that a blank divides chunks. */
const CHUNK_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(SCTP_CHUNK).map(([name, type]) => [type, name.replace(/[A-Z]/g, '-$&').toUpperCase()]),
)

const nameOf = (type: number): string => CHUNK_NAMES.get(type) ?? `chunk-${type}`
