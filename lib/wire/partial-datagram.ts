/** One datagram on its way to being whole: the pieces that have come, in order, and what the first one's header said. */

import { readU8 } from '../bytes/octets.ts'
import { FRAGMENT_HEADER_BYTES } from './ipv6-extensions.ts'
import type { Packet } from './packet.ts'

/** What a fragment may be that does not simply fit in; every one but `duplicate` spoils its whole datagram. */
export type Misfit = 'duplicate' | 'overlap' | 'contradiction' | 'too-long'

/** The longest IPv4 packet (RFC 791 §3.1), and the longest payload behind an IPv6 header (RFC 8200 §3). */
const LENGTH_MAX_BYTES = 0xffff
const IPV6_HEADER_BYTES = 40

/** What a piece costs beside its octets: the objects that hold it. Without it, tiny fragments would be a bargain. */
const PIECE_COST_BYTES = 256

const UNKNOWN = -1

/** The data `[from, to)` of the datagram, a copy of ours. */
export interface Piece {
  readonly from: number
  readonly to: number
  readonly bytes: Uint8Array
}

/** Belongs to the `Reassembly` that made it. */
export class PartialDatagram {
  readonly key: string
  readonly startedMs: number
  /** In order, without overlap. */
  readonly pieces: Piece[] = []
  /** The first fragment's header: everything before its data, and before the fragment header of IPv6. */
  header: Uint8Array | null = null
  /** Of IPv6: what the first fragment's fragment header names. */
  nextHeader = 0
  /** Length of the longest fragment, as an IP packet. */
  largestFragmentBytes = 0
  /** A bit for each ECN codepoint seen. */
  ecnSeen = 0
  /** What this datagram counts for against the bound on memory. */
  costBytes = 0
  #receivedBytes = 0
  /** Where the last fragment ends, once it has come. */
  #endBytes = UNKNOWN

  constructor(key: string, startedMs: number) {
    this.key = key
    this.startedMs = startedMs
  }

  get isWhole(): boolean {
    return this.#receivedBytes === this.#endBytes
  }

  /** Another that holds the same pieces. */
  copy(): PartialDatagram {
    const copy = new PartialDatagram(this.key, this.startedMs)
    const { pieces } = copy
    Object.assign(copy, this, { pieces })
    for (const piece of this.pieces) pieces.push(piece)
    copy.#receivedBytes = this.#receivedBytes
    copy.#endBytes = this.#endBytes
    return copy
  }

  /** Takes a copy of the fragment's data, whose emptiness and alignment were checked. Null when it fits in. */
  place(packet: Packet): Misfit | null {
    const from = packet.fragmentOffset
    const to = from + packet.end - fragmentDataStart(packet)
    const index = this.#indexFor(from)
    const next = this.pieces[index]
    if (next !== undefined && next.from < to) return this.#isHeld(index, from, to) ? 'duplicate' : 'overlap'
    if (this.#contradicts(packet, to, index)) return 'contradiction'

    if (from === 0) this.#noteHeader(packet)
    if (!packet.moreFragments) this.#endBytes = to
    if (this.#headerCountedBytes(packet) + this.#extentBytes(to) > LENGTH_MAX_BYTES) return 'too-long'
    this.pieces.splice(index, 0, {
      from,
      to,
      bytes: copyOf(packet.bytes, fragmentDataStart(packet), packet.end),
    })
    this.#receivedBytes += to - from
    this.costBytes += to - from + PIECE_COST_BYTES
    this.largestFragmentBytes = Math.max(this.largestFragmentBytes, packet.totalBytes)
    this.ecnSeen |= 1 << (packet.trafficClass & 3)
    return null
  }

  /** Where a piece from `from` on belongs: the index of the first that ends behind it. In order comes often. */
  #indexFor(from: number): number {
    let low = 0
    let high = this.pieces.length
    if (high === 0 || this.pieces[high - 1]!.to <= from) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.pieces[middle]!.to <= from) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Whether `[from, to)` lies wholly within what is there, from the piece `index` on. */
  #isHeld(index: number, from: number, to: number): boolean {
    if (this.pieces[index]!.from > from) return false
    let held = this.pieces[index]!.to
    for (let at = index + 1; held < to && this.pieces[at]?.from === held; at++) held = this.pieces[at]!.to
    return held >= to
  }

  /** Two ends, or something behind the end. */
  #contradicts(packet: Packet, to: number, index: number): boolean {
    if (!packet.moreFragments && (this.#endBytes !== UNKNOWN || index < this.pieces.length)) return true
    return this.#endBytes !== UNKNOWN && to > this.#endBytes
  }

  #noteHeader(packet: Packet): void {
    const isIpv6 = packet.family === 6
    this.header = copyOf(
      packet.bytes,
      packet.start,
      isIpv6 ? packet.fragmentHeaderStart : packet.transportStart,
    )
    if (isIpv6) this.nextHeader = readU8(packet.bytes, packet.fragmentHeaderStart)
    this.costBytes += this.header.length
  }

  /** How much of the header counts in the length field; as long as it is not known, what every header has. */
  #headerCountedBytes({ family }: Packet): number {
    if (family === 6) return this.header === null ? 0 : this.header.length - IPV6_HEADER_BYTES
    return this.header === null ? 20 : this.header.length
  }

  /** How far the pieces reach with one that ends at `to`. */
  #extentBytes(to: number): number {
    return Math.max(to, this.pieces.at(-1)?.to ?? 0)
  }
}

/** Where the fragment's data begins: of IPv6 right behind the fragment header, whatever stands there. */
export const fragmentDataStart = (packet: Packet): number =>
  packet.family === 6 ? packet.fragmentHeaderStart + FRAGMENT_HEADER_BYTES : packet.transportStart

/** A copy even where `bytes` is a Node `Buffer`, whose own `slice` is none. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start)
  copy.set(bytes.subarray(start, end))
  return copy
}
