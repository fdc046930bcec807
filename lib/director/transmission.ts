/** The last step towards a destination: hop limit, size, and the encoder of the connection's forwarding method. */

import { FLAG, RECORD_WORDS, WORD } from '../conn/layout.ts'
import { decrementHopLimit } from '../encode/hop-limit.ts'
import { rewriteInbound } from '../encode/nat.ts'
import { OFFLOAD, type Offload } from '../encode/offload.ts'
import { encapsulate, leavesChecksum, type OuterOptions, overheadBytes } from '../encode/tunnel.ts'
import { type Destination, METHOD } from '../service/destination.ts'
import type { Packet } from '../wire/packet.ts'
import { finishTransportChecksum } from '../wire/transport-checksum.ts'
import type { Answers } from './answers.ts'
import type { Knobs } from './knobs.ts'
import type { Related } from './related.ts'
import { type Arrival, HEADROOM_BYTES, type Verdict } from './verdict.ts'

/** A way on which a tunnel leaves less than this is none, as the kernel has it; by the outer family. */
const MIN_TUNNEL_MTU_BYTES = { 4: 68, 6: 1280 } as const
/** What the length in an outer IPv4 header can say; so long a packet has no room left for another header. */
const MAX_PACKET_BYTES = 65_535

export interface TransmissionParts {
  readonly packet: Packet
  /** The connection table's memory. */
  readonly words: Int32Array
  readonly answers: Answers
  readonly knobs: Knobs
  /** Methods whose packets the kernel forwards after the verdict, and so takes one off their hop limit itself. */
  readonly kernelForwards: { readonly masquerading: boolean; readonly gatewaying: boolean }
}

export class Transmission {
  readonly #packet: Packet
  readonly #words: Int32Array
  readonly #answers: Answers
  readonly #knobs: Knobs
  readonly #kernelForwards: TransmissionParts['kernelForwards']
  readonly #scratch = new Uint8Array(HEADROOM_BYTES + 65_536)
  readonly #outer: OuterOptions = { identification: 0, dontFragment: false, leavesChecksum: false }

  constructor({ packet, words, answers, knobs, kernelForwards }: TransmissionParts) {
    this.#packet = packet
    this.#words = words
    this.#answers = answers
    this.#knobs = knobs
    this.#kernelForwards = kernelForwards
  }

  /** The encoder of the connection's own method: editing a destination does not change connections that exist. */
  transmit(base: number, destination: Destination, arrival: Arrival): Verdict {
    const packet = this.#packet
    if (packet.hopLimit <= 1) return this.#answers.refuse('hop-limit-exceeded', 'timeExceeded', arrival.nowMs)
    const words = this.#words
    switch (words[base + WORD.flags]! & FLAG.methodMask) {
      case METHOD.masquerading:
        if (this.#isTooBig(destination, 0, arrival.offload))
          return this.#refuseTooBig(destination, 0, arrival)
        if (!this.#kernelForwards.masquerading) decrementHopLimit(packet)
        rewriteInbound(packet, words, base, arrival.offload)
        return this.#answers.forward('rewrite', packet.start, destination)
      case METHOD.gatewaying:
        if (this.#kernelForwards.gatewaying) return this.#answers.forward('direct', packet.start, destination)
        if (this.#isTooBig(destination, 0, arrival.offload))
          return this.#refuseTooBig(destination, 0, arrival)
        decrementHopLimit(packet)
        if (arrival.offload !== OFFLOAD.finished) finishTransportChecksum(packet)
        return this.#answers.forward('direct', packet.start, destination)
      default:
        return this.#tunnel(destination, arrival)
    }
  }

  /** An ICMP error on its way to the destination, as its connection's packets go; its size is not looked at. */
  relay(related: Related, record: number, destination: Destination, arrival: Arrival): Verdict {
    const packet = this.#packet
    if (packet.hopLimit <= 1) return this.#answers.refuse('hop-limit-exceeded', 'timeExceeded', arrival.nowMs)
    if (related.translate(packet, record, 'inbound')) {
      if (!this.#kernelForwards.masquerading) decrementHopLimit(packet)
      return this.#answers.forward('rewrite', packet.start, destination)
    }
    const method = this.#words[record * RECORD_WORDS + WORD.flags]! & FLAG.methodMask
    if (method !== METHOD.gatewaying) return this.#tunnel(destination, arrival, true)
    if (!this.#kernelForwards.gatewaying) decrementHopLimit(packet)
    return this.#answers.forward('direct', packet.start, destination)
  }

  #tunnel(destination: Destination, arrival: Arrival, isRelated = false): Verdict {
    const packet = this.#packet
    const { path } = destination
    if (path === null) return this.#answers.refuse('no-path', 'hostUnreachable', arrival.nowMs)
    const { family } = destination.address
    const outer = this.#outer
    outer.leavesChecksum = leavesChecksum(destination, packet, arrival.offload)
    outer.dontFragment = packet.dontFragment && this.#knobs.pmtu_disc !== 0
    const outerBytes = overheadBytes(destination, outer.leavesChecksum)
    if (path.mtuBytes - outerBytes < MIN_TUNNEL_MTU_BYTES[family]) return this.#answers.drop('no-path')
    const isLongest = packet.totalBytes + outerBytes > MAX_PACKET_BYTES
    const mayFragment = packet.family === 4 && !outer.dontFragment
    if (
      isLongest ||
      (!mayFragment && !isRelated && this.#isTooBig(destination, outerBytes, OFFLOAD.finished))
    ) {
      return this.#refuseTooBig(destination, outerBytes, arrival)
    }
    if (packet.start < outerBytes) this.#moveToScratch()
    decrementHopLimit(packet)
    if (arrival.offload !== OFFLOAD.finished && !outer.leavesChecksum) finishTransportChecksum(packet)
    outer.identification = this.#answers.nextIdentification()
    const start = encapsulate(packet, destination, path, outer)
    return this.#answers.forward('send', start, destination)
  }

  /** A packet that must not be fragmented and does not fit the way; a super-packet's segments do fit. */
  #isTooBig({ path }: Destination, overheadBytes: number, offload: Offload): boolean {
    const packet = this.#packet
    if (path === null || offload === OFFLOAD.unfinishedSuper) return false
    if (packet.totalBytes <= path.mtuBytes - overheadBytes) return false
    return packet.family === 6 || packet.dontFragment
  }

  #refuseTooBig({ path }: Destination, overheadBytes: number, arrival: Arrival): Verdict {
    const mtuBytes = path === null ? 0 : path.mtuBytes - overheadBytes
    // As the kernel has it, the sender is quoted its packet one hop on.
    decrementHopLimit(this.#packet)
    return this.#answers.refuse('too-big', 'packetTooBig', arrival.nowMs, mtuBytes)
  }

  /** The packet lies too near the start of its bytes for an outer header: a copy goes on instead. */
  #moveToScratch(): void {
    const { bytes, start, end } = this.#packet
    this.#scratch.set(bytes.subarray(start, end), HEADROOM_BYTES)
    this.#packet.read(this.#scratch, HEADROOM_BYTES, HEADROOM_BYTES + end - start)
  }
}
