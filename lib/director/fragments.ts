/** Fragments are held until their datagram is whole, which then goes the way of any packet. */

import type { Malformed } from '../wire/malformed.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { REASSEMBLY_REASONS, type Reassembled, Reassembly } from '../wire/reassembly.ts'
import type { ReasonCounters } from './reasons.ts'
import { HEADROOM_BYTES } from './verdict.ts'

export class Fragments {
  readonly #packet: Packet
  readonly #reassembly = new Reassembly({ headroomBytes: HEADROOM_BYTES })
  readonly #dropped: ReasonCounters
  readonly #answersEcho: boolean
  /** How many were given up for each reason when last looked at. */
  readonly #counted: Record<string, number> = {}

  constructor(packet: Packet, dropped: ReasonCounters, answersEcho: boolean) {
    this.#packet = packet
    this.#answersEcho = answersEcho
    this.#dropped = dropped
  }

  /** Datagrams that wait for the rest of them. */
  get waiting(): number {
    return this.#reassembly.size
  }

  /** Whether the present packet is a fragment that is to be put together with others. */
  isToBeHeld(hasPorts: boolean): boolean {
    const packet = this.#packet
    if (!packet.isFragment) return false
    if (packet.family === 4) return hasPorts || packet.protocol === PROTOCOL.icmp
    // ICMPv6 errors in fragments the kernel drops; pings in fragments are to be answered, where any are.
    return hasPorts || (this.#answersEcho && packet.protocol === PROTOCOL.icmpv6)
  }

  /**
   * Takes the present fragment in. Answers how the datagram came that it completes, which is the present packet from
   * then on; null while it waits, or is given up.
   */
  complete(nowMs: number): Reassembled | null {
    const whole = this.#reassembly.add(this.#packet, nowMs)
    if (whole === null) this.#countLosses()
    return whole
  }

  /** Reads the whole datagram as the present packet; its flaw, where it has one. */
  read(whole: Reassembled): Malformed | null {
    return this.#packet.read(whole.bytes, whole.start, whole.end)
  }

  /** Takes in `packet`, which is a fragment, as the other would now. */
  imitate(other: Fragments, packet: Packet): void {
    this.#reassembly.imitate(other.#reassembly, packet)
  }

  /** Lets time pass: gives up what waited too long. */
  passTime(nowMs: number): void {
    if (this.waiting === 0) return
    this.#reassembly.passTime(nowMs)
    this.#countLosses()
  }

  #countLosses(): void {
    const { counts } = this.#reassembly
    for (const reason of REASSEMBLY_REASONS) {
      const before = this.#counted[reason] ?? 0
      for (let count = before; count < counts[reason]; count++) this.#dropped.count(`fragment-${reason}`)
      this.#counted[reason] = counts[reason]
    }
  }
}
