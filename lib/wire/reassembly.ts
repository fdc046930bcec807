/**
 * Fragments become datagrams again, by RFC 791 §3.2 and RFC 8200 §4.5. As in Linux, a fragment that overlaps another
 * takes its whole datagram with it, in IPv4 as RFC 5722 §3 demands it of IPv6; one that repeats only what is there is
 * ignored (erratum 3089 of that RFC).
 *
 * What comes is not believed: there is a bound on datagrams, on the memory they take, and on their time.
 */

import type { Family } from '../bytes/address.ts'
import { checksum } from '../bytes/checksum.ts'
import { writeU8, writeU16 } from '../bytes/octets.ts'
import { Ipv4View } from './ipv4.ts'
import { IPV6_HEADER_BYTES, Ipv6View } from './ipv6.ts'
import { nextHeaderField } from './ipv6-extensions.ts'
import type { Packet } from './packet.ts'
import { fragmentDataStart, PartialDatagram } from './partial-datagram.ts'

/** Why fragments were given up; `duplicate` and `malformed` cost one fragment, the others their whole datagram. */
export const REASSEMBLY_REASONS = [
  'duplicate',
  'malformed',
  'overlap',
  'contradiction',
  'too-long',
  'mixed-ecn',
  'timed-out',
  'evicted',
] as const
export type ReassemblyReason = (typeof REASSEMBLY_REASONS)[number]

/** How long a datagram may take from its first fragment that came: Linux's for IPv4, RFC 8200 §4.5 for IPv6. */
export const REASSEMBLY_TIMEOUT_MS: Readonly<Record<Family, number>> = { 4: 30_000, 6: 60_000 }

export interface ReassemblyOptions {
  /** Room to be left before a whole datagram, for an outer header. */
  readonly headroomBytes: number
  /** The most datagrams that may wait at once; the oldest goes for one more. */
  readonly datagramLimit?: number
  /** The most memory that may wait at once, overhead included; the oldest goes for more. */
  readonly memoryLimitBytes?: number
}

/** For options not given; memory as Linux's `ipfrag_high_thresh`. */
export const DEFAULT_DATAGRAM_LIMIT = 1024
export const DEFAULT_MEMORY_LIMIT_BYTES = 4 * 1024 * 1024

/** A whole datagram, and how it came: enough to cut it again. One object, overwritten by the next. */
export interface Reassembled {
  /** The packet is `[start, end)`, as if it had come in one piece; with the headroom before it. */
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  /** Length of the longest fragment, as an IP packet. */
  readonly largestFragmentBytes: number
  /** The headers that each IPv6 fragment repeats, those before the fragment header; of IPv4, the header. */
  readonly repeatedBytes: number
  /** How much data each fragment carried, in order. */
  readonly dataBytes: readonly number[]
}

const IPV4_FLAGS_OFFSET = 6
/** Longer than every header and its longest payload. */
const WHOLE_MAX_BYTES = IPV6_HEADER_BYTES + 0xffff

const CONGESTION_EXPERIENCED = 3
/** Bits of `ecnSeen`. */
const ECN_SEEN = { notCapable: 1 << 0, congestion: 1 << CONGESTION_EXPERIENCED } as const

export class Reassembly {
  /** How often each reason came up. */
  readonly counts: Record<ReassemblyReason, number>

  /** In the order of their first fragments, so the first is the first to be due. */
  readonly #datagrams: Readonly<Record<Family, Map<string, PartialDatagram>>> = { 4: new Map(), 6: new Map() }
  readonly #datagramLimit: number
  readonly #memoryLimitBytes: number
  readonly #whole: { -readonly [field in keyof Reassembled]: Reassembled[field] } & { dataBytes: number[] }
  #heldBytes = 0

