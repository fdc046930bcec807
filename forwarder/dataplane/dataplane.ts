/** One packet's way between the kernel's queue and the director: the arrival in, the verdict out. */

import { readU8 } from '../../lib/bytes/octets.ts'
import type { Director } from '../../lib/director/director.ts'
import type { Arrival, Verdict } from '../../lib/director/verdict.ts'
import { type EmitFragment, forbidsFragments, fragment } from '../../lib/encode/fragment.ts'
import { decrementHopLimit } from '../../lib/encode/hop-limit.ts'
import { OFFLOAD, type Offload } from '../../lib/encode/offload.ts'
import type { Destination } from '../../lib/service/destination.ts'
import type { Reassembled } from '../../lib/wire/reassembly.ts'
import type { Egress, Hop } from '../egress/egress.ts'
import type { PacketSink } from '../egress/raw.ts'
import {
  type Foresight,
  HOOK,
  type PacketHandler,
  type QueuedPacket,
  type QueueVerdict,
} from '../queue/packet-queue.ts'

/** Why a forwarded packet could not leave, beyond what the director counts itself. */
export interface DataplaneCounters {
  noHop: number
}

const NO_BYTES = new Uint8Array(0)
const FRAGMENT_MAX_BYTES = 65_536
const ETHERNET_MTU_BYTES = 1500
const IPV6_MIN_MTU_BYTES = 1280

/**
 * Binds a director to the drivers. {@link Dataplane.handle} is the handler of every queue; {@link Dataplane.flush} is to be
 * called after each batch, before the queue's area is written again.
 */
export class Dataplane {
  readonly director: Director
  readonly counters: DataplaneCounters = { noHop: 0 }
  readonly #egress: Egress
  readonly #sink: PacketSink
  readonly #markMask: number
  readonly #now: () => number
  /** By destination id: where direct routing sends. */
  readonly #hops = new Map<number, Hop>()
  readonly #fragment = new Uint8Array(FRAGMENT_MAX_BYTES)
  #identification = 0

