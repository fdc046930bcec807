/**
 * Octets in network byte order. This is the one file that indexes a byte array; every other reads and writes
 * through it, so that `noUncheckedIndexedAccess` is answered here once: out of bounds reads give 0, and
 * out of bounds writes do nothing, as typed arrays do. Callers check the room first.
 */
export const readU8 = (bytes, at) => bytes[at]
export const readU16 = (bytes, at) => (bytes[at] << 8) | bytes[at + 1]
/** A 32-bit word as a *signed* number: what the forwarding path uses, since it never leaves the small-integer range. */
export const readI32 = (bytes, at) =>
  (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
export const readU32 = (bytes, at) => readI32(bytes, at) >>> 0
export function writeU8(bytes, at, value) {
  bytes[at] = value
}
export function writeU16(bytes, at, value) {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}
/** Writes the low 32 bits of `value`; signed and unsigned numbers write the same octets. */
export function writeU32(bytes, at, value) {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
