/** Every connection of a director: found by a packet of either direction, bounded, and forgotten in time. */

import { type Family, IpAddress } from '../bytes/address.ts'
import type { Packet } from '../wire/packet.ts'
import { ExpiryWheel } from './expiry-wheel.ts'
import { FLAG, KIND, NONE, RECORD_WORDS, WORD } from './layout.ts'
import { secondsUntil, startTickOf, TICKS_PER_SEC, tickOf } from './ticks.ts'

export interface ConnectionTableOptions {
  /** The most connections there can be. Memory is reserved for all, and used only as far as they come. */
  readonly limit: number
  /** Seed of the hash: an outsider must not be able to guess which connections share a bucket. */
  readonly seed: number
  readonly nowMs: number
}

/** A new connection's identity. Words as in `Flow`; the destination may be of the other family (tunnels). */
export interface NewConnection {
  family: Family
  protocol: number
  clientW0: number
  clientW1: number
  clientW2: number
  clientW3: number
  clientPort: number
  virtualW0: number
  virtualW1: number
  virtualW2: number
  virtualW3: number
  virtualPort: number
  destination: IpAddress
  destinationPort: number
  destinationId: number
  flags: number
  fwmark: number
}

/** An entry that expires while it controls others, or is in use, lives on this long. */
const POSTPONED_TICKS = 60 * TICKS_PER_SEC
/** Until the first packet's state says otherwise. */
const INITIAL_TIMEOUT_TICKS = 3 * TICKS_PER_SEC

/**
 * Both directions of a connection share one hash, of protocol, client address and client port, so that one chain
 * finds either. Newer connections are found first. Records are numbers; read and write them through {@link words}
 * and the offsets of `layout.ts`, or as text-friendly values through {@link ConnectionTable.describe}.
 */
export class ConnectionTable {
  readonly words: Int32Array
  readonly limit: number
  /** The newest record of each bucket, or {@link NONE}. */
  readonly heads: Int32Array
  readonly #bucketMask: number
  readonly #seed: number
  readonly #wheel: ExpiryWheel
  #size = 0
  /** Records from here on have never been used. */
  #untouched = 1
  #free = NONE

  constructor({ limit, seed, nowMs }: ConnectionTableOptions) {
    this.limit = limit
    this.words = new Int32Array((limit + 1) * RECORD_WORDS)
    const buckets = 2 ** Math.max(8, Math.ceil(Math.log2(limit)) + 1)
    this.heads = new Int32Array(buckets)
    this.#bucketMask = buckets - 1
    this.#seed = seed | 0
    this.#wheel = new ExpiryWheel(this.words, tickOf(nowMs))
  }

  /** Connections there are now. */
  get size(): number {
    return this.#size
  }

  get buckets(): number {
    return this.heads.length
  }

