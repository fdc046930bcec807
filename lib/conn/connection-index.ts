/**
 * Where connections are found: chains of records in buckets. Both directions of a connection share one hash, of protocol,
 * client address and client port, so that one chain finds either; newer connections are found first.
 *
 * A chain is made of links, each a record's number and a tag of eight bits of its hash. They lie apart from the records:
 * of two connections in one bucket the one that is not meant is nearly always passed by without reading it.
 */

import type { Family } from '../bytes/address.ts'
import type { Packet } from '../wire/packet.ts'
import { FLAG, KIND, NONE, RECORD_WORDS, RECORDS_MAX, WORD } from './layout.ts'

/** What a lookup of a template compares. Words as in `Flow`. */
export interface TemplateKey {
  readonly family: Family
  readonly protocol: number
  readonly clientW0: number
  readonly clientW1: number
  readonly clientW2: number
  readonly clientW3: number
  readonly clientPort: number
  readonly virtualW0: number
  readonly virtualW1: number
  readonly virtualW2: number
  readonly virtualW3: number
  readonly virtualPort: number
}

/** A link's parts: the record's number, and the top of its hash. The link that ends a chain is {@link NONE}. */
const RECORD_BITS = RECORDS_MAX
const TAG_BITS = ~RECORDS_MAX

/** The record that a link leads to, or {@link NONE}. */
export const recordOf = (link: number): number => link & RECORD_BITS

/** Whether the link leads to a record of this hash; hardly ever (1 in 256) to another. */
export const isTagged = (link: number, hash: number): boolean => ((link ^ hash) & TAG_BITS) === 0

export class ConnectionIndex {
  /** The link to the newest record of each bucket. */
  readonly heads: Int32Array
  /** By record, the link to the next of its bucket. */
  readonly next: Int32Array
  readonly #words: Int32Array
  readonly #mask: number
  readonly #seed: number
  /** Connections whose client port is not known yet; while there are none, nobody looks for them. */
  #portless = 0

  /** Room for `limit` records, at a third of a record a bucket or less: at half a one a packet took 5 % longer. */
  constructor(words: Int32Array, limit: number, seed: number) {
    const buckets = 2 ** Math.max(8, Math.ceil(Math.log2(3 * limit)))
    this.heads = new Int32Array(buckets)
    this.next = new Int32Array(limit + 1)
    this.#words = words
    this.#mask = buckets - 1
    this.#seed = seed | 0
  }

  /** The connection of a packet from a client to a virtual service, or {@link NONE}. */
  findInbound(packet: Packet): number {
    const record = packet.sourcePort === 0 ? NONE : this.#findInbound(packet, packet.sourcePort)
    return record !== NONE || this.#portless === 0 ? record : this.#findInbound(packet, 0)
  }

