/** The last step towards a destination: hop limit, size, and the encoder of the connection's forwarding method. */

import { FLAG, RECORD_WORDS, WORD } from '../conn/layout.ts'
import { decrementHopLimit } from '../encode/hop-limit.ts'
import { clampMss } from '../encode/mss.ts'
import { rewriteClient, rewriteInbound } from '../encode/nat.ts'
import { OFFLOAD, type Offload } from '../encode/offload.ts'
import { encapsulate, leavesChecksum, type OuterOptions, overheadBytes } from '../encode/tunnel.ts'
import { type Destination, METHOD, type Path } from '../service/destination.ts'
import type { Packet } from '../wire/packet.ts'
import { finishTransportChecksum } from '../wire/transport-checksum.ts'
import type { Answers } from './answers.ts'
import type { Following } from './following.ts'
import type { FtpHelper } from './ftp-helper.ts'
import type { FullNat } from './full-nat.ts'
import type { Knobs } from './knobs.ts'
import type { Related } from './related.ts'
import type { Scratch } from './scratch.ts'
import type { Arrival, Verdict } from './verdict.ts'

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
  readonly following: Following
  readonly scratch: Scratch
  readonly ftp: FtpHelper
  readonly fullNat: FullNat
  /** Methods whose packets the kernel forwards after the verdict, and so takes one off their hop limit itself. */
  readonly kernelForwards: { readonly masquerading: boolean; readonly gatewaying: boolean }
}

export class Transmission {
  readonly #parts: TransmissionParts
  readonly #packet: Packet
  readonly #words: Int32Array
  readonly #answers: Answers
  readonly #knobs: Knobs
  readonly #kernelForwards: TransmissionParts['kernelForwards']
  readonly #outer: OuterOptions = { identification: 0, dontFragment: false, leavesChecksum: false }

  constructor(parts: TransmissionParts) {
    this.#parts = parts
    this.#packet = parts.packet
    this.#words = parts.words
    this.#answers = parts.answers
    this.#knobs = parts.knobs
    this.#kernelForwards = parts.kernelForwards
  }

