/**
 * The messages of netfilter's packet queue: configuration, waiting packets and verdicts, as pure functions over
 * bytes. linux/netfilter/nfnetlink_queue.h and linux/netfilter/nfnetlink.h.
 *
 * ```
 * waiting packet   | nlmsghdr 16 | nfgenmsg 4 | PACKET_HDR 12 | … | PAYLOAD 4 |   packet   |
 * verdict on it            | nlmsghdr 16 | nfgenmsg 4 | VERDICT_HDR 12 | MARK 8 | PAYLOAD 4 |   packet   |
 * ```
 *
 * A verdict that carries the packet is written backwards in front of it, over the message the packet came in: the
 * packet itself never moves.
 */

import { readI32, readU8, writeU8, writeU16, writeU32 } from '../../lib/bytes/octets.ts'
import type { QueuedPacket } from '../queue/packet-queue.ts'
import {
  ATTRIBUTE_HEADER_BYTES,
  align4,
  attributeEnd,
  attributeType,
  MESSAGE_HEADER_BYTES,
  MessageWriter,
  NLM_F_ACK,
  NLM_F_REQUEST,
  writeAttributeHeader,
  writeMessageHeader,
} from './message.ts'

const SUBSYSTEM_QUEUE = 3 << 8
export const NFQNL_MSG_PACKET = SUBSYSTEM_QUEUE | 0
const NFQNL_MSG_VERDICT = SUBSYSTEM_QUEUE | 1
const NFQNL_MSG_CONFIG = SUBSYSTEM_QUEUE | 2
const NFQNL_MSG_VERDICT_BATCH = SUBSYSTEM_QUEUE | 3

const NFQA_PACKET_HDR = 1
const NFQA_VERDICT_HDR = 2
const NFQA_MARK = 3
const NFQA_IFINDEX_INDEV = 5
const NFQA_PAYLOAD = 10
const NFQA_CAP_LEN = 13
const NFQA_SKB_INFO = 14

const NFQA_SKB_CSUMNOTREADY = 1
const NFQA_SKB_GSO = 2

const NFQA_CFG_CMD = 1
const NFQA_CFG_PARAMS = 2
const NFQA_CFG_QUEUE_MAXLEN = 3
const NFQA_CFG_MASK = 4
const NFQA_CFG_FLAGS = 5
const NFQNL_CFG_CMD_BIND = 1
const NFQNL_COPY_PACKET = 2

/** Deliver super-packets whole instead of segmenting before the queue. */
export const NFQA_CFG_F_GSO = 1 << 2

/** Netfilter's verdicts, linux/netfilter.h. Repeat runs the hook that queued the packet once more. */
export const NF_DROP = 0
export const NF_ACCEPT = 1
export const NF_REPEAT = 4

const NETFILTER_HEADER_BYTES = 4
const FIRST_ATTRIBUTE = MESSAGE_HEADER_BYTES + NETFILTER_HEADER_BYTES
const MARK_BYTES = ATTRIBUTE_HEADER_BYTES + 4
const BARE_VERDICT_BYTES = FIRST_ATTRIBUTE + ATTRIBUTE_HEADER_BYTES + 8

/** What precedes the packet in the longest verdict. */
export const VERDICT_HEADROOM_BYTES = BARE_VERDICT_BYTES + MARK_BYTES + ATTRIBUTE_HEADER_BYTES

/** The longest packet the kernel hands over or takes back: an attribute's 16-bit length includes its own header. */
export const PAYLOAD_MAX_BYTES = 0xffff - ATTRIBUTE_HEADER_BYTES

/** Room for everything a packet message may hold besides the packet, security contexts and link headers included. */
export const MESSAGE_OVERHEAD_BYTES = 512

/** A waiting packet with what only the driver needs. */
export interface PacketMessage extends QueuedPacket {
  /** The kernel's number for it, a signed 32-bit number. */
  id: number
  /** False where the message was too malformed to tell; such a packet cannot be answered. */
  hasId: boolean
}

export const emptyPacketMessage = (bytes: Uint8Array): PacketMessage => ({
  bytes,
  start: 0,
  end: 0,
  hook: 0,
  mark: 0,
  inDevice: 0,
  checksumUnfinished: false,
  isSuper: false,
  isTruncated: false,
  id: 0,
  hasId: false,
})

/**
 * Reads the packet message `[start, end)` of `into.bytes` into `into`. False when it is malformed, which includes a
 * message without a packet in it; `into.hasId` then says whether it can still be answered.
 */
export function readPacketMessage(into: PacketMessage, start: number, end: number): boolean {
  const bytes = into.bytes
  into.start = 0
  into.mark = 0
  into.inDevice = 0
  into.checksumUnfinished = false
  into.isSuper = false
  into.isTruncated = false
  into.hasId = false
  let capturedFrom = 0
  for (let at = start + FIRST_ATTRIBUTE; at < end; ) {
    const valueEnd = attributeEnd(bytes, at, end)
    if (valueEnd < 0) return false
    const value = at + ATTRIBUTE_HEADER_BYTES
    const type = attributeType(bytes, at)
    if (type === NFQA_PAYLOAD) {
      into.start = value
      into.end = valueEnd
    } else if (type === NFQA_PACKET_HDR) {
      if (valueEnd - value < 7) return false
      into.id = readI32(bytes, value)
      into.hook = readU8(bytes, value + 6)
      into.hasId = true
    } else if (valueEnd - value === 4) {
      if (type === NFQA_MARK) into.mark = readI32(bytes, value)
      else if (type === NFQA_IFINDEX_INDEV) into.inDevice = readI32(bytes, value)
      else if (type === NFQA_CAP_LEN) capturedFrom = readI32(bytes, value)
      else if (type === NFQA_SKB_INFO) {
        const skbInfo = readI32(bytes, value)
        into.checksumUnfinished = (skbInfo & NFQA_SKB_CSUMNOTREADY) !== 0
        into.isSuper = (skbInfo & NFQA_SKB_GSO) !== 0
      }
    }
    at += align4(valueEnd - at)
  }
  // The kernel gives the true length only where the copy range cut something off.
  into.isTruncated = capturedFrom > into.end - into.start
  return into.hasId && into.start !== 0
}