  /** By `clientPort` instead of the packet's own; 0 finds only those whose client port is not known yet. */
  #findInbound(packet: Packet, clientPort: number): number {
    const words = this.#words
    const ports = (clientPort << 16) | packet.destinationPort
    const isIpv6 = packet.family === 6
    const kind = (packet.protocol << 8) | (isIpv6 ? KIND.ipv6 : 0)
    const hash = this.hashOf(
      kind,
      packet.sourceW0,
      packet.sourceW1,
      packet.sourceW2,
      packet.sourceW3,
      clientPort,
    )
    for (let link = this.#first(hash); link !== NONE; link = this.next[recordOf(link)]!) {
      const base = recordOf(link) * RECORD_WORDS
      if (
        isTagged(link, hash) &&
        words[base + WORD.client] === packet.sourceW0 &&
        words[base + WORD.ports] === ports &&
        words[base + WORD.virtual] === packet.destinationW0 &&
        (words[base + WORD.kind]! & KEY_BITS) === kind &&
        (!isIpv6 ||
          (words[base + WORD.client + 1] === packet.sourceW1 &&
            words[base + WORD.client + 2] === packet.sourceW2 &&
            words[base + WORD.client + 3] === packet.sourceW3 &&
            words[base + WORD.virtual + 1] === packet.destinationW1 &&
            words[base + WORD.virtual + 2] === packet.destinationW2 &&
            words[base + WORD.virtual + 3] === packet.destinationW3)) &&
        (clientPort !== 0 || (words[base + WORD.flags]! & FLAG.noClientPort) !== 0)
      )
        return recordOf(link)
    }
    return NONE
  }

  /**
   * The connection of a packet from a server to a client, or {@link NONE}. Masqueraded servers answer with their own
   * endpoint, all others with the virtual one.
   */
  findOutbound(packet: Packet): number {
    const words = this.#words
    const isIpv6 = packet.family === 6
    const kind = (packet.protocol << 8) | (isIpv6 ? KIND.ipv6 : 0)
    const hash = this.hashOf(
      kind,
      packet.destinationW0,
      packet.destinationW1,
      packet.destinationW2,
      packet.destinationW3,
      packet.destinationPort,
    )
    for (let link = this.#first(hash); link !== NONE; link = this.next[recordOf(link)]!) {
      const base = recordOf(link) * RECORD_WORDS
      if (
        isTagged(link, hash) &&
        words[base + WORD.client] === packet.destinationW0 &&
        words[base + WORD.ports]! >>> 16 === packet.destinationPort &&
        (words[base + WORD.kind]! & KEY_BITS) === kind &&
        this.#isServerSide(base, packet, isIpv6) &&
        (!isIpv6 ||
          (words[base + WORD.client + 1] === packet.destinationW1 &&
            words[base + WORD.client + 2] === packet.destinationW2 &&
            words[base + WORD.client + 3] === packet.destinationW3)) &&
        (words[base + WORD.flags]! & NOT_ANSWERED) === 0
      )
        return recordOf(link)
    }
    return NONE
  }

  /** The template of this key that no persistence engine made, or {@link NONE}. */
  findTemplate(key: TemplateKey): number {
    const { clientW0, clientW1, clientW2, clientW3 } = key
    const hash = this.hashOf(kindOf(key), clientW0, clientW1, clientW2, clientW3, key.clientPort)
    for (let link = this.#first(hash); link !== NONE; link = this.next[recordOf(link)]!) {
      const record = recordOf(link)
      if (!isTagged(link, hash) || !this.isTemplate(record, key)) continue
      if ((this.#words[record * RECORD_WORDS + WORD.flags]! & FLAG.engineData) === 0) return record
    }
    return NONE
  }

  /** Puts the record at the front of its bucket. */
  add(record: number): void {
    const words = this.#words
    const base = record * RECORD_WORDS
    const hash = this.#hashOfRecord(base)
    const bucket = hash & this.#mask
    words[base + WORD.hash] = hash
    if (words[base + WORD.flags]! & FLAG.noClientPort) this.#portless++
    words[base + WORD.flags]! |= FLAG.hashed
    this.next[record] = this.heads[bucket]!
    this.heads[bucket] = (hash & TAG_BITS) | record
  }

  /** Takes the record out of its bucket. */
  remove(record: number): void {
    const { heads, next } = this
    const words = this.#words
    const base = record * RECORD_WORDS
    words[base + WORD.flags]! &= ~FLAG.hashed
    if (words[base + WORD.flags]! & FLAG.noClientPort) this.#portless--
    const bucket = words[base + WORD.hash]! & this.#mask
    let before = this.newest(bucket)
    if (before === record) {
      heads[bucket] = next[record]!
      return
    }
    while (this.after(before) !== record) before = this.after(before)
    next[before] = next[record]!
  }

  /** The newest record of a bucket, or {@link NONE}. */
  newest(bucket: number): number {
    return recordOf(this.heads[bucket]!)
  }

  /** The record behind this one in its bucket, or {@link NONE}. */
  after(record: number): number {
    return recordOf(this.next[record]!)
  }

  /** Touches the buckets of the first `count` of these records, that the waits for their memory overlap. */
  touchBuckets(records: Int32Array, count: number): number {
    const words = this.#words
    let sum = 0
    for (let at = 0; at < count; at++)
      sum = (sum + this.#first(words[records[at]! * RECORD_WORDS + WORD.hash]!)) | 0
    return sum
  }

  /**
   * The hash of a client, 32 bits; `kind` is protocol and family as in {@link WORD.kind}. Mixes as MurmurHash3 does (its
   * constants); an IPv4 key skips the words that are 0.
   */
  hashOf(kind: number, w0: number, w1: number, w2: number, w3: number, port: number): number {
    let hash = Math.imul(this.#seed ^ w0, 0xcc9e2d51)
    if (kind & KIND.ipv6) {
      hash = Math.imul(hash ^ (hash >>> 15) ^ w1, 0xcc9e2d51)
      hash = Math.imul(hash ^ (hash >>> 15) ^ w2, 0xcc9e2d51)
      hash = Math.imul(hash ^ (hash >>> 15) ^ w3, 0xcc9e2d51)
    }
    hash = (hash ^ (hash >>> 15)) + Math.imul((port << 16) | kind, 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return hash ^ (hash >>> 16)
  }

  /** Whether the record is a template of this key. */
  isTemplate(record: number, key: TemplateKey): boolean {
    const words = this.#words
    const base = record * RECORD_WORDS
    return (
      (words[base + WORD.flags]! & FLAG.template) !== 0 &&
      (words[base + WORD.kind]! & KEY_BITS) === kindOf(key) &&
      words[base + WORD.ports] === ((key.clientPort << 16) | key.virtualPort) &&
      words[base + WORD.client] === key.clientW0 &&
      words[base + WORD.client + 1] === key.clientW1 &&
      words[base + WORD.client + 2] === key.clientW2 &&
      words[base + WORD.client + 3] === key.clientW3 &&
      words[base + WORD.virtual] === key.virtualW0 &&
      words[base + WORD.virtual + 1] === key.virtualW1 &&
      words[base + WORD.virtual + 2] === key.virtualW2 &&
      words[base + WORD.virtual + 3] === key.virtualW3
    )
  }

  /** The link to the newest record of the hash's bucket. */
  #first(hash: number): number {
    return this.heads[hash & this.#mask]!
  }

  /** The server's end of a connection as the packet shows it: destination when masqueraded, virtual otherwise. */
  #isServerSide(base: number, packet: Packet, isIpv6: boolean): boolean {
    const words = this.#words
    const isMasqueraded = (words[base + WORD.flags]! & FLAG.methodMask) === 0
    const at = base + (isMasqueraded ? WORD.destination : WORD.virtual)
    const port = isMasqueraded ? words[base + WORD.kind]! >>> 16 : words[base + WORD.ports]! & 0xffff
    return (
      words[at] === packet.sourceW0 &&
      port === packet.sourcePort &&
      (!isIpv6 ||
        (words[at + 1] === packet.sourceW1 &&
          words[at + 2] === packet.sourceW2 &&
          words[at + 3] === packet.sourceW3))
    )
  }

  #hashOfRecord(base: number): number {
    const words = this.#words
    return this.hashOf(
      words[base + WORD.kind]! & KEY_BITS,
      words[base + WORD.client]!,
      words[base + WORD.client + 1]!,
      words[base + WORD.client + 2]!,
      words[base + WORD.client + 3]!,
      words[base + WORD.ports]! >>> 16,
    )
  }
}

/** Protocol and family as in {@link WORD.kind}. */
export const kindOf = ({ protocol, family }: { protocol: number; family: Family }): number =>
  (protocol << 8) | (family === 6 ? KIND.ipv6 : 0)

/** Nobody answers a template, and full NAT's servers answer the director itself. */
const NOT_ANSWERED = FLAG.template | FLAG.fullNat

/** What of {@link WORD.kind} belongs to a connection's key: protocol and family. */
const KEY_BITS = 0xff00 | KIND.ipv6