  /** The connection of a packet from a client to a virtual service, or {@link NONE}. */
  findInbound(packet: Packet): number {
    const words = this.words
    const ports = (packet.sourcePort << 16) | packet.destinationPort
    const isIpv6 = packet.family === 6
    const kind = (packet.protocol << 8) | (isIpv6 ? KIND.ipv6 : 0)
    let record =
      this.heads[
        this.bucketOf(
          kind,
          packet.sourceW0,
          packet.sourceW1,
          packet.sourceW2,
          packet.sourceW3,
          packet.sourcePort,
        )
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
            words[base + WORD.virtual + 3] === packet.destinationW3))
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
    const words = this.words
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
            words[base + WORD.client + 3] === packet.destinationW3))
      )
        return record
      record = words[base + WORD.nextInBucket]!
    }
    return NONE
  }

  /** Writes down a new connection, or returns {@link NONE} when the table is full. It is due in 3 s unless prolonged. */
  create(from: NewConnection, nowMs: number): number {
    const record = this.#takeRecord()
    if (record === NONE) return NONE
    const words = this.words
    const base = record * RECORD_WORDS
    const { destination } = from
    const kind = (from.protocol << 8) | (from.family === 6 ? KIND.ipv6 : 0)
    words[base + WORD.client] = from.clientW0
    words[base + WORD.client + 1] = from.clientW1
    words[base + WORD.client + 2] = from.clientW2
    words[base + WORD.client + 3] = from.clientW3
    words[base + WORD.virtual] = from.virtualW0
    words[base + WORD.virtual + 1] = from.virtualW1
    words[base + WORD.virtual + 2] = from.virtualW2
    words[base + WORD.virtual + 3] = from.virtualW3
    words[base + WORD.destination] = destination.w0
    words[base + WORD.destination + 1] = destination.w1
    words[base + WORD.destination + 2] = destination.w2
    words[base + WORD.destination + 3] = destination.w3
    words[base + WORD.ports] = (from.clientPort << 16) | from.virtualPort
    words[base + WORD.kind] =
      (from.destinationPort << 16) | kind | (destination.family === 6 ? KIND.destinationIpv6 : 0)
    words[base + WORD.destinationId] = from.destinationId
    words[base + WORD.flags] = from.flags | FLAG.hashed
    words[base + WORD.state] = 0
    words[base + WORD.timeoutTicks] = INITIAL_TIMEOUT_TICKS
    words[base + WORD.deadlineTick] = startTickOf(nowMs) + INITIAL_TIMEOUT_TICKS
    words[base + WORD.inPackets] = 0
    words[base + WORD.controller] = NONE
    words[base + WORD.controlled] = 0
    words[base + WORD.fwmark] = from.fwmark
    words[base + WORD.natDelta] = 0

    const bucket = this.bucketOf(
      kind,
      from.clientW0,
      from.clientW1,
      from.clientW2,
      from.clientW3,
      from.clientPort,
    )
    words[base + WORD.nextInBucket] = this.heads[bucket]!
    this.heads[bucket] = record
    this.#wheel.file(record)
    this.#size++
    return record
  }

  /** A packet of the connection came: it lives on for its timeout, counted from the tick `startTick`. */
  prolong(record: number, startTick: number): void {
    const words = this.words
    const base = record * RECORD_WORDS
    const deadline = startTick + words[base + WORD.timeoutTicks]!
    words[base + WORD.deadlineTick] = deadline
    // Later than filed costs nothing now; earlier must be filed anew, or it would end late.
    if (deadline < words[base + WORD.filedTick]!) {
      this.#wheel.unfile(record)
      this.#wheel.file(record)
    }
  }

  /**
   * Ends the connection at the next {@link ConnectionTable.expire}, and hides it from packets at once unless it still
   * controls others.
   */
  expireNow(record: number, nowMs: number): void {
    const base = record * RECORD_WORDS
    if (this.words[base + WORD.controlled]! > 0) return
    this.#unhash(record)
    this.words[base + WORD.flags]! &= ~FLAG.hashed
    this.words[base + WORD.deadlineTick] = tickOf(nowMs)
    this.#wheel.unfile(record)
    this.#wheel.file(record)
  }

  /**
   * Forgets what is due, `onRemoved` being told of each record while it can still be read. Looks at no more than
   * `budget` records, so that no call takes long; false when there are more to look at.
   */
  expire(nowMs: number, budget: number, onRemoved: (record: number) => void): boolean {
    const words = this.words
    const nowTick = tickOf(nowMs)
    for (let looked = 0; looked < budget; looked++) {
      const record = this.#wheel.takeDue(nowTick)
      if (record === NONE) return true
      const base = record * RECORD_WORDS
      if (words[base + WORD.deadlineTick]! > nowTick) {
        this.#wheel.file(record)
      } else if (words[base + WORD.controlled]! > 0) {
        words[base + WORD.timeoutTicks] = POSTPONED_TICKS
        words[base + WORD.deadlineTick] = startTickOf(nowMs) + POSTPONED_TICKS
        this.#wheel.file(record)
      } else {
        this.#release(record, onRemoved)
      }
    }
    return false
  }

  /** Removes a connection at once. */
  remove(record: number, onRemoved: (record: number) => void): void {
    this.#wheel.unfile(record)
    this.#release(record, onRemoved)
  }

  /** Every connection's record, in no order that means anything. */
  *records(): IterableIterator<number> {
    for (let record = 1; record < this.#untouched; record++) {
      if (this.words[record * RECORD_WORDS + WORD.flags]! & FLAG.hashed) yield record
    }
  }

  /** A record as values, for listings and tests; not for the packet path. */
  describe(record: number, nowMs: number): ConnectionView {
    const words = this.words
    const base = record * RECORD_WORDS
    const kind = words[base + WORD.kind]!
    const family: Family = kind & KIND.ipv6 ? 6 : 4
    const address = (at: number, of: Family) =>
      new IpAddress(of, words[base + at]!, words[base + at + 1], words[base + at + 2], words[base + at + 3])
    return {
      protocol: (kind >>> 8) & 0xff,
      client: { address: address(WORD.client, family), port: words[base + WORD.ports]! >>> 16 },
      virtual: { address: address(WORD.virtual, family), port: words[base + WORD.ports]! & 0xffff },
      destination: {
        address: address(WORD.destination, kind & KIND.destinationIpv6 ? 6 : 4),
        port: kind >>> 16,
      },
      destinationId: words[base + WORD.destinationId]!,
      flags: words[base + WORD.flags]!,
      state: words[base + WORD.state]!,
      fwmark: words[base + WORD.fwmark]! >>> 0,
      inPackets: words[base + WORD.inPackets]!,
      expiresSeconds: secondsUntil(words[base + WORD.deadlineTick]!, nowMs),
    }
  }

  /** The server's end of a connection as the packet shows it: destination when masqueraded, virtual otherwise. */
  #isServerSide(base: number, packet: Packet, isIpv6: boolean): boolean {
    const words = this.words
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

  #takeRecord(): number {
    const record = this.#free
    if (record !== NONE) {
      this.#free = this.words[record * RECORD_WORDS + WORD.nextInBucket]!
      return record
    }
    return this.#untouched > this.limit ? NONE : this.#untouched++
  }

  #release(record: number, onRemoved: (record: number) => void): void {
    const words = this.words
    const base = record * RECORD_WORDS
    if (words[base + WORD.flags]! & FLAG.hashed) this.#unhash(record)
    const controller = words[base + WORD.controller]!
    if (controller !== NONE) words[controller * RECORD_WORDS + WORD.controlled]! -= 1
    onRemoved(record)
    words[base + WORD.flags] = 0
    words[base + WORD.nextInBucket] = this.#free
    this.#free = record
    this.#size--
  }

  #unhash(record: number): void {
    const words = this.words
    const base = record * RECORD_WORDS
    const next = words[base + WORD.nextInBucket]!
    const bucket = this.bucketOf(
      words[base + WORD.kind]! & KEY_BITS,
      words[base + WORD.client]!,
      words[base + WORD.client + 1]!,
      words[base + WORD.client + 2]!,
      words[base + WORD.client + 3]!,
      words[base + WORD.ports]! >>> 16,
    )
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
    return (hash ^ (hash >>> 16)) & this.#bucketMask
  }
}

/** What of {@link WORD.kind} belongs to a connection's key: protocol and family. */
const KEY_BITS = 0xff00 | KIND.ipv6

/** A connection as values. */
export interface ConnectionView {
  readonly protocol: number
  readonly client: { readonly address: IpAddress; readonly port: number }
  readonly virtual: { readonly address: IpAddress; readonly port: number }
  readonly destination: { readonly address: IpAddress; readonly port: number }
  readonly destinationId: number
  readonly flags: number
  readonly state: number
  readonly fwmark: number
  readonly inPackets: number
  readonly expiresSeconds: number
}
