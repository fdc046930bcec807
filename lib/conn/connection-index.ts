/**
 * Where connections are found: chains of records in buckets. Both directions of a connection share one hash, of protocol,
 * client address and client port, so that one chain finds either; newer connections are found first.
 */

import type { Family } from '../bytes/address.ts'
import type { Packet } from '../wire/packet.ts'
import { FLAG, KIND, NONE, RECORD_WORDS, WORD } from './layout.ts'

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

export class ConnectionIndex {
  /** The newest record of each bucket, or {@link NONE}. */
  readonly heads: Int32Array
  readonly #words: Int32Array
  readonly #mask: number
  readonly #seed: number
  /** Connections whose client port is not known yet; while there are none, nobody looks for them. */
  #portless = 0

  /** Room for `limit` records, at half a record a bucket. */
  constructor(words: Int32Array, limit: number, seed: number) {
    const buckets = 2 ** Math.max(8, Math.ceil(Math.log2(limit)) + 1)
    this.heads = new Int32Array(buckets)
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
    let record =
      this.heads[
        this.bucketOf(kind, packet.sourceW0, packet.sourceW1, packet.sourceW2, packet.sourceW3, clientPort)
      ]!
    while (record !== NONE) {
      const base = record * RECORD_WORDS
      if (
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
        return record
      record = words[base + WORD.nextInBucket]!
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
    let record =
      this.heads[
        this.bucketOf(
          kind,
          packet.destinationW0,
          packet.destinationW1,
          packet.destinationW2,
          packet.destinationW3,
          packet.destinationPort,
        )
      ]!
    while (record !== NONE) {
      const base = record * RECORD_WORDS
      if (
        words[base + WORD.client] === packet.destinationW0 &&
        words[base + WORD.ports]! >>> 16 === packet.destinationPort &&
        (words[base + WORD.kind]! & KEY_BITS) === kind &&
        this.#isServerSide(base, packet, isIpv6) &&
        (!isIpv6 ||
          (words[base + WORD.client + 1] === packet.destinationW1 &&
            words[base + WORD.client + 2] === packet.destinationW2 &&
            words[base + WORD.client + 3] === packet.destinationW3)) &&
        (words[base + WORD.flags]! & FLAG.template) === 0
      )
        return record
      record = words[base + WORD.nextInBucket]!
    }
    return NONE
  }

  /** The template of this key that no persistence engine made, or {@link NONE}. */
  findTemplate(key: TemplateKey): number {
    const { clientW0, clientW1, clientW2, clientW3 } = key
    let record =
      this.heads[this.bucketOf(kindOf(key), clientW0, clientW1, clientW2, clientW3, key.clientPort)]!
    while (record !== NONE) {
      const base = record * RECORD_WORDS
      if (this.isTemplate(record, key) && (this.#words[base + WORD.flags]! & FLAG.engineData) === 0)
        return record
      record = this.#words[base + WORD.nextInBucket]!
    }
    return NONE
  }

  /** Puts the record at the front of its bucket. */
  add(record: number): void {
    const words = this.#words
    const base = record * RECORD_WORDS
    const bucket = this.#bucketOfRecord(base)
    if (words[base + WORD.flags]! & FLAG.noClientPort) this.#portless++
    words[base + WORD.flags]! |= FLAG.hashed
    words[base + WORD.nextInBucket] = this.heads[bucket]!
    this.heads[bucket] = record
  }

  /** Takes the record out of its bucket. */
  remove(record: number): void {
    const words = this.#words
    const base = record * RECORD_WORDS
    const next = words[base + WORD.nextInBucket]!
    words[base + WORD.flags]! &= ~FLAG.hashed
    if (words[base + WORD.flags]! & FLAG.noClientPort) this.#portless--
    const bucket = this.#bucketOfRecord(base)
    let each = this.heads[bucket]!
    if (each === record) {
      this.heads[bucket] = next
      return
    }
    for (;;) {
      const at = each * RECORD_WORDS + WORD.nextInBucket
      each = words[at]!
      if (each !== record) continue
      words[at] = next
      return
    }
  }

  /** The bucket of a client; `kind` is protocol and family as in {@link WORD.kind}. Mixes as MurmurHash3 does (its constants); an IPv4 key skips the words that are 0. */
  bucketOf(kind: number, w0: number, w1: number, w2: number, w3: number, port: number): number {
    let hash = Math.imul(this.#seed ^ w0, 0xcc9e2d51)
    if (kind & KIND.ipv6) {
      hash = Math.imul(hash ^ (hash >>> 15) ^ w1, 0xcc9e2d51)
      hash = Math.imul(hash ^ (hash >>> 15) ^ w2, 0xcc9e2d51)
      hash = Math.imul(hash ^ (hash >>> 15) ^ w3, 0xcc9e2d51)
    }
    hash = (hash ^ (hash >>> 15)) + Math.imul((port << 16) | kind, 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) & this.#mask
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

  #bucketOfRecord(base: number): number {
    const words = this.#words
    return this.bucketOf(
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

/** What of {@link WORD.kind} belongs to a connection's key: protocol and family. */
const KEY_BITS = 0xff00 | KIND.ipv6
