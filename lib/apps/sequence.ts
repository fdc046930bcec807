/**
 * Sequence numbers of a TCP stream in which text was replaced by longer or shorter text: what one end has sent is
 * counted otherwise by the other. As in Linux's `nf_ct_seqadj`.
 */

import { adjustBy, fold16, wordDelta } from '../bytes/checksum.ts'
import { readI32, readU8, readU16, writeU16, writeU32 } from '../bytes/octets.ts'
import { OFFLOAD, type Offload } from '../encode/offload.ts'
import type { Packet } from '../wire/packet.ts'
import { TCP_FLAG, TCP_HEADER_BYTES } from '../wire/tcp.ts'
import { TCP_OPTION, TCP_OPTION_HEADER_BYTES, tcpOptionEnd } from '../wire/tcp-options.ts'

const SEQUENCE = 4
const ACKNOWLEDGMENT = 8
const DATA_OFFSET = 12
const CHECKSUM = 16

/** Two edges of 4 octets. RFC 2018 §3. */
const SACK_BLOCK_BYTES = 8

/** One direction of a connection. Sequence numbers are 32 bits, signed or not; answers are signed. */
export class SequenceShift {
  /** The sequence number, as sent, of the segment that was resized last. */
  position = 0
  /** What is added to sequence numbers up to `position`, and behind it. */
  before = 0
  after = 0

  /** Whether there is nothing to do. */
  get isNone(): boolean {
    return this.before === 0 && this.after === 0
  }

  /** The segment that begins at `sequence`, as sent, was made longer by `deltaBytes`. Not again when it is repeated. */
  resize(sequence: number, deltaBytes: number): void {
    if (deltaBytes === 0) return
    if (this.before !== this.after && !isLater(sequence, this.position)) return
    this.position = sequence | 0
    this.before = this.after
    this.after = (this.after + deltaBytes) | 0
  }

  /** A sequence number as sent, the way the receiver is to see it. */
  forward(sequence: number): number {
    return (sequence + (isLater(sequence, this.position) ? this.after : this.before)) | 0
  }

  /** The way back: an acknowledgment of the receiver, the way the sender is to see it. */
  backward(acknowledgment: number): number {
    const isBehind = isLater(acknowledgment - this.before, this.position)
    return (acknowledgment - (isBehind ? this.after : this.before)) | 0
  }
}

/** Whether `one` comes after `other` in the circle of 32 bits. RFC 9293 §3.4. */
const isLater = (one: number, other: number): boolean => ((one - other) | 0) > 0

/**
 * Adjusts a whole TCP segment in place: its sequence number by its own direction, acknowledgment and SACK edges by the
 * other. A finished checksum follows; an unfinished one covers none of them yet.
 */
export function adjustSegment(
  packet: Packet,
  own: SequenceShift,
  other: SequenceShift,
  offload: Offload,
): void {
  let delta = 0
  const at = packet.transportStart
  if (!own.isNone) delta += moveSequence(packet, at + SEQUENCE, own)
  if (!other.isNone && (packet.tcpFlags & TCP_FLAG.ack) !== 0) {
    delta += moveAcknowledgment(packet, at + ACKNOWLEDGMENT, other) + moveSackEdges(packet, other)
  }
  if (delta === 0 || offload !== OFFLOAD.finished) return
  const checksum = readU16(packet.bytes, at + CHECKSUM)
  writeU16(packet.bytes, at + CHECKSUM, adjustBy(checksum, fold16(delta)))
}

const moveSequence = ({ bytes, transportStart }: Packet, at: number, shift: SequenceShift): number =>
  writeWord(bytes, at, transportStart, shift.forward(readI32(bytes, at)))

const moveAcknowledgment = ({ bytes, transportStart }: Packet, at: number, shift: SequenceShift): number =>
  writeWord(bytes, at, transportStart, shift.backward(readI32(bytes, at)))

/** Answers what it does to the checksum: to its other half where the word does not stand at an even place. */
function writeWord(bytes: Uint8Array, at: number, transportStart: number, word: number): number {
  const delta = fold16(wordDelta(readI32(bytes, at), word))
  writeU32(bytes, at, word)
  return ((at - transportStart) & 1) === 0 ? delta : ((delta & 0xff) << 8) | (delta >>> 8)
}

/** The edges of every block that a SACK option reports. A malformed option ends the search. */
function moveSackEdges(packet: Packet, shift: SequenceShift): number {
  const { bytes, transportStart } = packet
  const end = transportStart + (readU8(bytes, transportStart + DATA_OFFSET) >>> 4) * 4
  let delta = 0
  for (let at = transportStart + TCP_HEADER_BYTES; at < end; ) {
    const next = tcpOptionEnd(bytes, at, end)
    if (next < 0) break
    const edges = at + TCP_OPTION_HEADER_BYTES
    if (readU8(bytes, at) === TCP_OPTION.sack && (next - edges) % SACK_BLOCK_BYTES === 0) {
      for (let edge = edges; edge < next; edge += 4) delta += moveAcknowledgment(packet, edge, shift)
    }
    at = next
  }
  return delta
}
