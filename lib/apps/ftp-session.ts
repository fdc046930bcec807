/** A control connection of FTP as its packets go by: its mode, and what replaced text has done to sequence numbers. */

import { readI32 } from '../bytes/octets.ts'
import type { Offload } from '../encode/offload.ts'
import type { Packet } from '../wire/packet.ts'
import { type FtpControl, type FtpFinding, type FtpMode, findInReply, findInRequest } from './ftp.ts'
import { growthOf, payloadStart, type Replacement, replacePayload } from './replace.ts'
import { adjustSegment, SequenceShift } from './sequence.ts'

const SEQUENCE = 4

/**
 * One a control connection. A packet of either direction is first read, if the connection is established and the
 * packet's checksum was found right; then replaced, where the finding says so; then adjusted. All of that on a whole,
 * well-formed TCP segment, and before its endpoints are rewritten, which finishes a checksum that was left to offload.
 */
export class FtpSession {
  mode: FtpMode = 'active'
  /** Of what the server sends; nothing that a client sends is ever replaced. */
  readonly #replies = new SequenceShift()
  readonly #requests = new SequenceShift()
  /** The answer that ended the last passive mode: it may have to be sent again. */
  #answeredMode: FtpMode = 'active'
  #answeredSequence = 0

  /** Whether adjusting would change nothing. */
  get isUnshifted(): boolean {
    return this.#replies.isNone
  }

  /** Another that has seen the same. */
  copy(): FtpSession {
    const copy = new FtpSession()
    copy.mode = this.mode
    Object.assign(copy.#replies, this.#replies)
    Object.assign(copy.#requests, this.#requests)
    copy.#answeredMode = this.#answeredMode
    copy.#answeredSequence = this.#answeredSequence
    return copy
  }

  /** What the client's segment asks for, or null; the mode follows. */
  readRequest(packet: Packet, control: FtpControl): FtpFinding | null {
    const finding = findInRequest(packet.bytes, payloadStart(packet), packet.end, control)
    if (finding !== null) this.mode = finding.mode
    return finding
  }

  /**
   * What the server's segment asks for, or null; the mode follows. An answer that is sent again is found again: a client
   * that has not got it must not get it unreplaced.
   */
  readReply(packet: Packet, control: FtpControl): FtpFinding | null {
    const sequence = sequenceOf(packet)
    const isRepeated = this.mode === 'active' && sequence === this.#answeredSequence
    const mode = isRepeated ? this.#answeredMode : this.mode
    const finding = findInReply(packet.bytes, payloadStart(packet), packet.end, control, mode)
    if (finding === null) return null
    this.#answeredMode = mode
    this.#answeredSequence = sequence
    this.mode = finding.mode
    return finding
  }

  /** Puts the replacement into the server's segment. False: no room, see {@link replacePayload}; then drop it. */
  replace(
    packet: Packet,
    replacement: Replacement,
    where: { offload: Offload; writableEnd: number },
  ): boolean {
    if (!replacePayload(packet, replacement, where)) return false
    this.#replies.resize(sequenceOf(packet), growthOf(replacement))
    return true
  }

  /** A client's segment as the server is to see it. */
  adjustRequest(packet: Packet, offload: Offload): void {
    adjustSegment(packet, this.#requests, this.#replies, offload)
  }

  /** A server's segment as the client is to see it. */
  adjustReply(packet: Packet, offload: Offload): void {
    adjustSegment(packet, this.#replies, this.#requests, offload)
  }
}

const sequenceOf = ({ bytes, transportStart }: Packet): number => readI32(bytes, transportStart + SEQUENCE)
