/** How FTP writes endpoints: `10,9,0,1,15,160` (RFC 959 §5.3.2) and `|1|10.9.0.1|4000|` (RFC 2428 §2). */

import { type Family, IpAddress, parseAddress } from '../bytes/address.ts'
import { readU8 } from '../bytes/octets.ts'

/** The letters that matter, as octets. */
export const OCTET = {
  lineFeed: 0x0a,
  carriageReturn: 0x0d,
  space: 0x20,
  parenthesis: 0x28,
  comma: 0x2c,
  zero: 0x30,
  one: 0x31,
  two: 0x32,
  nine: 0x39,
} as const

/** An endpoint that was read, and where in the bytes its text stands: `[from, to)`. */
export interface Announced {
  readonly address: IpAddress
  /** Never 0. */
  readonly port: number
  readonly from: number
  readonly to: number
}

/** The longest text of an IPv6 address, an IPv4 one at its end included. */
const ADDRESS_MAX_BYTES = 45
const END = -1

/** Text being read: octets in `[at, end)`. */
export class Text {
  readonly bytes: Uint8Array
  readonly end: number
  at: number

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** The octet that comes next, or -1 at the end. */
  get next(): number {
    return this.at < this.end ? readU8(this.bytes, this.at) : END
  }

  /** Passes over the octet, if it comes next. */
  take(octet: number): boolean {
    if (this.next !== octet) return false
    this.at++
    return true
  }

  /** Reads decimal digits; -1 where there are none, or they come to more than `max`. */
  number(max: number): number {
    let value = isDigit(this.next) ? 0 : -1
    for (; isDigit(this.next); this.at++) value = value * 10 + this.next - OCTET.zero
    return value <= max ? value : -1
  }
}

/** Whether the word, in lower case, stands at `at`, in whatever case. */
export function startsWith(bytes: Uint8Array, at: number, end: number, word: string): boolean {
  if (end - at < word.length) return false
  for (let index = 0; index < word.length; index++) {
    const wanted = word.charCodeAt(index)
    const octet = readU8(bytes, at + index)
    const isLetter = wanted >= 0x61
    if ((isLetter ? octet | 0x20 : octet) !== wanted) return false
  }
  return true
}

/**
 * Goes on behind the first run of `octet`, or to the first digit if that comes before and is asked for. False when the
 * text ends first.
 */
export function skipBehind(text: Text, octet: number, { orToDigit }: { orToDigit: boolean }): boolean {
  while (text.next !== octet) {
    if (text.next === END) return false
    if (orToDigit && isDigit(text.next)) return true
    text.at++
  }
  while (text.take(octet));
  return text.next !== END
}

/**
 * Six numbers: four of an IPv4 address, two of a port. Null unless all are there, at most 255, and something behind them
 * shows that the last one is complete; port 0 is none.
 */
export function readHostPort(text: Text): Announced | null {
  const from = text.at
  let word = 0
  let port = 0
  for (let index = 0; index < 6; index++) {
    if (index > 0 && !text.take(OCTET.comma)) return null
    const value = text.number(255)
    if (value < 0) return null
    if (index < 4) word = (word << 8) | value
    else port = (port << 8) | value
  }
  if (text.next === END || port === 0) return null
  return { address: new IpAddress(4, word), port, from, to: text.at }
}

/**
 * Family, address and port between delimiters, which may be any printable octet. The family must be the one given.
 * @param assumed the address where family and address are left out; null when that may not be
 */
export function readExtended(text: Text, family: Family, assumed: IpAddress | null): Announced | null {
  const from = text.at
  const delimiter = text.next
  if (delimiter < 33 || delimiter > 126) return null
  text.at++
  let address = assumed
  if (text.take(delimiter)) {
    if (assumed === null || !text.take(delimiter)) return null
  } else {
    if (!text.take(family === 4 ? OCTET.one : OCTET.two) || !text.take(delimiter)) return null
    address = readAddressText(text, delimiter)
    if (address?.family !== family || !text.take(delimiter)) return null
  }
  const port = text.number(0xffff)
  if (address === null || port <= 0 || !text.take(delimiter)) return null
  return { address, port, from, to: text.at }
}

/** The address up to the delimiter, which is not passed over. */
function readAddressText(text: Text, delimiter: number): IpAddress | null {
  let letters = ''
  while (text.next !== delimiter) {
    if (text.next === END || letters.length === ADDRESS_MAX_BYTES) return null
    letters += String.fromCharCode(text.next)
    text.at++
  }
  return parseAddress(letters)
}

const isDigit = (octet: number): boolean => octet >= OCTET.zero && octet <= OCTET.nine