  readonly #arrival: Arrival = {
    bytes: NO_BYTES,
    start: 0,
    end: 0,
    hook: 'inbound',
    mark: 0,
    offload: OFFLOAD.finished,
    nowMs: 0,
  }
  readonly #answer: QueueVerdict = {
    kind: 'accept',
    bytes: NO_BYTES,
    start: 0,
    end: 0,
    setsMark: false,
    mark: 0,
  }

  constructor(
    director: Director,
    parts: { egress: Egress; sink: PacketSink; markMask: number; now: () => number },
  ) {
    this.director = director
    this.#egress = parts.egress
    this.#sink = parts.sink
    this.#markMask = parts.markMask
    this.#now = parts.now
  }

  readonly handle: PacketHandler = (packet) => {
    const arrival = this.#arrival
    arrival.bytes = packet.bytes
    arrival.start = packet.start
    arrival.end = packet.end
    arrival.hook = sideOf(packet)
    arrival.mark = packet.mark
    arrival.offload = offloadOf(packet)
    arrival.nowMs = this.#now()
    const verdict = this.director.process(arrival)
    const answer = this.#answer
    answer.setsMark = false
    switch (verdict.kind) {
      case 'accept':
        answer.kind = 'accept'
        return verdict.reassembled === null ? answer : this.#carryOn(packet, verdict, answer)
      case 'rewrite':
        return this.#carryOn(packet, verdict, answer)
      case 'direct':
        return this.#direct(packet, verdict, answer)
      case 'send':
        this.#send(verdict)
        break
      case 'drop':
      case 'absorb':
        if (verdict.answerBytes > 0) this.#sink.send(this.director.answer, 0, verdict.answerBytes)
    }
    answer.kind = 'drop'
    return answer
  }

  /** Brings near what the packets of a batch will need of the director's memory. */
  readonly foresight: Foresight = {
    expect: (packet) => this.director.expect(packet.bytes, packet.start, sideOf(packet)),
    fetch: () => this.director.fetchExpected(),
  }

  /** Sends what the batch gathered for the sink and the egress driver. */
  flush(): void {
    this.#sink.flush()
    this.#egress.flush()
  }

  /** Learns (or forgets) where a destination's packets go by direct routing. */
  setHop({ id }: Destination, hop: Hop | null): void {
    if (hop === null) this.#hops.delete(id)
    else this.#hops.set(id, hop)
  }

  /**
   * Puts the packet in the place of the one that waits. What came in fragments is whole by now, and longer than the way may
   * take: the kernel cuts IPv4 again, but not IPv6 that it forwards, so that we do.
   */
  #carryOn(packet: QueuedPacket, verdict: Verdict, answer: QueueVerdict): QueueVerdict {
    const staysHere = verdict.kind === 'accept' && packet.hook !== HOOK.forward
    if (
      verdict.reassembled !== null &&
      isIpv6(verdict) &&
      !staysHere &&
      verdict.destination?.path?.isLocal !== true
    ) {
      // What is only passing has had its hop limit taken down already.
      if (packet.hook !== HOOK.forward) decrementHopLimit({ ...verdict, family: 6 })
      this.#cut(verdict, (bytes, length) => this.#sink.send(bytes, 0, length))
      answer.kind = 'drop'
      return answer
    }
    answer.kind = 'replace'
    answer.bytes = verdict.bytes
    answer.start = verdict.start
    answer.end = verdict.end
    return answer
  }

  /** By the kernel, which routes by the mark; or by the egress driver, and the kernel's copy is dropped. */
  #direct(packet: QueuedPacket, verdict: Verdict, answer: QueueVerdict): QueueVerdict {
    const hop = this.#hops.get((verdict.destination as Destination).id)
    answer.kind = 'drop'
    if (hop === undefined) {
      this.counters.noHop++
      return answer
    }
    if (!this.#egress.kernelForwards) {
      if (verdict.reassembled === null) this.#egress.transmit(hop, verdict.bytes, verdict.start, verdict.end)
      else this.#cut(verdict, (bytes, length) => this.#egress.transmit(hop, bytes, 0, length))
      return answer
    }
    const mark = (packet.mark & ~this.#markMask) | this.#egress.markOf(hop.slot)
    if (verdict.reassembled !== null) return this.#directWhole(packet, verdict, answer, mark)
    answer.kind = 'accept'
    answer.setsMark = true
    answer.mark = mark
    return answer
  }

  #directWhole(packet: QueuedPacket, verdict: Verdict, answer: QueueVerdict, mark: number): QueueVerdict {
    if (isIpv6(verdict)) {
      decrementHopLimit({ ...verdict, family: 6 })
      this.#cut(verdict, (bytes, length) => this.#sink.sendMarked(bytes, 0, length, mark))
      return answer
    }
    this.#carryOn(packet, verdict, answer)
    answer.setsMark = true
    answer.mark = mark
    return answer
  }

  /** What is ours to send, in fragments where it must and may be cut. */
  #send({ bytes, start, end, destination }: Verdict): void {
    const mtuBytes = destination === null ? mtuOfAnswer(end - start) : (destination.path?.mtuBytes ?? 0)
    if (end - start <= mtuBytes || forbidsFragments(bytes, start)) {
      this.#sink.send(bytes, start, end)
      return
    }
    const options = { mtuBytes, identification: this.#nextIdentification(), out: this.#fragment }
    fragment(bytes, start, end, options, (out, length) => this.#sink.send(out, 0, length))
  }

  /** A datagram that came in fragments, in fragments again: as it came, where its way takes them. */
  #cut({ bytes, start, end, destination, reassembled }: Verdict, emit: EmitFragment): void {
    const as = reassembled as Reassembled
    const mtuBytes = Math.min(as.largestFragmentBytes, destination?.path?.mtuBytes ?? as.largestFragmentBytes)
    const options = { mtuBytes, identification: this.#nextIdentification(), out: this.#fragment, as }
    fragment(bytes, start, end, options, emit)
  }

  #nextIdentification(): number {
    this.#identification = (this.#identification + 1) | 0
    return this.#identification
  }
}

/** What is forwarded, or comes from this host itself, may be an answer. */
const sideOf = ({ hook }: QueuedPacket): Arrival['hook'] =>
  hook === HOOK.forward || hook === HOOK.output ? 'outbound' : 'inbound'

/**
 * For an answer of our own, whose way is not known: as long as its request, it fits if that may have come in one piece;
 * else it is cut to what every way takes.
 */
const mtuOfAnswer = (answerBytes: number): number =>
  answerBytes <= ETHERNET_MTU_BYTES ? ETHERNET_MTU_BYTES : IPV6_MIN_MTU_BYTES

const isIpv6 = ({ bytes, start }: Verdict): boolean => readU8(bytes, start) >>> 4 === 6

const offloadOf = ({ checksumUnfinished, isSuper }: QueuedPacket): Offload => {
  if (!checksumUnfinished) return OFFLOAD.finished
  return isSuper ? OFFLOAD.unfinishedSuper : OFFLOAD.unfinished
}
