import { ENOBUFS } from '../native/constants.ts'
import { attempt, loadSeam, type Seam } from '../native/seam.ts'
import { align4, errorOf, messageEnd, messageType, NLMSG_ERROR } from '../netlink/message.ts'
import {
  emptyPacketMessage,
  MESSAGE_OVERHEAD_BYTES,
  NF_ACCEPT,
  NF_DROP,
  NFQNL_MSG_PACKET,
  PAYLOAD_MAX_BYTES,
  type PacketMessage,
  readPacketMessage,
  VERDICT_HEADROOM_BYTES,
  verdictId,
  writeReplacement,
  writeVerdict,
} from '../netlink/nfqueue.ts'
import { ReceiveArea } from '../netlink/receive-area.ts'
import { checkQueueSettings, openQueueSocket } from './netlink-setup.ts'
import {
  type Foresight,
  HEADROOM_BYTES,
  type OpenQueue,
  type PacketHandler,
  type PacketQueue,
  type QueueCounters,
  type QueueSettings,
  type QueueVerdict,
} from './packet-queue.ts'

/** Packets received, judged and answered in one turn. */
const BATCH_PACKETS = 64

/** The least a slot offers a replacement, however little of each packet the queue copies. */
const REPLACEMENT_MIN_BYTES = 2048

/** What a received message turned out to be; `broken` is a packet that can only be dropped. */
const READING = { nothing: 0, packet: 1, broken: 2 } as const

const UNMARKED = { setsMark: false, mark: 0 } as const

/**
 * The default driver: speaks netlink to the kernel's packet queue itself. A batch is received into one area, each
 * packet is judged where it lies, its verdict is written around it, and all verdicts leave together; nothing is
 * copied or allocated on the way. The handler may itself grow the packet forward into its headroom.
 */
export const openNetlinkQueue: OpenQueue = (settings, handler, foresight) =>
  new NetlinkQueue(loadSeam(), settings, handler, foresight)

/** The netlink driver over a given seam; {@link openNetlinkQueue} is the way to it. */
export class NetlinkQueue implements PacketQueue {
  readonly number: number
  readonly fd: number
  readonly counters: QueueCounters = { received: 0, verdictErrors: 0, overruns: 0, malformed: 0 }
  readonly #seam: Seam
  readonly #handler: PacketHandler
  readonly #area: ReceiveArea
  readonly #foresight: Foresight | null
  /** What was read of each slot: a whole batch is read before the first packet is judged. */
  readonly #packets: readonly PacketMessage[]
  readonly #readings = new Uint8Array(BATCH_PACKETS)
  readonly #accepted: { readonly queue: number; readonly verdict: number }
  readonly #dropped: { readonly queue: number; readonly verdict: number }
  /** The verdicts of this batch as pairs of offset and length in the area, in order. */
  readonly #ranges = new Int32Array(2 * BATCH_PACKETS)
  readonly #oneRange = new Int32Array(2)
  #rangeCount = 0
  #rangedBytes = 0
  /** More bytes than this in one send and the kernel refuses them all. */
  readonly #sendLimitBytes: number
  /** The first thing a handler threw in this turn, wrapped so that `throw undefined` counts. */
  #thrown: { readonly error: unknown } | null = null