/** Whether accepted packets get a new mark; a verdict of the handler fits. */
export interface Marking {
  readonly setsMark: boolean
  readonly mark: number
}

/** Writes a verdict without a packet at `at`; returns its length, a multiple of four. Unchecked: at most 40 bytes. */
export function writeVerdict(
  bytes: Uint8Array,
  at: number,
  answer: { readonly queue: number; readonly verdict: number },
  id: number,
  marking: Marking,
): number {
  const length = BARE_VERDICT_BYTES + (marking.setsMark ? MARK_BYTES : 0)
  writeVerdictHead(bytes, at, length, NFQNL_MSG_VERDICT, answer.queue, answer.verdict, id)
  if (marking.setsMark) writeMark(bytes, at + BARE_VERDICT_BYTES, marking.mark)
  return length
}

/**
 * Writes an accepting verdict around the packet `[start, end)` of `bytes`, in front of it; returns where the message
 * begins, at most {@link VERDICT_HEADROOM_BYTES} before `start`. It ends at `end`, padding not included.
 */
export function writeReplacement(
  bytes: Uint8Array,
  start: number,
  end: number,
  queue: number,
  id: number,
  marking: Marking,
): number {
  const payloadHeader = start - ATTRIBUTE_HEADER_BYTES
  writeAttributeHeader(bytes, payloadHeader, NFQA_PAYLOAD, end - start)
  const headEnd = marking.setsMark ? payloadHeader - MARK_BYTES : payloadHeader
  if (marking.setsMark) writeMark(bytes, headEnd, marking.mark)
  const at = headEnd - BARE_VERDICT_BYTES
  writeVerdictHead(bytes, at, end - at, NFQNL_MSG_VERDICT, queue, NF_ACCEPT, id)
  return at
}

/** Writes one verdict on every waiting packet up to `id` at `at`; returns its length. Unchecked: 32 bytes. */
export function writeBatchVerdict(
  bytes: Uint8Array,
  at: number,
  answer: { readonly queue: number; readonly verdict: number },
  id: number,
): number {
  writeVerdictHead(bytes, at, BARE_VERDICT_BYTES, NFQNL_MSG_VERDICT_BATCH, answer.queue, answer.verdict, id)
  return BARE_VERDICT_BYTES
}

/** The packet id in a verdict message written by this file. */
export const verdictId = (bytes: Uint8Array, start: number): number =>
  readI32(bytes, start + FIRST_ATTRIBUTE + ATTRIBUTE_HEADER_BYTES + 4)

function writeVerdictHead(
  bytes: Uint8Array,
  at: number,
  messageBytes: number,
  type: number,
  queue: number,
  verdict: number,
  id: number,
): void {
  writeMessageHeader(bytes, at, messageBytes, type, NLM_F_REQUEST, 0)
  writeNetfilterHeader(bytes, at + MESSAGE_HEADER_BYTES, queue)
  writeAttributeHeader(bytes, at + FIRST_ATTRIBUTE, NFQA_VERDICT_HDR, 8)
  writeU32(bytes, at + FIRST_ATTRIBUTE + ATTRIBUTE_HEADER_BYTES, verdict)
  writeU32(bytes, at + FIRST_ATTRIBUTE + ATTRIBUTE_HEADER_BYTES + 4, id)
}

function writeMark(bytes: Uint8Array, at: number, mark: number): void {
  writeAttributeHeader(bytes, at, NFQA_MARK, 4)
  writeU32(bytes, at + ATTRIBUTE_HEADER_BYTES, mark)
}

/** struct nfgenmsg: family 0 (unspecified), version 0, and the queue's number in network order. */
function writeNetfilterHeader(bytes: Uint8Array, at: number, queue: number): void {
  writeU16(bytes, at, 0)
  writeU16(bytes, at + 2, queue)
}

/** Asks for the queue; the kernel refuses with EPERM where another socket has it. */
export const bindRequest = (queue: number): MessageWriter => {
  const command = new Uint8Array(4)
  writeU8(command, 0, NFQNL_CFG_CMD_BIND)
  return configuration(queue).attribute(NFQA_CFG_CMD, command)
}

/** Asks for the first `copyBytes` of every packet. */
export const copyRequest = (queue: number, copyBytes: number): MessageWriter => {
  const params = new Uint8Array(5)
  writeU32(params, 0, copyBytes)
  writeU8(params, 4, NFQNL_COPY_PACKET)
  return configuration(queue).attribute(NFQA_CFG_PARAMS, params)
}

export const lengthRequest = (queue: number, packets: number): MessageWriter =>
  configuration(queue).attributeU32(NFQA_CFG_QUEUE_MAXLEN, packets)

/** Turns one flag on. Flags are set one at a time: a kernel that does not know one refuses the whole message. */
export const flagRequest = (queue: number, flag: number): MessageWriter =>
  configuration(queue).attributeU32(NFQA_CFG_FLAGS, flag).attributeU32(NFQA_CFG_MASK, flag)

function configuration(queue: number): MessageWriter {
  const writer = new MessageWriter(NFQNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK)
  writeNetfilterHeader(writer.header(NETFILTER_HEADER_BYTES), 0, queue)
  return writer
}
