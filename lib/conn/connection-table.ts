/** Every connection of a director: found by a packet of either direction, bounded, and forgotten in time. */

import type { Packet } from '../wire/packet.ts'
import { ConnectionIndex, type TemplateKey } from './connection-index.ts'
import { type ConnectionView, viewOf } from './connection-view.ts'
import { EngineData } from './engine-data.ts'
import { ExpiryWheel } from './expiry-wheel.ts'
import { FLAG, NONE, RECORD_WORDS, RECORDS_MAX, TEMPLATE_STATE, WORD } from './layout.ts'
import { type NewConnection, writeConnection } from './new-connection.ts'
import { startTickOf, TICKS_PER_SEC, tickOf } from './ticks.ts'

export interface ConnectionTableOptions {
  /** The most connections there can be, up to 16,777,215. Memory is reserved for all, and used as far as they come. */
  readonly limit: number
  /** Seed of the hash: an outsider must not be able to guess which connections share a bucket. */
  readonly seed: number
  readonly nowMs: number
}

/** An entry that expires while it controls others, or is in use, lives on this long. */
const POSTPONED_TICKS = 60 * TICKS_PER_SEC
/** So many that are due are looked at together, so that the waits for their memory overlap. */
const DUE_MAX = 32

/**
 * Records are numbers from 1; read and write them through {@link words} and the offsets of `layout.ts`, or as values
 * through {@link ConnectionTable.describe}.
 */
export class ConnectionTable {
  readonly words: Int32Array
  readonly limit: number
  readonly index: ConnectionIndex
  readonly #engineData = new EngineData()
  readonly #wheel: ExpiryWheel
  readonly #due = new Int32Array(DUE_MAX)
  /** Where the sums of touched memory go: a load that nobody uses would be optimised away. */
  readonly #touched = new Int32Array(1)
  #size = 0
  /** Records from here on have never been used. */
  #untouched = 1
  /** The first of the free records that were used before; the index's links lead from each to the next. */
  #free = NONE