  constructor(seam: Seam, settings: QueueSettings, handler: PacketHandler, foresight?: Foresight) {
    checkQueueSettings(settings)
    this.#area = new ReceiveArea({
      slots: BATCH_PACKETS,
      // The handler's headroom, and in front of that a verdict's head or a whole verdict without packet.
      headroomBytes: HEADROOM_BYTES + 64,
      roomBytes: MESSAGE_OVERHEAD_BYTES + align4(Math.max(REPLACEMENT_MIN_BYTES, settings.copyBytes)),
    })
    const socket = openQueueSocket(seam, settings, this.#area)
    this.number = settings.number
    this.fd = socket.fd
    this.#sendLimitBytes = socket.sendLimitBytes
    this.#seam = seam
    this.#handler = handler
    this.#foresight = foresight ?? null
    this.#packets = Array.from({ length: BATCH_PACKETS }, () => emptyPacketMessage(this.#area.bytes))
    this.#accepted = { queue: settings.number, verdict: NF_ACCEPT }
    this.#dropped = { queue: settings.number, verdict: NF_DROP }
  }

  turn(): number {
    const count = this.#area.receive(this.#seam, this.fd)
    if (count < 0) {
      // The kernel had packets that it could not hand over; the queue lives on.
      if (count !== -ENOBUFS) attempt(`read queue ${this.number}`, count)
      this.counters.overruns++
      return 0
    }
    const foresight = this.#foresight
    for (let slot = 0; slot < count; slot++) {
      const reading = this.#read(slot)
      this.#readings[slot] = reading
      if (reading === READING.packet) foresight?.expect(this.#packets[slot] as PacketMessage)
    }
    foresight?.fetch()
    let answered = 0
    for (let slot = 0; slot < count; slot++) answered += this.#answer(slot)
    this.#sendVerdicts()
    if (this.#thrown !== null) {
      const { error } = this.#thrown
      this.#thrown = null
      throw error
    }
    return answered
  }

  close(): void {
    this.#seam.close(this.fd)
  }

  /** Reads the message in `slot` into the slot's {@link PacketMessage}. */
  #read(slot: number): number {
    const bytes = this.#area.bytes
    const start = this.#area.start(slot)
    const end = messageEnd(bytes, start, this.#area.end(slot))
    if (end < 0) {
      this.counters.malformed++
      return READING.nothing
    }
    if (messageType(bytes, start) !== NFQNL_MSG_PACKET) {
      if (messageType(bytes, start) === NLMSG_ERROR && errorOf(bytes, start) !== 0)
        this.counters.verdictErrors++
      return READING.nothing
    }
    const packet = this.#packets[slot] as PacketMessage
    packet.bytes = bytes
    if (readPacketMessage(packet, start, end)) {
      this.counters.received++
      return READING.packet
    }
    this.counters.malformed++
    return packet.hasId ? READING.broken : READING.nothing
  }

  /** Answers what was read in `slot`: 1 where there was a packet to answer, 0 where there was not. */
  #answer(slot: number): 0 | 1 {
    const reading = this.#readings[slot]
    if (reading === READING.nothing) return 0
    const packet = this.#packets[slot] as PacketMessage
    if (reading === READING.packet) this.#judge(slot, packet)
    else this.#settle(slot, packet, this.#dropped, UNMARKED)
    return 1
  }

  /** Asks the handler about the packet and writes down its verdict. A handler that throws has dropped the packet. */
  #judge(slot: number, packet: PacketMessage): void {
    let verdict: QueueVerdict
    try {
      verdict = this.#handler(packet)
      if (verdict.kind === 'replace') this.#replace(slot, packet, verdict)
      else if (verdict.kind === 'accept') this.#settle(slot, packet, this.#accepted, verdict)
      else this.#settle(slot, packet, this.#dropped, UNMARKED)
    } catch (error) {
      this.#thrown ??= { error }
      this.#settle(slot, packet, this.#dropped, UNMARKED)
    }
  }

  /** A verdict without packet goes to the very start of the slot, out of the way of packet and headroom. */
  #settle(
    slot: number,
    packet: PacketMessage,
    answer: { readonly queue: number; readonly verdict: number },
    marking: QueueVerdict | typeof UNMARKED,
  ): void {
    const at = this.#area.slotStart(slot)
    this.#enclose(at, writeVerdict(this.#area.bytes, at, answer, packet.id, marking))
  }

  #replace(slot: number, packet: PacketMessage, verdict: QueueVerdict): void {
    if (packet.isTruncated)
      throw new RangeError('a replacing verdict for a packet that the copy range cut short')
    const area = this.#area
    const length = verdict.end - verdict.start
    const slotStart = area.slotStart(slot)
    const slotEnd = slotStart + area.slotBytes
    let start = verdict.start
    const liesInSlot =
      verdict.bytes === area.bytes &&
      start >= slotStart + VERDICT_HEADROOM_BYTES &&
      start + align4(length) <= slotEnd
    if (!liesInSlot) start = slotStart + VERDICT_HEADROOM_BYTES
    if (length < 1 || length > PAYLOAD_MAX_BYTES || start + align4(length) > slotEnd) {
      throw new RangeError(`a replacing verdict of ${length} bytes, when 1 to ${area.roomBytes} fit`)
    }
    if (!liesInSlot) area.bytes.set(verdict.bytes.subarray(verdict.start, verdict.end), start)
    const at = writeReplacement(area.bytes, start, start + length, this.number, packet.id, verdict)
    // The padding is whatever lies behind the packet: inside the slot, and skipped by the kernel.
    this.#enclose(at, align4(start + length - at))
  }

  /** Adds the message `[at, at + length)` to what the next send takes along. */
  #enclose(at: number, length: number): void {
    if (this.#rangedBytes + length > this.#sendLimitBytes) this.#sendVerdicts()
    this.#ranges[2 * this.#rangeCount] = at
    this.#ranges[2 * this.#rangeCount + 1] = length
    this.#rangeCount++
    this.#rangedBytes += length
  }

  #sendVerdicts(): void {
    if (this.#rangeCount === 0) return
    const result = this.#seam.sendRanges(this.fd, this.#area.bytes, this.#ranges, this.#rangeCount)
    if (result < 0) this.#sendOneByOne()
    this.#rangeCount = 0
    this.#rangedBytes = 0
  }

  /**
   * The kernel takes a send wholly or not at all, say for lack of memory, and a packet never answered stays in the
   * kernel for ever. So each verdict is tried alone, and a packet whose verdict is still refused is dropped: every
   * message begins with the same head, of which 32 bytes with the verdict set to drop are a message of their own.
   */
  #sendOneByOne(): void {
    const bytes = this.#area.bytes
    for (let index = 0; index < this.#rangeCount; index++) {
      const at = this.#ranges[2 * index] as number
      this.#oneRange[0] = at
      this.#oneRange[1] = this.#ranges[2 * index + 1] as number
      if (this.#seam.sendRanges(this.fd, bytes, this.#oneRange, 1) >= 0) continue
      this.counters.verdictErrors++
      this.#oneRange[1] = writeVerdict(bytes, at, this.#dropped, verdictId(bytes, at), UNMARKED)
      this.#seam.sendRanges(this.fd, bytes, this.#oneRange, 1)
    }
  }
}
