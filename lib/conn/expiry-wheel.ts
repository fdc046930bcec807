/**
 * Deadlines of connections, in a wheel of slots that are lists of records. The lists' links lie apart from the records:
 * filing one, or taking it out, touches its neighbours' links and not the neighbours.
 *
 * A packet that prolongs its connection only writes a later deadline: the record stays filed where it is and is filed
 * anew when its slot comes round. So the common case touches no list; only a deadline that moves *forward* in time
 * of filing (a connection that closes) is filed at once.
 */

import { NONE, RECORD_WORDS, WORD } from './layout.ts'

/** 27 minutes of ticks: TCP's 15-minute timeout is filed once, a persistence of hours a few times. */
const SLOTS = 16_384
const SLOT_MASK = SLOTS - 1

/** Two words a record. */
const LINK_WORDS = 2
const LINK = { next: 0, previous: 1 } as const

export class ExpiryWheel {
  readonly #words: Int32Array
  readonly #links: Int32Array
  readonly #heads = new Int32Array(SLOTS)
  /** The tick that is being worked off: every slot before it is done. */
  #tick: number
  /** What is left of the slot being worked off; it was cut loose so that new filings cannot mix in. */
  #pending = NONE

  constructor(words: Int32Array, nowTick: number) {
    this.#words = words
    this.#links = new Int32Array((words.length / RECORD_WORDS) * LINK_WORDS)
    this.#tick = nowTick
  }

  /** Files a record under its deadline. It must not be filed already. */
  file(record: number): void {
    const words = this.#words
    const links = this.#links
    const base = record * RECORD_WORDS
    // A deadline that has passed already is due in the slot being worked off next; a far one waits a round.
    const earliest = this.#tick + 1
    const latest = this.#tick + SLOT_MASK
    const tick = Math.max(earliest, Math.min(words[base + WORD.deadlineTick]!, latest))
    const slot = tick & SLOT_MASK
    const next = this.#heads[slot]!
    words[base + WORD.filedTick] = tick
    links[record * LINK_WORDS + LINK.next] = next
    links[record * LINK_WORDS + LINK.previous] = NONE
    if (next !== NONE) links[next * LINK_WORDS + LINK.previous] = record
    this.#heads[slot] = record
  }

  /** Takes a filed record out. */
  unfile(record: number): void {
    const links = this.#links
    const next = links[record * LINK_WORDS + LINK.next]!
    const previous = links[record * LINK_WORDS + LINK.previous]!
    if (next !== NONE) links[next * LINK_WORDS + LINK.previous] = previous
    if (previous !== NONE) links[previous * LINK_WORDS + LINK.next] = next
    else if (this.#pending === record) this.#pending = next
    else this.#heads[this.#words[record * RECORD_WORDS + WORD.filedTick]! & SLOT_MASK] = next
  }

  /** Whether something filed now under a deadline that has passed would be due. */
  isBehind(nowTick: number): boolean {
    return this.#tick < nowTick
  }

  /** Those that {@link ExpiryWheel.takeDue} would give next, at most `most`; they stay where they are. */
  peekDue(nowTick: number, most: number): number[] {
    const due: number[] = []
    const lastTick = Math.min(nowTick, this.#tick + SLOTS)
    let record = this.#pending
    for (let tick = this.#tick; ; record = this.#heads[++tick & SLOT_MASK]!) {
      for (; record !== NONE && due.length < most; record = this.#links[record * LINK_WORDS + LINK.next]!)
        due.push(record)
      if (due.length === most || tick >= lastTick) return due
    }
  }

  /**
   * Takes the next records whose slot has come, `most` of them or as many as `into` has room for, and answers how many; 0
   * when everything up to `nowTick` is worked off.
   */
  takeDue(nowTick: number, into: Int32Array, most: number): number {
    const links = this.#links
    const room = Math.min(most, into.length)
    let taken = 0
    while (taken < room) {
      if (this.#pending === NONE) {
        if (this.#tick >= nowTick) break
        this.#tick++
        const slot = this.#tick & SLOT_MASK
        this.#pending = this.#heads[slot]!
        this.#heads[slot] = NONE
        continue
      }
      into[taken++] = this.#pending
      this.#pending = links[this.#pending * LINK_WORDS + LINK.next]!
      if (this.#pending !== NONE) links[this.#pending * LINK_WORDS + LINK.previous] = NONE
    }
    return taken
  }
}