  constructor({ headroomBytes, datagramLimit, memoryLimitBytes }: ReassemblyOptions) {
    this.#datagramLimit = datagramLimit ?? DEFAULT_DATAGRAM_LIMIT
    this.#memoryLimitBytes = memoryLimitBytes ?? DEFAULT_MEMORY_LIMIT_BYTES
    this.counts = Object.fromEntries(REASSEMBLY_REASONS.map((reason) => [reason, 0])) as typeof this.counts
    this.#whole = {
      bytes: new Uint8Array(headroomBytes + WHOLE_MAX_BYTES),
      start: headroomBytes,
      end: headroomBytes,
      largestFragmentBytes: 0,
      repeatedBytes: 0,
      dataBytes: [],
    }
  }

  /** How many datagrams wait. */
  get size(): number {
    return this.#datagrams[4].size + this.#datagrams[6].size
  }

  /** The memory they take, overhead included. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Takes a fragment in: `packet` was read strictly and `isFragment`. Its octets are copied. Answers the datagram that
   * it completes, valid until the next call, or null: kept for later, or given up and counted.
   */
  add(packet: Packet, nowMs: number): Reassembled | null {
    const dataBytes = packet.end - fragmentDataStart(packet)
    // Only the last fragment may end elsewhere than at a multiple of 8 octets. RFC 791 §3.2, RFC 8200 §4.5.
    if (dataBytes === 0 || (packet.moreFragments && dataBytes % 8 !== 0)) return this.#count('malformed')
    const datagram = this.#datagramOf(packet, nowMs)
    const costBytes = datagram.costBytes
    const misfit = datagram.place(packet)
    this.#heldBytes += datagram.costBytes - costBytes
    if (misfit === 'duplicate') return this.#count(misfit)
    if (misfit !== null) return this.#giveUp(datagram, packet.family, misfit)
    if (!datagram.isWhole) {
      while (this.#heldBytes > this.#memoryLimitBytes) this.#evictOldest()
      return null
    }
    if (isEcnMixed(datagram.ecnSeen)) return this.#giveUp(datagram, packet.family, 'mixed-ecn')
    this.#forget(datagram, packet.family)
    return this.#assemble(datagram, packet.family)
  }

  /** Takes in `packet`, a fragment, as the other would now. No more than that: all other datagrams stay the other's. */
  imitate(other: Reassembly, packet: Packet): void {
    for (const family of [4, 6] as const)
      for (const [key, datagram] of other.#datagrams[family]) this.#datagrams[family].set(key, datagram)
    this.#heldBytes = other.#heldBytes
    const datagrams = this.#datagrams[packet.family]
    const own = datagrams.get(keyOf(packet))
    if (own !== undefined) datagrams.set(own.key, own.copy())
  }

  /** Lets time pass: gives up the datagrams that are due. */
  passTime(nowMs: number): void {
    for (const family of [4, 6] as const) {
      for (const datagram of this.#datagrams[family].values()) {
        if (!isDue(datagram, family, nowMs)) break
        this.#giveUp(datagram, family, 'timed-out')
      }
    }
  }

  /** The datagram that the fragment belongs to, perhaps a new one. */
  #datagramOf(packet: Packet, nowMs: number): PartialDatagram {
    const { family } = packet
    const key = keyOf(packet)
    const known = this.#datagrams[family].get(key)
    if (known !== undefined) {
      if (!isDue(known, family, nowMs)) return known
      this.#giveUp(known, family, 'timed-out')
    }
    while (this.size >= this.#datagramLimit) this.#evictOldest()
    const fresh = new PartialDatagram(key, nowMs)
    this.#datagrams[family].set(key, fresh)
    return fresh
  }

  #evictOldest(): void {
    const oldest4 = firstOf(this.#datagrams[4])
    const oldest6 = firstOf(this.#datagrams[6])
    const isIpv6Older =
      oldest6 !== undefined && (oldest4 === undefined || oldest6.startedMs < oldest4.startedMs)
    if (isIpv6Older) this.#giveUp(oldest6, 6, 'evicted')
    else if (oldest4 !== undefined) this.#giveUp(oldest4, 4, 'evicted')
  }

  #giveUp(datagram: PartialDatagram, family: Family, reason: ReassemblyReason): null {
    this.#forget(datagram, family)
    return this.#count(reason)
  }

  #forget(datagram: PartialDatagram, family: Family): void {
    this.#datagrams[family].delete(datagram.key)
    this.#heldBytes -= datagram.costBytes
  }

  #count(reason: ReassemblyReason): null {
    this.counts[reason]++
    return null
  }

  #assemble(datagram: PartialDatagram, family: Family): Reassembled {
    const whole = this.#whole
    const { bytes, start, dataBytes } = whole
    const header = datagram.header!
    bytes.set(header, start)
    let end = start + header.length
    dataBytes.length = 0
    for (const piece of datagram.pieces) {
      bytes.set(piece.bytes, end)
      end += piece.bytes.length
      dataBytes.push(piece.bytes.length)
    }
    const isCongested = (datagram.ecnSeen & ECN_SEEN.congestion) !== 0
    if (family === 4) finishIpv4(new Ipv4View(bytes, start), end, isCongested)
    else finishIpv6(new Ipv6View(bytes, start), end, isCongested, datagram)
    whole.end = end
    whole.largestFragmentBytes = datagram.largestFragmentBytes
    whole.repeatedBytes = header.length
    return whole
  }
}

