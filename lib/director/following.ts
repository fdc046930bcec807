/** What every packet of a connection does to it: its state, its deadline's measure, its activity, and the statistics. */

import type { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, TEMPLATE_STATE, WORD } from '../conn/layout.ts'
import type { Protocol } from '../conn/protocol.ts'
import { DIRECTION, type Direction, UNCHANGED } from '../conn/state-table.ts'
import type { Counters } from '../service/counters.ts'
import type { Destination } from '../service/destination.ts'
import type { Packet } from '../wire/packet.ts'

export class Following {
  readonly #packet: Packet
  readonly #words: Int32Array
  readonly #totals: Counters

  constructor(packet: Packet, { words }: ConnectionTable, totals: Counters) {
    this.#packet = packet
    this.#words = words
    this.#totals = totals
  }

  /** The connection's state after the packet, the timeout that goes with it, and whether it counts as active. */
  follow(base: number, protocol: Protocol, direction: Direction, destination: Destination): void {
    const words = this.#words
    const state = words[base + WORD.state]!
    const next = protocol.next(state, direction, this.#packet)
    if (next === UNCHANGED) return
    if (direction === DIRECTION.output) words[base + WORD.flags]! &= ~FLAG.noOutput
    words[base + WORD.timeoutTicks] = protocol.timeoutTicks[next]!
    const controller = words[base + WORD.controller]!
    if (controller !== NONE && protocol.assures(next, direction)) this.#assure(controller * RECORD_WORDS)
    if (next === state) return
    words[base + WORD.state] = next
    const wasActive = (words[base + WORD.flags]! & FLAG.inactive) === 0
    const isActive = protocol.isActive[next]!
    if (isActive === wasActive) return
    words[base + WORD.flags]! ^= FLAG.inactive
    destination.moveActivity(isActive)
  }

  countIn(destination: Destination, bytes: number): void {
    destination.counters.countIn(bytes)
    destination.service.counters.countIn(bytes)
    this.#totals.countIn(bytes)
  }

  countOut(destination: Destination, bytes: number): void {
    destination.counters.countOut(bytes)
    destination.service.counters.countOut(bytes)
    this.#totals.countOut(bytes)
  }

  /** A template whose client was answered is kept; a control connection of FTP has a state of its own. */
  #assure(controllerBase: number): void {
    const words = this.#words
    if ((words[controllerBase + WORD.flags]! & FLAG.template) !== 0)
      words[controllerBase + WORD.state] = TEMPLATE_STATE.assured
  }
}
