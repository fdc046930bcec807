/**
 * Connections as they are saved and restored: piece by piece, so that no piece takes long, while packets go on changing
 * the table between two of them.
 *
 * A piece is words, and so good for machines of one byte order and one {@link LAYOUT_VERSION}. Each connection in it is
 * its record's number, a bitmap of those words of the record that are not 0, and these words; then, for a template with
 * data of a persistence engine, the data's length and its octets, four a word. Chains and the wheel are not saved:
 * they are made anew. A deadline is saved as the time that is left.
 */

import { IpAddress } from '../bytes/address.ts'
import type { ConnectionTable } from './connection-table.ts'
import { FILING, FLAG, KIND, NONE, RECORD_WORDS, WORD } from './layout.ts'
import type { NewConnection } from './new-connection.ts'
import { startTickOf, TICKS_PER_SEC, tickOf } from './ticks.ts'

const bitsOf = (words: readonly number[]): number => words.reduce((bits, word) => bits | (1 << word), 0)

/** The words of a record that are saved: without those that mean nothing elsewhere, or follow from the others. */
const SAVED_BITS = ~bitsOf([...FILING, WORD.controlled])

/** Those of them that are put back as they were. */
const PUT_BACK_BITS =
  SAVED_BITS & ~bitsOf([WORD.destinationId, WORD.flags, WORD.deadlineTick, WORD.controller])

/** What these connections need lies beside the table as well, and is not saved: FTP's texts, full NAT's ports. */
const NOT_SAVED = FLAG.helped | FLAG.fullNat

export interface SaveOptions {
  readonly first: number
  readonly count: number
  /** The table's clock. */
  readonly nowMs: number
  /** Told of each record that was saved. */
  readonly onSaved?: (record: number) => void
}

/**
 * The connections of `count` buckets from `first` on; every connection is in one of the table's `buckets`. Those of one
 * client and port share a bucket and stay in their order, so that whichever was found before is found after.
 */
export function saveBuckets(
  table: ConnectionTable,
  { first, count, nowMs, onSaved }: SaveOptions,
): Int32Array {
  const records = recordsOf(table, first, Math.min(first + count, table.buckets))
  let dataWords = 0
  for (const record of records) dataWords += engineDataWords(table.engineData(record))
  const out = new Int32Array(records.length * RECORD_WORDS_MAX + dataWords)
  const nowTick = tickOf(nowMs)
  let end = 0
  for (const record of records) {
    end = save(table, record, nowTick, out, end)
    onSaved?.(record)
  }
  return out.slice(0, end)
}

/** Number, bitmap, and as many words as a record has at most. */
const RECORD_WORDS_MAX = 2 + RECORD_WORDS

/** Its length, and four octets a word. */
const engineDataWords = (data: string | null): number => (data === null ? 0 : 1 + Math.ceil(data.length / 4))

/** Of each bucket the oldest first, as they have to be put back. */
function recordsOf({ index, words }: ConnectionTable, first: number, end: number): number[] {
  const records: number[] = []
  for (let bucket = first; bucket < end; bucket++) {
    const from = records.length
    for (let record = index.newest(bucket); record !== NONE; record = index.after(record)) {
      if ((words[record * RECORD_WORDS + WORD.flags]! & NOT_SAVED) === 0) records.push(record)
    }
    if (records.length - from > 1) records.push(...records.splice(from).reverse())
  }
  return records
}

/** Writes a connection at `start` of `out`, and returns where it ends. */
function save(
  table: ConnectionTable,
  record: number,
  nowTick: number,
  out: Int32Array,
  start: number,
): number {
  const { words } = table
  const base = record * RECORD_WORDS
  let at = start + 2
  let bitmap = 0
  for (let word = 0; word < RECORD_WORDS; word++) {
    let value = words[base + word]!
    if (word === WORD.deadlineTick) value = (value - nowTick) | 0
    if (value === 0 || ((SAVED_BITS >>> word) & 1) === 0) continue
    bitmap |= 1 << word
    out[at++] = value
  }
  out[start] = record
  out[start + 1] = bitmap
  if ((words[base + WORD.flags]! & FLAG.engineData) === 0) return at
  const data = table.engineData(record) as string
  out[at++] = data.length
  for (let character = 0; character < data.length; character += 4) out[at++] = packed(data, character)
  return at
}

/** Four characters, of one octet each, as a word. */
const packed = (text: string, at: number): number =>
  [0, 1, 2, 3].reduce((word, octet) => word | ((text.charCodeAt(at + octet) & 0xff) << (octet * 8)), 0)

export interface RestoreOptions {
  /** The table's clock. */
  readonly nowMs: number
  /** How long ago the pieces were saved: what has run out since is not restored. */
  readonly elapsedMs: number
  /** What the destination of this id is called now; null where there is none: its connections are left out. */
  readonly destinationId: (saved: number) => number | null
  /** Told of each record that was restored: its destination has to count it. */
  readonly onRestored: (record: number) => void
}

