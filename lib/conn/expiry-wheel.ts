/**
 * Deadlines of connections, in a wheel of slots that are lists threaded through the records themselves.
 *
 * A packet that prolongs its connection only writes a later deadline: the record stays filed where it is and is filed
 * anew when its slot comes round. So the common case touches no list; only a deadline that moves *forward* in time
 * of filing (a connection that closes) is filed at once.
 */

import { NONE, RECORD_WORDS, WORD } from './layout.ts'

/** 27 minutes of ticks: TCP's 15-minute timeout is filed once, a persistence of hours a few times. */
const SLOTS = 16_384
const SLOT_MASK = SLOTS - 1

export class ExpiryWheel {
  readonly #words: Int32Array
  readonly #heads = new Int32Array(SLOTS)
  /** The tick that is being worked off: every slot before it is done. */
  #tick: number
  /** What is left of the slot being worked off; it was cut loose so that new filings cannot mix in. */
  #pending = NONE

  constructor(words: Int32Array, nowTick: number) {
    this.#words = words
    this.#tick = nowTick
  }

  /** Files a record under its deadline. It must not be filed already. */
  file(record: number): void {
    const words = this.#words
    const base = record * RECORD_WORDS
    // A deadline that has passed already is due in the slot being worked off next; a far one waits a round.
    const earliest = this.#tick + 1
    const latest = this.#tick + SLOT_MASK
    const tick = Math.max(earliest, Math.min(words[base + WORD.deadlineTick]!, latest))
    const slot = tick & SLOT_MASK
    const next = this.#heads[slot]!
    words[base + WORD.filedTick] = tick
    words[base + WORD.nextInSlot] = next
    words[base + WORD.previousInSlot] = NONE
    if (next !== NONE) words[next * RECORD_WORDS + WORD.previousInSlot] = record
    this.#heads[slot] = record
  }

  /** Takes a filed record out. */
  unfile(record: number): void {
    const words = this.#words
    const base = record * RECORD_WORDS
    const next = words[base + WORD.nextInSlot]!
    const previous = words[base + WORD.previousInSlot]!
    if (next !== NONE) words[next * RECORD_WORDS + WORD.previousInSlot] = previous
    if (previous !== NONE) words[previous * RECORD_WORDS + WORD.nextInSlot] = next
    else if (this.#pending === record) this.#pending = next
    else this.#heads[words[base + WORD.filedTick]! & SLOT_MASK] = next
  }

  /** Takes the next record whose slot has come, or {@link NONE} when everything up to `nowTick` is worked off. */
  takeDue(nowTick: number): number {
    while (this.#pending === NONE) {
      if (this.#tick >= nowTick) return NONE
      this.#tick++
      const slot = this.#tick & SLOT_MASK
      this.#pending = this.#heads[slot]!
      this.#heads[slot] = NONE
    }
    const record = this.#pending
    this.#pending = this.#words[record * RECORD_WORDS + WORD.nextInSlot]!
    if (this.#pending !== NONE) this.#words[this.#pending * RECORD_WORDS + WORD.previousInSlot] = NONE
    return record
  }
}
