/**
 * Netlink messages and their attributes as pure functions over bytes, RFC 3549 §2.2 and linux/netlink.h.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---------------------------------------------------------------+
 * |                             length                            |
 * +-------------------------------+-------------------------------+
 * |             type              |             flags             |
 * +-------------------------------+-------------------------------+
 * |                        sequence number                        |
 * +---------------------------------------------------------------+
 * |                            port id                            |
 * +---------------------------------------------------------------+
 * ```
 *
 * Headers are in host order, which here is little-endian: the native seam refuses to load elsewhere. What attributes
 * hold is for each protocol to say; netfilter uses network order, routing mostly host order.
 */

import { readU8, writeU8, writeU32 } from '../../lib/bytes/octets.ts'

export const MESSAGE_HEADER_BYTES = 16
export const ATTRIBUTE_HEADER_BYTES = 4

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

export const NLM_F_REQUEST = 0x0001
export const NLM_F_ACK = 0x0004
export const NLM_F_CREATE = 0x0400

const TYPE = 4
const FLAGS = 6
const SEQUENCE = 8
const ERROR_CODE = 16

/** The top two bits of an attribute's type say "nested" and "network order"; they are not part of the type. */
const ATTRIBUTE_TYPE_MASK = 0x3fff

export const readHostU16 = (bytes: Uint8Array, at: number): number =>
  readU8(bytes, at) | (readU8(bytes, at + 1) << 8)

/** A 32-bit word in host order as a signed number. */
export const readHostI32 = (bytes: Uint8Array, at: number): number =>
  readU8(bytes, at) |
  (readU8(bytes, at + 1) << 8) |
  (readU8(bytes, at + 2) << 16) |
  (readU8(bytes, at + 3) << 24)

export function writeHostU16(bytes: Uint8Array, at: number, value: number): void {
  writeU8(bytes, at, value)
  writeU8(bytes, at + 1, value >>> 8)
}

export function writeHostU32(bytes: Uint8Array, at: number, value: number): void {
  writeU8(bytes, at, value)
  writeU8(bytes, at + 1, value >>> 8)
  writeU8(bytes, at + 2, value >>> 16)
  writeU8(bytes, at + 3, value >>> 24)
}

/** The next multiple of four: where the next attribute or message begins. */
export const align4 = (length: number): number => (length + 3) & ~3

/** Where the message at `start` ends, or -1 when no whole message fits before `limit`. The end excludes padding. */
export function messageEnd(bytes: Uint8Array, start: number, limit: number): number {
  if (limit - start < MESSAGE_HEADER_BYTES) return -1
  const length = readHostI32(bytes, start)
  return length < MESSAGE_HEADER_BYTES || length > limit - start ? -1 : start + length
}

export const messageType = (bytes: Uint8Array, start: number): number => readHostU16(bytes, start + TYPE)
export const messageFlags = (bytes: Uint8Array, start: number): number => readHostU16(bytes, start + FLAGS)
export const messageSequence = (bytes: Uint8Array, start: number): number =>
  readHostI32(bytes, start + SEQUENCE)

/** The errno, a positive number, that a message of type {@link NLMSG_ERROR} carries; 0 is an acknowledgement. */
export const errorOf = (bytes: Uint8Array, start: number): number =>
  Math.abs(readHostI32(bytes, start + ERROR_CODE))

/** Where the attribute at `at` ends, padding excluded, or -1 when no whole attribute fits before `limit`. */
export function attributeEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (limit - at < ATTRIBUTE_HEADER_BYTES) return -1
  const length = readHostU16(bytes, at)
  return length < ATTRIBUTE_HEADER_BYTES || length > limit - at ? -1 : at + length
}

export const attributeType = (bytes: Uint8Array, at: number): number =>
  readHostU16(bytes, at + 2) & ATTRIBUTE_TYPE_MASK

/**
 * The value of the first attribute of `type` in `[start, end)`, a view of the same memory; null where there is none,
 * or where what is before it is malformed. Not for the forwarding path.
 */
export function findAttribute(
  bytes: Uint8Array,
  start: number,
  end: number,
  type: number,
): Uint8Array | null {
  for (let at = start; at < end; ) {
    const next = attributeEnd(bytes, at, end)
    if (next < 0) return null
    if (attributeType(bytes, at) === type) return bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, next)
    at += align4(next - at)
  }
  return null
}

/** Writes a message's header; `length` is the whole message without padding, the port id is left to the kernel. */
export function writeMessageHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  sequence: number,
): void {
  writeHostU32(bytes, at, length)
  writeHostU16(bytes, at + TYPE, type)
  writeHostU16(bytes, at + FLAGS, flags)
  writeHostU32(bytes, at + SEQUENCE, sequence)
  writeHostU32(bytes, at + 12, 0)
}

/** Writes an attribute's header; `valueBytes` excludes header and padding. */
export function writeAttributeHeader(bytes: Uint8Array, at: number, type: number, valueBytes: number): void {
  writeHostU16(bytes, at, ATTRIBUTE_HEADER_BYTES + valueBytes)
  writeHostU16(bytes, at + 2, type)
}

/** Builds one message in a buffer of its own, for requests off the forwarding path. Growth past 4 KiB is an error. */
export class MessageWriter {
  readonly #bytes = new Uint8Array(4096)
  #length = MESSAGE_HEADER_BYTES
  readonly #type: number
  readonly #flags: number

  constructor(type: number, flags: number) {
    this.#type = type
    this.#flags = flags
  }

  /** Room for a protocol's fixed header, zeroed; fill in the returned bytes. */
  header(length: number): Uint8Array {
    return this.#take(length)
  }

  attribute(type: number, value: Uint8Array): this {
    const header = this.#take(ATTRIBUTE_HEADER_BYTES)
    writeAttributeHeader(header, 0, type, value.length)
    this.#take(value.length).set(value)
    return this
  }

  /** An attribute of one 32-bit word in network order. */
  attributeU32(type: number, value: number): this {
    const word = new Uint8Array(4)
    writeU32(word, 0, value)
    return this.attribute(type, word)
  }

  /** An attribute of one 32-bit word in host order. */
  attributeHostU32(type: number, value: number): this {
    const word = new Uint8Array(4)
    writeHostU32(word, 0, value)
    return this.attribute(type, word)
  }

  /** The whole message, its length a multiple of four. Valid until the writer is used again. */
  finish(sequence: number): Uint8Array {
    writeMessageHeader(this.#bytes, 0, this.#length, this.#type, this.#flags, sequence)
    return this.#bytes.subarray(0, this.#length)
  }

  #take(length: number): Uint8Array {
    const start = this.#length
    if (start + align4(length) > this.#bytes.length) {
      throw new RangeError(`a netlink request of more than ${this.#bytes.length} bytes`)
    }
    this.#length += align4(length)
    return this.#bytes.subarray(start, start + length)
  }
}