  /** The encoder of the connection's own method: editing a destination does not change connections that exist. */
  transmit(record: number, destination: Destination, arrival: Arrival): Verdict {
    const packet = this.#packet
    const flags = this.#words[record * RECORD_WORDS + WORD.flags]!
    const method = flags & FLAG.methodMask
    const { path } = destination
    if (path !== null && path.isLocal === true) return this.#deliver(record, flags, destination, arrival)
    if (packet.hopLimit <= 1) return this.#refuseExpired(method, destination, arrival)
    switch (method) {
      case METHOD.masquerading:
        if (this.#isTooBig(path, 0, arrival.offload))
          return this.#refuseTooBig(method, destination, 0, arrival)
        if (!this.#kernelForwards.masquerading) decrementHopLimit(packet)
        return this.#masquerade(record, flags, destination, arrival)
      case METHOD.gatewaying:
        if (this.#kernelForwards.gatewaying) return this.#answers.forward('direct', packet.start, destination)
        if (this.#isTooBig(path, 0, arrival.offload))
          return this.#refuseTooBig(method, destination, 0, arrival)
        decrementHopLimit(packet)
        if (arrival.offload !== OFFLOAD.finished) finishTransportChecksum(packet)
        return this.#answers.forward('direct', packet.start, destination)
      case METHOD.bypass:
        if (!this.#kernelForwards.masquerading) decrementHopLimit(packet)
        return this.#answers.forward('rewrite', packet.start, null)
      default:
        return this.#tunnel(destination, arrival)
    }
  }

  /** An ICMP error on its way to the destination, as its connection's packets go; its size is not looked at. */
  relay(related: Related, record: number, destination: Destination, arrival: Arrival): Verdict {
    const packet = this.#packet
    const method = this.#words[record * RECORD_WORDS + WORD.flags]! & FLAG.methodMask
    const isLocal = destination.path?.isLocal === true
    if (!isLocal && packet.hopLimit <= 1) return this.#refuseExpired(method, destination, arrival)
    if (related.translate(packet, record, 'inbound')) {
      if (!isLocal && !this.#kernelForwards.masquerading) decrementHopLimit(packet)
      return this.#answers.forward('rewrite', packet.start, destination)
    }
    if (isLocal) return this.#answers.forward('accept', packet.start, destination)
    if (method === METHOD.ipip) return this.#tunnel(destination, arrival, true)
    const kernelForwards =
      method === METHOD.bypass ? this.#kernelForwards.masquerading : this.#kernelForwards.gatewaying
    if (!kernelForwards) decrementHopLimit(packet)
    if (method === METHOD.bypass) return this.#answers.forward('rewrite', packet.start, null)
    return this.#answers.forward('direct', packet.start, destination)
  }

  /**
   * A server's answer that goes back as it is: where its tunnel asks for it, the segment size that it announces is lowered.
   * Whether it was.
   */
  clampAnswer({ tunnel, method, path, address }: Destination, { offload }: Arrival): boolean {
    if (tunnel.clampsMss !== true || method !== 'ipip' || path === null) return false
    return clampMss(this.#packet, path.mtuBytes - overheadBytes({ address, tunnel }, false), offload)
  }

  #masquerade(record: number, flags: number, destination: Destination, arrival: Arrival): Verdict {
    const packet = this.#packet
    const { ftp, fullNat } = this.#parts
    if ((flags & FLAG.helped) !== 0) {
      const flaw = ftp.request(record, arrival.offload, arrival.nowMs)
      if (flaw !== null) return this.#answers.drop(flaw)
    }
    if ((flags & FLAG.fullNat) !== 0) rewriteClient(packet, fullNat.localOf(record))
    rewriteInbound(packet, this.#words, record * RECORD_WORDS, arrival.offload)
    return this.#answers.forward('rewrite', packet.start, destination)
  }

  /** To a real server that is this host: nothing is forwarded, so hop limit and size are no matter. */
  #deliver(record: number, flags: number, destination: Destination, arrival: Arrival): Verdict {
    if ((flags & FLAG.methodMask) === METHOD.masquerading)
      return this.#masquerade(record, flags, destination, arrival)
    return this.#answers.forward('accept', this.#packet.start, destination)
  }

  #tunnel(destination: Destination, arrival: Arrival, isRelated = false): Verdict {
    const packet = this.#packet
    const { path, tunnel } = destination
    if (path === null) return this.#answers.refuse('no-path', 'hostUnreachable', arrival.nowMs)
    const { family } = destination.address
    const outer = this.#outer
    outer.leavesChecksum = leavesChecksum(destination, packet, arrival.offload)
    outer.dontFragment = packet.dontFragment && this.#knobs.pmtu_disc !== 0
    const outerBytes = overheadBytes(destination, outer.leavesChecksum)
    if (path.mtuBytes - outerBytes < MIN_TUNNEL_MTU_BYTES[family]) return this.#answers.drop('no-path')
    const isLongest = packet.totalBytes + outerBytes > MAX_PACKET_BYTES
    const mayFragment = packet.family === 4 && !outer.dontFragment
    if (isLongest || (!mayFragment && !isRelated && this.#isTooBig(path, outerBytes, OFFLOAD.finished))) {
      return this.#refuseTooBig(METHOD.ipip, destination, outerBytes, arrival)
    }
    if (packet.start < outerBytes) this.#parts.scratch.moveThere(packet)
    decrementHopLimit(packet)
    if (tunnel.clampsMss === true) clampMss(packet, path.mtuBytes - outerBytes, arrival.offload)
    if (arrival.offload !== OFFLOAD.finished && !outer.leavesChecksum) finishTransportChecksum(packet)
    outer.identification = this.#answers.nextIdentification()
    const start = encapsulate(packet, destination, path, outer)
    return this.#answers.forward('send', start, destination)
  }

  /**
   * A packet that must not be fragmented and does not fit the way; a super-packet's segments do fit, and of a packet that
   * came in fragments the longest counts.
   */
  #isTooBig(path: Path | null, overheadBytes: number, offload: Offload): boolean {
    const packet = this.#packet
    if (path === null || offload === OFFLOAD.unfinishedSuper) return false
    const fittingBytes = path.mtuBytes - overheadBytes
    if (packet.totalBytes <= fittingBytes) return false
    if (packet.family === 4) return packet.dontFragment
    const { reassembled } = this.#answers
    return reassembled === null || reassembled.largestFragmentBytes > fittingBytes
  }

  #refuseTooBig(
    method: number,
    destination: Destination,
    overheadBytes: number,
    { nowMs }: Arrival,
  ): Verdict {
    const { path } = destination
    const mtuBytes = path === null ? 0 : path.mtuBytes - overheadBytes
    // As the kernel has it, the sender is quoted its packet one hop on.
    decrementHopLimit(this.#packet)
    const verdict = this.#answers.refuse('too-big', 'packetTooBig', nowMs, mtuBytes)
    return this.#countAnswer(verdict, method, destination)
  }

  #refuseExpired(method: number, destination: Destination, { nowMs }: Arrival): Verdict {
    const verdict = this.#answers.refuse('hop-limit-exceeded', 'timeExceeded', nowMs)
    return this.#countAnswer(verdict, method, destination)
  }

  /**
   * In the kernel an error of the director's own passes its hook for answers, and is taken for one of the real server where
   * it quotes that server's packet: unless masqueraded, when that is still addressed to the service.
   */
  #countAnswer(verdict: Verdict, method: number, destination: Destination): Verdict {
    const { answerBytes } = verdict
    const isCounted = answerBytes > 0 && method !== METHOD.masquerading && destination.isAvailable
    if (isCounted) this.#parts.following.countOut(destination, answerBytes)
    return verdict
  }
}
