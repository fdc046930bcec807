/** The verdicts a director gives: one reused object, every drop and pass counted by its reason, ICMP errors within limits. */

import { foldAddress, type IpAddress } from '../bytes/address.ts'
import { ICMP_ERROR_MAX_BYTES, type IcmpErrorKind, mayAnswer, writeIcmpError } from '../encode/icmp-error.ts'
import type { Destination } from '../service/destination.ts'
import type { Packet } from '../wire/packet.ts'
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
  }
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

  /** The packet goes on, from `start` to its end. */
  forward(kind: 'accept' | 'rewrite' | 'direct' | 'send', start: number, destination: Destination): Verdict {
    const verdict = this.#verdict
    verdict.kind = kind
    verdict.reason = ''
    verdict.bytes = this.#packet.bytes
    verdict.start = start
    verdict.end = this.#packet.end
    verdict.destination = destination
    verdict.answerBytes = 0
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
    const target = foldAddress(packet.sourceW0, packet.sourceW1, packet.sourceW2, packet.sourceW3)
    // As the kernel's own, path MTU discovery is not limited: a sender that is not told stalls.
    const isUnlimited = kind === 'packetTooBig'
    const isAllowed = mayAnswer(packet) && (isUnlimited || this.#icmpLimit.allows(target, nowMs))
    return this.#settle(
      'drop',
      reason,
      isAllowed ? writeIcmpError(this.answer, packet, kind, mtuBytes, this.nextIdentification(), source) : 0,
    )
  }

  #settle(kind: 'accept' | 'drop', reason: string, answerBytes: number): Verdict {
    const verdict = this.#verdict
    verdict.kind = kind
    verdict.reason = reason
    verdict.bytes = this.#packet.bytes
    verdict.start = this.#packet.start
    verdict.end = this.#packet.end
    verdict.destination = null
    verdict.answerBytes = answerBytes
    return verdict
  }
}