  /** Throws a RangeError for a limit that is none. */
  constructor({ limit, seed, nowMs }: ConnectionTableOptions) {
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= RECORDS_MAX))
      throw new RangeError(`the limit of ${limit} connections is not a whole number from 1 to ${RECORDS_MAX}`)
    this.limit = limit
    this.words = new Int32Array((limit + 1) * RECORD_WORDS)
    this.index = new ConnectionIndex(this.words, limit, seed)
    this.#wheel = new ExpiryWheel(this.words, tickOf(nowMs))
  }

  /** Connections there are now. */
  get size(): number {
    return this.#size
  }

  get buckets(): number {
    return this.index.heads.length
  }

  /** The connection of a packet from a client to a virtual service, or {@link NONE}. */
  findInbound(packet: Packet): number {
    return this.index.findInbound(packet)
  }

  /** The connection of a packet from a server to a client, or {@link NONE}. */
  findOutbound(packet: Packet): number {
    return this.index.findOutbound(packet)
  }

  /**
   * The template of this key, or {@link NONE}. With `engineData` only those that a persistence engine made with the same
   * data, without it only others.
   */
  findTemplate(key: TemplateKey, engineData: string | null): number {
    if (engineData === null) return this.index.findTemplate(key)
    const records = this.#engineData.records(engineData)
    return records.find((record) => this.index.isTemplate(record, key)) ?? NONE
  }

  /** The persistence engine's data of a template, or null. */
  engineData(record: number): string | null {
    return this.#engineData.of(record)
  }

  /** Notes what a persistence engine knows the template by. */
  setEngineData(record: number, data: string): void {
    this.words[record * RECORD_WORDS + WORD.flags]! |= FLAG.engineData
    this.#engineData.set(record, data)
  }

  /** The template leads nowhere any more: it is filed under port 65535 until it expires, as IPVS shows it. */
  invalidateTemplate(record: number): void {
    const base = record * RECORD_WORDS
    this.words[base + WORD.ports] = 0xffff
    this.words[base + WORD.kind] = (0xffff << 16) | (this.words[base + WORD.kind]! & 0xffff)
  }

  /** Makes `controller` the one that `record` depends on: it outlives it. */
  control(controller: number, record: number): void {
    this.words[record * RECORD_WORDS + WORD.controller] = controller
    this.words[controller * RECORD_WORDS + WORD.controlled]! += 1
  }

  /** The client's port, known at last: files the connection anew. */
  setClientPort(record: number, clientPort: number): void {
    const base = record * RECORD_WORDS
    this.index.remove(record)
    this.words[base + WORD.ports] = (clientPort << 16) | (this.words[base + WORD.ports]! & 0xffff)
    this.words[base + WORD.flags]! &= ~FLAG.noClientPort
    this.index.add(record)
  }

  /** Writes down a new connection, or returns {@link NONE} when the table is full. It is due in 3 s unless prolonged. */
  create(from: NewConnection, nowMs: number): number {
    const record = this.#takeRecord()
    if (record === NONE) return NONE
    writeConnection(this.words, record * RECORD_WORDS, from, startTickOf(nowMs))
    this.#size++
    // One datagram's connection is over before anybody could look for it.
    if ((from.flags & FLAG.onePacket) !== 0) return record
    this.index.add(record)
    this.#wheel.file(record)
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
    this.index.remove(record)
    this.words[base + WORD.deadlineTick] = tickOf(nowMs)
    this.#wheel.unfile(record)
    this.#wheel.file(record)
  }

  /**
   * Forgets what is due, `onRemoved` being told of each record while it can still be read. Looks at no more than
   * `budget` records, so that no call takes long; false when there are more to look at.
   */
  expire(nowMs: number, budget: number, onRemoved: (record: number) => void): boolean {
    const nowTick = tickOf(nowMs)
    for (let left = budget; left > 0; ) {
      const taken = this.#wheel.takeDue(nowTick, this.#due, left)
      if (taken === 0) return true
      this.#expireTaken(taken, nowMs, nowTick, onRemoved)
      left -= taken
    }
    return false
  }

  /** The first `taken` of {@link ConnectionTable.#due}: filed anew those that live on, forgotten the others. */
  #expireTaken(taken: number, nowMs: number, nowTick: number, onRemoved: (record: number) => void): void {
    const due = this.#due
    let over = 0
    for (let at = 0; at < taken; at++) {
      const record = due[at]!
      if (this.words[record * RECORD_WORDS + WORD.deadlineTick]! > nowTick) this.#wheel.file(record)
      else due[over++] = record
    }
    this.#touched[0] = this.index.touchBuckets(due, over)
    for (let at = 0; at < over; at++) this.#end(due[at]!, nowMs, onRemoved)
  }

  /** The connection's time is over: it is forgotten, unless it still controls others. */
  #end(record: number, nowMs: number, onRemoved: (record: number) => void): void {
    const words = this.words
    const base = record * RECORD_WORDS
    if (words[base + WORD.controlled]! === 0) {
      this.#release(record, onRemoved)
      return
    }
    words[base + WORD.timeoutTicks] = POSTPONED_TICKS
    words[base + WORD.deadlineTick] = startTickOf(nowMs) + POSTPONED_TICKS
    this.#wheel.file(record)
  }

  /**
   * How many {@link ConnectionTable.expire} would forget, looking at no more than `budget` records; `ended` of them being
   * ended by {@link ConnectionTable.expireNow} before.
   */
  dueCount(nowMs: number, budget: number, ended: number): number {
    const nowTick = tickOf(nowMs)
    const due = this.#wheel.peekDue(nowTick, budget).filter((record) => {
      const base = record * RECORD_WORDS
      return this.words[base + WORD.deadlineTick]! <= nowTick && this.words[base + WORD.controlled]! === 0
    })
    return due.length + (this.#wheel.isBehind(nowTick) ? ended : 0)
  }

  /**
   * Removes a connection that controls no others at once; and its controller with it, where that controls nothing else now
   * and is not a template whose connections were answered.
   */
  remove(record: number, onRemoved: (record: number) => void): void {
    const { words } = this
    const base = record * RECORD_WORDS
    const controller = words[base + WORD.controller]!
    this.#wheel.unfile(record)
    this.#release(record, onRemoved)
    if (controller === NONE || words[controller * RECORD_WORDS + WORD.controlled]! > 0) return
    const isTemplate = (words[controller * RECORD_WORDS + WORD.flags]! & FLAG.template) !== 0
    const isAssured = words[controller * RECORD_WORDS + WORD.state] === TEMPLATE_STATE.assured
    if (!(isTemplate && isAssured)) this.remove(controller, onRemoved)
  }

  /** Takes back a connection that was only just created, and bound to nobody. */
  discard(record: number): void {
    const isFiled = (this.words[record * RECORD_WORDS + WORD.flags]! & FLAG.onePacket) === 0
    if (isFiled) this.#wheel.unfile(record)
    this.#release(record, () => {})
  }

  /** One datagram's connection is over. It was never filed, and its template stays. */
  endOnePacket(record: number, onRemoved: (record: number) => void): void {
    this.#release(record, onRemoved)
  }

  /** Every connection's record, in no order that means anything. */
  *records(): IterableIterator<number> {
    yield* this.recordsFrom(1, this.limit)
  }

  /** The connections among `count` records from `first` on: for going through a large table piece by piece. */
  *recordsFrom(first: number, count: number): IterableIterator<number> {
    const end = Math.min(first + count, this.#untouched)
    for (let record = first; record < end; record++) {
      if (this.words[record * RECORD_WORDS + WORD.flags]! & FLAG.hashed) yield record
    }
  }

  /** Where the next piece begins; the first record again behind the last. */
  cursorAfter(first: number, count: number): number {
    return first + count >= this.#untouched ? 1 : first + count
  }

  /** A record as values, for listings and tests; not for the packet path. */
  describe(record: number, nowMs: number): ConnectionView {
    return viewOf(this.words, record, this.engineData(record), nowMs)
  }

  /** Touches the records that the next `count` new connections will take, as far as they were used before. */
  touchFree(count: number): number {
    const { words } = this
    const { next } = this.index
    let sum = 0
    let record = this.#free
    for (let touched = 0; touched < count && record !== NONE; touched++) {
      sum = (sum + words[record * RECORD_WORDS]! + words[record * RECORD_WORDS + WORD.flags]!) | 0
      record = next[record]!
    }
    return sum
  }

  #takeRecord(): number {
    const record = this.#free
    if (record !== NONE) {
      this.#free = this.index.next[record]!
      return record
    }
    return this.#untouched > this.limit ? NONE : this.#untouched++
  }

  #release(record: number, onRemoved: (record: number) => void): void {
    const words = this.words
    const base = record * RECORD_WORDS
    if (words[base + WORD.flags]! & FLAG.hashed) this.index.remove(record)
    const controller = words[base + WORD.controller]!
    if (controller !== NONE) words[controller * RECORD_WORDS + WORD.controlled]! -= 1
    onRemoved(record)
    if (words[base + WORD.flags]! & FLAG.engineData) this.#engineData.delete(record)
    words[base + WORD.flags] = 0
    this.index.next[record] = this.#free
    this.#free = record
    this.#size--
  }
}
