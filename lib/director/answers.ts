/** The verdicts a director gives: one reused object, every drop and pass counted by its reason, ICMP errors within limits. */

import { foldAddress, type IpAddress } from '../bytes/address.ts'
import {
  ICMP_ERROR,
  ICMP_ERROR_MAX_BYTES,
  type IcmpErrorKind,
  type IcmpTypeCode,
  mayAnswer,
  writeIcmpError,
} from '../encode/icmp-error.ts'
import type { Destination } from '../service/destination.ts'
import type { Packet } from '../wire/packet.ts'
import type { Reassembled } from '../wire/reassembly.ts'
import { IcmpLimit } from './icmp-limit.ts'
import { DROP_REASONS, type DropReason, PASS_REASONS, type PassReason, ReasonCounters } from './reasons.ts'
import type { Verdict } from './verdict.ts'

export class Answers {
  readonly dropped = new ReasonCounters(DROP_REASONS)
  readonly passed = new ReasonCounters(PASS_REASONS)
  /** The ICMP error of a verdict with `answerBytes` above 0. */
  readonly answer = new Uint8Array(ICMP_ERROR_MAX_BYTES)
  readonly #packet: Packet
  readonly #icmpLimit = new IcmpLimit()
  readonly #verdict: Verdict = {
    kind: 'accept',
    reason: '',
    bytes: this.answer,
    start: 0,
    end: 0,
    destination: null,
    answerBytes: 0,
    reassembled: null,
  }
  /** How the present packet came, where it came in fragments. */
  reassembled: Reassembled | null = null
  #identification: number

  /** `packet` is the one that every verdict is about. */
  constructor(packet: Packet, random: () => number) {
    this.#packet = packet
    this.#identification = Math.floor(random() * 65_536)
  }

  /** For an IPv4 header of our own making that may be fragmented. */
  nextIdentification(): number {
    this.#identification = (this.#identification + 1) & 0xffff
    return this.#identification
  }

  /** Gives out from now on the numbers that the other would; the limits on ICMP errors stay its own. */
  imitate(other: Answers): void {
    this.#identification = other.#identification
  }

  /** Whether the limits would let an error of this kind go to the address now. */
  wouldAllow(kind: IcmpErrorKind | null, { w0, w1, w2, w3 }: IpAddress, nowMs: number): boolean {
    return isUnlimited(kind) || this.#icmpLimit.wouldAllow(foldAddress(w0, w1, w2, w3), nowMs)
  }

  /** The packet goes on, from `start` to its end. */
  forward(
    kind: 'accept' | 'rewrite' | 'direct' | 'send',
    start: number,
    destination: Destination | null,
  ): Verdict {
    const verdict = this.#verdict
    verdict.kind = kind
    verdict.reason = ''
    verdict.bytes = this.#packet.bytes
    verdict.start = start
    verdict.end = this.#packet.end
    verdict.destination = destination
    verdict.answerBytes = 0
    verdict.reassembled = this.reassembled
    return verdict
  }

  /** Not ours: the kernel carries on. */
  pass(reason: PassReason): Verdict {
    this.passed.count(reason)
    return this.#settle('accept', reason, 0)
  }

  drop(reason: DropReason): Verdict {
    this.dropped.count(reason)
    return this.#settle('drop', reason, 0)
  }

  /** Drops the packet and tells its sender why, as far as the limits on ICMP allow. */
  refuse(
    reason: DropReason,
    kind: IcmpErrorKind,
    nowMs: number,
    mtuBytes = 0,
    source: IpAddress | null = null,
  ): Verdict {
    this.dropped.count(reason)
    const packet = this.#packet
    const isAllowed =
      mayAnswer(packet) && (isUnlimited(kind) || this.#icmpLimit.allows(targetOf(packet), nowMs))
    return this.#settle(
      'drop',
      reason,
      isAllowed ? writeIcmpError(this.answer, packet, kind, mtuBytes, this.nextIdentification(), source) : 0,
    )
  }

  /** The packet ends here, and is not lost. */
  absorb(): Verdict {
    return this.#settle('absorb', '', 0)
  }

  /**
   * Ends the error that came and tells it on, as if we had met with it: `about` is the packet of the client's that it is
   * about, in whole or in part.
   */
  tellOn(about: Packet, what: IcmpTypeCode, rest: number, nowMs: number): Verdict {
    const isTooBig = what.every((each, index) => each === ICMP_ERROR.packetTooBig[about.family][index])
    const isAllowed = mayAnswer(about) && (isTooBig || this.#icmpLimit.allows(targetOf(about), nowMs))
    return this.#settle(
      'absorb',
      '',
      isAllowed ? writeIcmpError(this.answer, about, what, rest, this.nextIdentification()) : 0,
    )
  }

  #settle(kind: 'accept' | 'drop' | 'absorb', reason: string, answerBytes: number): Verdict {
    const verdict = this.#verdict
    verdict.kind = kind
    verdict.reason = reason
    verdict.bytes = this.#packet.bytes
    verdict.start = this.#packet.start
    verdict.end = this.#packet.end
    verdict.destination = null
    verdict.answerBytes = answerBytes
    verdict.reassembled = this.reassembled
    return verdict
  }
}

/** As the kernel's own, path MTU discovery is not limited: a sender that is not told stalls. */
const isUnlimited = (kind: IcmpErrorKind | null): boolean => kind === 'packetTooBig'

/** By what the limits tell senders apart. */
const targetOf = ({ sourceW0, sourceW1, sourceW2, sourceW3 }: Packet): number =>
  foldAddress(sourceW0, sourceW1, sourceW2, sourceW3)
