/**
 * Octets in network byte order. This is the one file that indexes a byte array; every other reads and writes
 * through it, so that `noUncheckedIndexedAccess` is answered here once: out of bounds reads give 0, and
 * out of bounds writes do nothing, as typed arrays do. Callers check the room first.
 */

export const readU8 = (bytes: Uint8Array, at: number): number => bytes[at] as number

export const readU16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number)

/** A 32-bit word as a *signed* number: what the forwarding path uses, since it never leaves the small-integer range. */
export const readI32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 24) |
  ((bytes[at + 1] as number) << 16) |
  ((bytes[at + 2] as number) << 8) |
  (bytes[at + 3] as number)

export const readU32 = (bytes: Uint8Array, at: number): number => readI32(bytes, at) >>> 0

export function writeU8(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

/** Writes the low 32 bits of `value`; signed and unsigned numbers write the same octets. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
