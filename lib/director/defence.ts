/** IPVS's defence strategies: what is given up when memory is short, or always where the operator says so. */

import type { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, TEMPLATE_STATE, WORD } from '../conn/layout.ts'
import type { Protocol } from '../conn/protocol.ts'
import { startTickOf, TICKS_PER_SEC } from '../conn/ticks.ts'
import type { Knobs } from './knobs.ts'

/** The values of `drop_entry`, `drop_packet` and `secure_tcp`. */
export const DEFENCE_MODE = { off: 0, waiting: 1, active: 2, always: 3 } as const

const PERIOD_MS = 1000
/** What share of the buckets `drop_entry` visits in a second. */
const VISITED_SHARE = 32
const IDLE_TICKS = 60 * TICKS_PER_SEC
/** A connection with more packets than this is never dropped for being idle. */
const PACKETS_MAX = 8

const MODES = ['drop_entry', 'drop_packet', 'secure_tcp'] as const

export class Defence {
  readonly #knobs: Knobs
  #nextMs = 0
  /** One packet in so many is dropped; 0 drops none. */
  #rate = 0
  #counter = 0
  /** Buckets still to be visited of this second's share. */
  #visits = 0
  /** How many candidates with so many packets have come since one was dropped. */
  readonly #candidates = new Int32Array(PACKETS_MAX + 1)

  constructor(knobs: Knobs) {
    this.#knobs = knobs
  }

  isActive(knob: (typeof MODES)[number]): boolean {
    return this.#knobs[knob] >= DEFENCE_MODE.active
  }

  /** Whether the packet, about to start a connection, is the one in so many that `drop_packet` gives up. */
  dropsPacket(): boolean {
    const rate = this.#packetRate
    if (rate === 0) return false
    this.#counter--
    if (this.#counter > 0) return false
    this.#counter = rate
    return true
  }

  /** What {@link Defence.dropsPacket} is doing: one packet in `oneIn` goes, the next after `spared` others; null: nothing. */
  get packetDropping(): { readonly oneIn: number; readonly spared: number } | null {
    const oneIn = this.#packetRate
    return oneIn === 0 ? null : { oneIn: Math.max(1, oneIn), spared: Math.max(0, this.#counter - 1) }
  }

  /** Drops from now on the packets that the other would. */
  imitate(other: Defence): void {
    this.#rate = other.#rate
    this.#counter = other.#counter
  }

  /** One packet in so many; 0: none. */
  get #packetRate(): number {
    if (!this.isActive('drop_packet')) return 0
    return this.#knobs.drop_packet === DEFENCE_MODE.always ? this.#knobs.am_droprate : this.#rate
  }

  /** Once a second: automatic modes follow the memory, and `drop_entry` gets its share of buckets to visit. */
  passTime(nowMs: number, readAvailablePages: () => number, buckets: number): void {
    if (nowMs < this.#nextMs) return
    this.#nextMs = nowMs + PERIOD_MS
    const availablePages = readAvailablePages()
    const { amemthresh } = this.#knobs
    const isShort = availablePages < amemthresh
    for (const knob of MODES) {
      const mode = this.#knobs[knob]
      if (mode === DEFENCE_MODE.waiting && isShort) this.#knobs[knob] = DEFENCE_MODE.active
      else if (mode === DEFENCE_MODE.active && !isShort) this.#knobs[knob] = DEFENCE_MODE.waiting
    }
    const isDropping = this.#knobs.drop_packet === DEFENCE_MODE.active
    this.#rate = isDropping ? Math.floor(amemthresh / (amemthresh - availablePages)) : 0
    if (isDropping) this.#counter = this.#rate
    this.#visits = this.isActive('drop_entry') ? Math.floor(buckets / VISITED_SHARE) : 0
  }

  /** Visits up to `budget` randomly chosen buckets, and removes what `drop_entry` would there. */
  dropEntries(
    connections: ConnectionTable,
    options: {
      readonly budget: number
      readonly nowMs: number
      readonly random: () => number
      readonly protocol: (number: number) => Protocol | undefined
      /** Whether the template's service schedules each datagram by itself. */
      readonly isOnePacket: (template: number) => boolean
      readonly onRemoved: (record: number) => void
    },
  ): void {
    const { words, index, buckets } = connections
    const visits = Math.min(this.#visits, options.budget)
    this.#visits -= visits
    for (let visit = 0; visit < visits; visit++) {
      let record = index.newest(Math.floor(options.random() * buckets))
      while (record !== NONE) {
        const base = record * RECORD_WORDS
        const next = index.after(record)
        const isFree = words[base + WORD.controlled] === 0
        if (isFree && this.#isDropped(connections, record, options)) {
          connections.remove(record, options.onRemoved)
          // The controller may have gone with it, and it may have been the next.
          if (next !== NONE && (words[next * RECORD_WORDS + WORD.flags]! & FLAG.hashed) === 0) break
        }
        record = next
      }
    }
  }

  #isDropped(
    { words }: ConnectionTable,
    record: number,
    options: {
      readonly nowMs: number
      readonly protocol: (number: number) => Protocol | undefined
      readonly isOnePacket: (template: number) => boolean
    },
  ): boolean {
    const base = record * RECORD_WORDS
    const state = words[base + WORD.state]!
    if ((words[base + WORD.flags]! & FLAG.template) !== 0) {
      if (options.isOnePacket(record)) return this.#isUnlucky(words, base, options.nowMs)
      return state !== TEMPLATE_STATE.assured
    }
    const protocol = options.protocol((words[base + WORD.kind]! >>> 8) & 0xff)
    const fate = protocol?.underAttack?.(state) ?? 'maybe'
    return fate === 'drop' || (fate === 'maybe' && this.#isUnlucky(words, base, options.nowMs))
  }

  /** Of the connections idle for a minute with n packets so far, the first of each n goes. */
  #isUnlucky(words: Int32Array, base: number, nowMs: number): boolean {
    const remaining = words[base + WORD.deadlineTick]! - startTickOf(nowMs)
    if (words[base + WORD.timeoutTicks]! - remaining < IDLE_TICKS) return false
    const packets = words[base + WORD.inPackets]!
    if (packets < 1 || packets > PACKETS_MAX) return false
    const earlier = this.#candidates[packets]!
    this.#candidates[packets] = (earlier + 1) % packets
    return earlier === 0
  }
}