/** Fills an empty table from pieces that {@link saveBuckets} made, in their order. */
export class Restoration {
  readonly #table: ConnectionTable
  readonly #options: RestoreOptions
  /** The numbers of the records, from what they were to what they are. */
  readonly #numbers = new Map<number, number>()
  /** Records, and the former number of what controls them. */
  readonly #controlled: { readonly record: number; readonly controller: number }[] = []
  #restored = 0
  #leftOut = 0
  readonly #record = new Int32Array(RECORD_WORDS)

  constructor(table: ConnectionTable, options: RestoreOptions) {
    this.#table = table
    this.#options = options
  }

  /** Connections so far: put back, and left out because they ran out, lead nowhere or found the table full. */
  get counts(): { readonly restored: number; readonly leftOut: number } {
    return { restored: this.#restored, leftOut: this.#leftOut }
  }

  /** Puts back a piece's connections; false where it is no such piece, of which the first part may have been put back. */
  put(piece: Int32Array): boolean {
    let at = 0
    while (at < piece.length) {
      if (at + 2 > piece.length) return false
      const number = piece[at++]!
      const bitmap = piece[at++]!
      for (let word = 0; word < RECORD_WORDS; word++) {
        const isSaved = ((bitmap >>> word) & 1) !== 0
        if (isSaved && at >= piece.length) return false
        this.#record[word] = isSaved ? piece[at++]! : 0
      }
      let data: string | null = null
      if ((this.#record[WORD.flags]! & FLAG.engineData) !== 0) {
        const length = at < piece.length ? piece[at++]! : -1
        if (length < 0 || at + Math.ceil(length / 4) > piece.length) return false
        data = unpacked(piece, at, length)
        at += Math.ceil(length / 4)
      }
      this.#restore(number, data)
    }
    return true
  }

  /** Once every piece was put: connections find what controls them. */
  finish(): void {
    const { words } = this.#table
    for (const { record, controller: former } of this.#controlled) {
      const controller = this.#numbers.get(former)
      if (controller === undefined) continue
      // Between two pieces the number may have become another connection's.
      const to = (number: number) => words[number * RECORD_WORDS + WORD.destinationId]
      if (to(controller) === to(record)) this.#table.control(controller, record)
    }
  }

  #restore(number: number, data: string | null): void {
    const table = this.#table
    const { nowMs, elapsedMs, destinationId, onRestored } = this.#options
    const saved = this.#record
    const left = saved[WORD.deadlineTick]! - Math.floor((elapsedMs * TICKS_PER_SEC) / 1000)
    const id = destinationId(saved[WORD.destinationId]!)
    const record = left <= 0 || id === null ? NONE : table.create(identityOf(saved, id), nowMs)
    if (record === NONE) {
      this.#leftOut++
      return
    }
    const base = record * RECORD_WORDS
    for (let word = 0; word < RECORD_WORDS; word++) {
      if (((PUT_BACK_BITS >>> word) & 1) !== 0) table.words[base + word] = saved[word]!
    }
    table.prolong(record, startTickOf(nowMs) + left - saved[WORD.timeoutTicks]!)
    if (data !== null) table.setEngineData(record, data)
    this.#numbers.set(number, record)
    const controller = saved[WORD.controller]!
    if (controller !== NONE) this.#controlled.push({ record, controller })
    this.#restored++
    onRestored(record)
  }
}

function identityOf(saved: Int32Array, destinationId: number): NewConnection {
  const kind = saved[WORD.kind]!
  const destination = (word: number) => saved[WORD.destination + word]!
  return {
    family: kind & KIND.ipv6 ? 6 : 4,
    protocol: (kind >>> 8) & 0xff,
    clientW0: saved[WORD.client]!,
    clientW1: saved[WORD.client + 1]!,
    clientW2: saved[WORD.client + 2]!,
    clientW3: saved[WORD.client + 3]!,
    clientPort: saved[WORD.ports]! >>> 16,
    virtualW0: saved[WORD.virtual]!,
    virtualW1: saved[WORD.virtual + 1]!,
    virtualW2: saved[WORD.virtual + 2]!,
    virtualW3: saved[WORD.virtual + 3]!,
    virtualPort: saved[WORD.ports]! & 0xffff,
    destination: new IpAddress(
      kind & KIND.destinationIpv6 ? 6 : 4,
      destination(0),
      destination(1),
      destination(2),
      destination(3),
    ),
    destinationPort: kind >>> 16,
    destinationId,
    flags: saved[WORD.flags]! & ~(FLAG.hashed | FLAG.engineData),
    fwmark: saved[WORD.fwmark]!,
  }
}

function unpacked(words: Int32Array, from: number, length: number): string {
  let text = ''
  for (let at = 0; at < length; at++)
    text += String.fromCharCode((words[from + (at >>> 2)]! >>> ((at & 3) * 8)) & 0xff)
  return text
}
