/** IP addresses as four 32-bit words, the form in which tables hold and compare them. */
import { readI32, writeU32 } from './octets.ts'
/**
 * An IP address, immutable. `w0` … `w3` are its big-endian words as *signed* 32-bit numbers (they stay small
 * integers on the forwarding path); an IPv4 address is `w0` alone, the others are 0.
 */
export class IpAddress {
  family
  w0
  w1
  w2
  w3
  constructor(family, w0, w1 = 0, w2 = 0, w3 = 0) {
    this.family = family
    this.w0 = w0 | 0
    this.w1 = w1 | 0
    this.w2 = w2 | 0
    this.w3 = w3 | 0
  }
  equals(other) {
    return (
      this.family === other.family &&
      this.w0 === other.w0 &&
      this.w1 === other.w1 &&
      this.w2 === other.w2 &&
      this.w3 === other.w3
    )
  }
  /** Dotted quad, or IPv6 text in the canonical form of RFC 5952 §4. */
  toString() {
    return this.family === 4 ? formatIpv4(this.w0) : formatIpv6(this)
  }
}
/** Length of an address on the wire. */
export const addressBytes = (family) => (family === 4 ? 4 : 16)
/** The address in the four or sixteen octets at `at`. */
export function readAddress(bytes, at, family) {
  if (family === 4) return new IpAddress(4, readI32(bytes, at))
  return new IpAddress(
    6,
    readI32(bytes, at),
    readI32(bytes, at + 4),
    readI32(bytes, at + 8),
    readI32(bytes, at + 12),
  )
}
export function writeAddress(bytes, at, address) {
  writeU32(bytes, at, address.w0)
  if (address.family === 4) return
  writeU32(bytes, at + 4, address.w1)
  writeU32(bytes, at + 8, address.w2)
  writeU32(bytes, at + 12, address.w3)
}
/** Folds the address to 32 bits as IPVS's hashing schedulers do: the XOR of its words. Signed. */
export const foldAddress = (w0, w1, w2, w3) => w0 ^ w1 ^ w2 ^ w3
/** Numeric text to an address, or null. IPv4 is strictly four decimal parts; IPv6 is RFC 4291 §2.2 without zone. */
export function parseAddress(text) {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}
function parseIpv4(text) {
  const parts = text.split('.')
  if (parts.length !== 4) return null
  let word = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null
    word = (word << 8) | Number(part)
  }
  return new IpAddress(4, word)
}
function parseIpv6(text) {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = parseGroups(halves[0], halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1], true) : []
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const groups = [...head, ...new Array(missing).fill(0), ...tail]
  const word = (index) => (groups[index] << 16) | groups[index + 1]
  return new IpAddress(6, word(0), word(2), word(4), word(6))
}
/** The 16-bit groups of one side of `::`; the last may be an IPv4 dotted quad where `mayEndInIpv4`. */
function parseGroups(text, mayEndInIpv4) {
  if (text === '') return []
  const groups = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const quad = mayEndInIpv4 && index === parts.length - 1 ? parseIpv4(part) : null
      if (quad === null) return null
      groups.push(quad.w0 >>> 16, quad.w0 & 0xffff)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return null
  }
  return groups
}
const formatIpv4 = (word) => `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
function formatIpv6({ w0, w1, w2, w3 }) {
  // RFC 5952 §5: mapped and compatible addresses are shown with their dotted quad, as inet_ntop does.
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) return `::ffff:${formatIpv4(w3)}`
  if (w0 === 0 && w1 === 0 && w2 === 0 && w3 >>> 16 !== 0) return `::${formatIpv4(w3)}`
  const groups = [w0, w1, w2, w3].flatMap((word) => [word >>> 16, word & 0xffff])
  const { start, length } = longestZeroRun(groups)
  const hex = (part) => part.map((group) => group.toString(16)).join(':')
  if (length < 2) return hex(groups)
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`
}
function longestZeroRun(groups) {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
    start = end
  }
  return best
}
