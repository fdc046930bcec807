import { EMSGSIZE } from '../native/constants.ts'
import type { Egress, Hop } from './egress.ts'
import type { Neighbours } from './neighbours.ts'

/** Packets kept while their neighbour is being resolved, over all neighbours; the oldest gives way to one more. */
const HELD_MAX = 64

/** The kernel tries for three seconds before it gives a neighbour up; a sender has tried again by then. */
const HELD_MAX_MS = 3000

/** Kept by drivers that build frames, read by the control API. */
export interface LinkCounters {
  sent: number
  /** The next hop's link-layer address could not be found out in time. */
  noNeighbour: number
  /** Longer than the device takes; frames are not segmented. */
  tooLong: number
  failed: number
}

/** How a driver puts one packet on the link: what differs between the drivers that build frames. */
export interface FrameSender {
  /** Sends or gathers the IP packet for the neighbour with that link-layer address, and counts what becomes of it. */
  send(hop: Hop, neighbour: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean
  flush(): void
  close(): void
}

interface Held {
  readonly hop: Hop
  readonly packet: Uint8Array
  readonly sinceMs: number
}

/**
 * Direct routing by frames of our own, around the kernel's routing: the next hop's link-layer address is looked up,
 * and a packet whose next hop is not resolved yet waits for it, as it would in the kernel. What waits is tried again
 * with every flush, so flush belongs into every round of the data path's loop, idle ones included.
 */
export class LinkEgress implements Egress {
  readonly name: 'frame' | 'cap'
  readonly kernelForwards = false
  readonly counters: LinkCounters
  readonly #sender: FrameSender
  readonly #neighbours: Pick<Neighbours, 'find' | 'close'>
  readonly #nowMs: () => number
  #held: Held[] = []

  constructor(
    name: 'frame' | 'cap',
    parts: {
      sender: FrameSender
      counters: LinkCounters
      neighbours: Pick<Neighbours, 'find' | 'close'>
      nowMs: () => number
    },
  ) {
    this.name = name
    this.counters = parts.counters
    this.#sender = parts.sender
    this.#neighbours = parts.neighbours
    this.#nowMs = parts.nowMs
  }

  /** No marks: the kernel never sees these packets again. */
  markOf(): number {
    return 0
  }

  transmit(hop: Hop, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#held.length > 0) this.#sendHeld()
    const neighbour = this.#neighbours.find(hop)
    if (neighbour !== null) return this.#sender.send(hop, neighbour, bytes, start, end)
    if (this.#held.length === HELD_MAX) {
      this.#held.shift()
      this.counters.noNeighbour++
    }
    this.#held.push({ hop, packet: new Uint8Array(bytes.subarray(start, end)), sinceMs: this.#nowMs() })
    return true
  }

  flush(): void {
    if (this.#held.length > 0) this.#sendHeld()
    this.#sender.flush()
  }

  close(): void {
    this.#sender.close()
    this.#neighbours.close()
  }

  #sendHeld(): void {
    const expiredMs = this.#nowMs() - HELD_MAX_MS
    const still: Held[] = []
    for (const each of this.#held) {
      const neighbour = this.#neighbours.find(each.hop)
      if (neighbour !== null) this.#sender.send(each.hop, neighbour, each.packet, 0, each.packet.length)
      else if (each.sinceMs < expiredMs) this.counters.noNeighbour++
      else still.push(each)
    }
    this.#held = still
  }
}

export const noLinkCounters = (): LinkCounters => ({ sent: 0, noNeighbour: 0, tooLong: 0, failed: 0 })

/** Counts what became of a packet by its errno, a positive number, or 0 where it left. */
export function countByErrno(counters: LinkCounters, errno: number): void {
  if (errno === 0) counters.sent++
  else if (errno === EMSGSIZE) counters.tooLong++
  else counters.failed++
}