/** What fragments of one datagram have in common: RFC 791 §3.2 names the protocol, RFC 8200 §4.5 does not. */
function keyOf(packet: Packet): string {
  const { sourceW0, destinationW0, identification } = packet
  // Sixteen bits a character. V8 seeds its hash of strings, so nobody outside can aim at one bucket.
  if (packet.family === 4) {
    return String.fromCharCode(
      sourceW0 >>> 16,
      sourceW0 & 0xffff,
      destinationW0 >>> 16,
      destinationW0 & 0xffff,
      identification,
      packet.protocol,
    )
  }
  const { sourceW1, sourceW2, sourceW3, destinationW1, destinationW2, destinationW3 } = packet
  return String.fromCharCode(
    sourceW0 >>> 16,
    sourceW0 & 0xffff,
    sourceW1 >>> 16,
    sourceW1 & 0xffff,
    sourceW2 >>> 16,
    sourceW2 & 0xffff,
    sourceW3 >>> 16,
    sourceW3 & 0xffff,
    destinationW0 >>> 16,
    destinationW0 & 0xffff,
    destinationW1 >>> 16,
    destinationW1 & 0xffff,
    destinationW2 >>> 16,
    destinationW2 & 0xffff,
    destinationW3 >>> 16,
    destinationW3 & 0xffff,
    identification >>> 16,
    identification & 0xffff,
  )
}

const firstOf = (datagrams: Map<string, PartialDatagram>): PartialDatagram | undefined =>
  datagrams.values().next().value

const isDue = ({ startedMs }: PartialDatagram, family: Family, nowMs: number): boolean =>
  nowMs - startedMs >= REASSEMBLY_TIMEOUT_MS[family]

/** Fragments that know of ECN and others that do not, in one datagram: nobody honest sends that. RFC 3168 §5.3. */
const isEcnMixed = (ecnSeen: number): boolean =>
  (ecnSeen & ECN_SEEN.notCapable) !== 0 && ecnSeen !== ECN_SEEN.notCapable

function finishIpv4(view: Ipv4View, end: number, isCongested: boolean): void {
  view.totalBytes = end - view.start
  writeU16(view.bytes, view.start + IPV4_FLAGS_OFFSET, 0)
  if (isCongested) view.trafficClass |= CONGESTION_EXPERIENCED
  view.checksum = 0
  view.checksum = checksum(view.bytes, view.start, view.start + view.headerBytes)
}

function finishIpv6(
  view: Ipv6View,
  end: number,
  isCongested: boolean,
  { header, nextHeader }: PartialDatagram,
): void {
  const { bytes, start } = view
  view.payloadBytes = end - start - IPV6_HEADER_BYTES
  if (isCongested) view.trafficClass |= CONGESTION_EXPERIENCED
  writeU8(bytes, nextHeaderField(bytes, start, start + header!.length), nextHeader)
}
