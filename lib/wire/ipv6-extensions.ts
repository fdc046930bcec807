/** The way from the fixed IPv6 header to the transport header, past the extension headers of RFC 8200 §4. */

import { readU8, readU16, readU32, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'
import { MALFORMED, type Malformed } from './malformed.ts'
import { PROTOCOL } from './protocol.ts'

// Hop-by-hop options, routing and destination options begin alike (RFC 8200 §4.3, §4.4, §4.6):
// |  Next Header  |  Hdr Ext Len  |   in units of 8 octets, the first 8 not counted
// So does the authentication header (RFC 4302 §2.2), but in units of 4 octets, the first 8 not counted.
// The fragment header (RFC 8200 §4.5) has a length of its own:
// |  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
// |                         Identification                        |
const NEXT_HEADER = 0
const EXTENSION_LENGTH = 1
const FRAGMENT_RESERVED = 1
const FRAGMENT_OFFSET = 2
const FRAGMENT_IDENTIFICATION = 4

// The fixed header before them, RFC 8200 §3.
const IPV6_NEXT_HEADER = 6
const IPV6_BYTES = 40

const OFFSET_MASK = 0xfff8 // the field counts 8 octets from bit 3 on: so masked, it is the offset in octets
const MORE_FRAGMENTS = 0x0001

/** Every extension header is at least this long; the fragment header is exactly this long. */
export const EXTENSION_MIN_BYTES = 8
export const FRAGMENT_HEADER_BYTES = 8

/** RFC 8200 §4.1 foresees at most seven in one packet; one more is looked through, and no further. */
export const EXTENSIONS_MAX = 8

/** Where {@link walkExtensions} writes down what it found: one object serves for every packet. */
export interface ExtensionWalk {
  /** The first header that is no extension header; on a later fragment, what its fragment header names. */
  protocol: number
  /** Where that header begins; on a later fragment, where the fragment's data begins. */
  transportStart: number
  /** In octets; 0 without a fragment header. */
  fragmentOffset: number
  moreFragments: boolean
  /** Where the fragment header stands, or -1. */
  fragmentHeaderStart: number
}

/**
 * Walks from `at`, which holds a header of the kind `nextHeader`, and writes the result into `walk`. Stops behind
 * the fragment header of a later fragment. Null when all went well; after a flaw `walk` is not to be used.
 * @param end the packet's end; no header is believed that reaches beyond it
 */
export function walkExtensions(
  walk: ExtensionWalk,
  bytes: Uint8Array,
  nextHeader: number,
  at: number,
  end: number,
): Malformed | null {
  let protocol = nextHeader
  let start = at
  walk.fragmentOffset = 0
  walk.moreFragments = false
  walk.fragmentHeaderStart = -1
  for (let passed = 0; isExtension(protocol); passed++) {
    if (passed === EXTENSIONS_MAX) return MALFORMED['ipv6-extension-count']
    if (end - start < EXTENSION_MIN_BYTES) return MALFORMED['ipv6-extension-truncated']
    // RFC 8200 §4: a next header of 0 anywhere but in the IPv6 header itself is to be discarded.
    if (protocol === PROTOCOL.hopByHop && passed > 0) return MALFORMED['ipv6-extension-order']
    const headerStart = start
    start += extensionBytes(bytes, protocol, headerStart)
    if (start > end) return MALFORMED['ipv6-extension-truncated']
    const isFragmentHeader = protocol === PROTOCOL.fragment
    protocol = readU8(bytes, headerStart + NEXT_HEADER)
    if (!isFragmentHeader) continue

    if (walk.fragmentHeaderStart >= 0) return MALFORMED['ipv6-fragment-repeated']
    const offsetAndFlags = readU16(bytes, headerStart + FRAGMENT_OFFSET)
    walk.fragmentHeaderStart = headerStart
    walk.fragmentOffset = offsetAndFlags & OFFSET_MASK
    walk.moreFragments = (offsetAndFlags & MORE_FRAGMENTS) !== 0
    if (walk.fragmentOffset !== 0) {
      if (walk.fragmentOffset + end - start > 0xffff) return MALFORMED['ipv6-fragment-end']
      break // what follows is the middle of something
    }
  }
  walk.protocol = protocol
  walk.transportStart = start
  return null
}

/** Whether a header of this kind is walked past. Encapsulating security payload (50) is not: it hides what follows. */
export function isExtension(protocol: number): boolean {
  switch (protocol) {
    case PROTOCOL.hopByHop:
    case PROTOCOL.routing:
    case PROTOCOL.fragment:
    case PROTOCOL.ah:
    case PROTOCOL.destinationOptions:
      return true
    default:
      return false
  }
}

/** Length of the extension header at `at`, of which at least 8 octets must be there. */
export function extensionBytes(bytes: Uint8Array, protocol: number, at: number): number {
  if (protocol === PROTOCOL.fragment) return FRAGMENT_HEADER_BYTES
  const units = readU8(bytes, at + EXTENSION_LENGTH)
  return protocol === PROTOCOL.ah ? (units + 2) * 4 : (units + 1) * 8
}

/**
 * Where the next header of what begins at `target` stands: in the fixed header at `start` or in the last extension
 * header before `target`. They were walked before, so all of them lie within the packet.
 */
export function nextHeaderField(bytes: Uint8Array, start: number, target: number): number {
  let field = start + IPV6_NEXT_HEADER
  for (let at = start + IPV6_BYTES; at < target; ) {
    const length = extensionBytes(bytes, readU8(bytes, field), at)
    field = at + NEXT_HEADER
    at += length
  }
  return field
}

/**
 * Length of the headers that every fragment of the packet `[start, end)` must repeat: the fixed header, and all up
 * to the routing header if there is one, else the hop-by-hop options if there are any. RFC 8200 §4.5.
 */
export function perFragmentHeaderBytes(bytes: Uint8Array, start: number, end: number): number {
  let protocol = readU8(bytes, start + IPV6_NEXT_HEADER)
  let repeatedEnd = start + IPV6_BYTES
  let at = repeatedEnd
  for (let passed = 0; passed < EXTENSIONS_MAX && isBeforeFragmentHeader(protocol); passed++) {
    if (end - at < EXTENSION_MIN_BYTES) break
    const headerEnd = at + extensionBytes(bytes, protocol, at)
    if (headerEnd > end) break
    if (protocol !== PROTOCOL.destinationOptions) repeatedEnd = headerEnd
    protocol = readU8(bytes, at + NEXT_HEADER)
    at = headerEnd
  }
  return repeatedEnd - start
}

/** Destination options stand before the fragment header only where a routing header follows them. */
const isBeforeFragmentHeader = (protocol: number): boolean =>
  protocol === PROTOCOL.hopByHop || protocol === PROTOCOL.routing || protocol === PROTOCOL.destinationOptions

/** What a fragment header says, as values. */
export interface FragmentHeader {
  readonly nextHeader: number
  /** In octets, a multiple of 8. */
  readonly fragmentOffset: number
  readonly moreFragments: boolean
  /** Unsigned 32 bits. */
  readonly identification: number
}

/** The fragment header at `at`, of which all 8 octets must be there. */
export const parseFragmentHeader = (bytes: Uint8Array, at: number): FragmentHeader => ({
  nextHeader: readU8(bytes, at + NEXT_HEADER),
  fragmentOffset: readU16(bytes, at + FRAGMENT_OFFSET) & OFFSET_MASK,
  moreFragments: (readU16(bytes, at + FRAGMENT_OFFSET) & MORE_FRAGMENTS) !== 0,
  identification: readU32(bytes, at + FRAGMENT_IDENTIFICATION),
})

/** Writes the 8 octets of a fragment header, unchecked, and answers where the next header begins. */
export function emitFragmentHeader(bytes: Uint8Array, at: number, header: FragmentHeader): number {
  writeU8(bytes, at + NEXT_HEADER, header.nextHeader)
  writeU8(bytes, at + FRAGMENT_RESERVED, 0)
  writeU16(bytes, at + FRAGMENT_OFFSET, header.fragmentOffset | (header.moreFragments ? MORE_FRAGMENTS : 0))
  writeU32(bytes, at + FRAGMENT_IDENTIFICATION, header.identification)
  return at + FRAGMENT_HEADER_BYTES
}
