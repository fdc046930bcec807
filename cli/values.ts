/** Numbers, marks and masks as ipvsadm reads them from its arguments. */

import { type IpAddress, parseAddress } from '../lib/bytes/address.ts'

/** Longest timeout that ipvsadm accepts: 31 days. */
export const TIMEOUT_LIMIT_SECONDS = 31 * 24 * 3600

/**
 * The number in `text`, or null when it is not between `min` and `max`, or not a number from the first character
 * to the last. As strtol(3) in base ten: leading blanks and a sign are accepted, hexadecimal is not.
 */
export function parseNumber(text: string, min: number, max: number): number | null {
  if (!/^[ \t\n\v\f\r]*[+-]?\d+$/.test(text)) return null
  const value = Number(text)
  // Adding 0 turns the -0 of '-0' into the 0 that it means.
  return value >= min && value <= max ? value + 0 : null
}

/** A timeout in seconds, from `min` up, or null. */
export const parseTimeout = (text: string, min: 0 | 1): number | null =>
  parseNumber(text, min, TIMEOUT_LIMIT_SECONDS)

/** A prefix length for persistence over IPv6, or null. As atoi(3): whatever follows the digits is ignored. */
export function parsePrefixLength(text: string): number | null {
  const digits = /^[ \t\n\v\f\r]*[+-]?\d+/.exec(text)
  return digits === null ? null : parseNumber(digits[0], 1, 128)
}

/** A multicast address, or null. */
export function parseMulticast(text: string): IpAddress | null {
  const address = parseAddress(text)
  if (address === null) return null
  const top = address.w0 >>> 24
  return (address.family === 4 ? top >= 224 && top < 240 : top === 0xff) ? address : null
}
