/** A source of packets that wait for a verdict: what every queue driver offers to the data path. */

/** Netfilter's hook numbers, as a queued packet reports them. */
export const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const

/**
 * One waiting packet. The object and the bytes belong to the driver and are valid only until the handler
 * returns: one object is reused for every packet.
 */
export interface QueuedPacket {
  /** The whole area; the packet is `[start, end)` in it. At least {@link HEADROOM_BYTES} before `start` are free to write. */
  bytes: Uint8Array
  start: number
  end: number
  hook: number
  /** The packet mark, a signed 32-bit number; 0 is a legal mark. */
  mark: number
  /** Interface index the packet came in by, 0 where unknown. */
  inDevice: number
  /** The transport checksum field holds only the pseudo-header sum: offload was to finish it. */
  checksumUnfinished: boolean
  /** A super-packet (GSO): larger than the wire takes, segmented by the kernel after the verdict. */
  isSuper: boolean
  /** The copy range cut the packet short: `end` is not the packet's end, so it must not be replaced. */
  isTruncated: boolean
}

/** What a handler answers; one reused object, owned by the handler. */
export interface QueueVerdict {
  kind: 'accept' | 'drop' | 'replace'
  /** For `replace`: the packet that goes on instead, `[start, end)` of `bytes` (the driver's own area, or another). */
  bytes: Uint8Array
  start: number
  end: number
  /** Accepted and replaced packets get this mark where `setsMark`. */
  setsMark: boolean
  mark: number
}

export type PacketHandler = (packet: QueuedPacket) => QueueVerdict

/** Optional, for drivers that receive in batches: is told of a whole batch before the first of it is judged. */
export interface Foresight {
  expect(packet: QueuedPacket): void
  /** The batch is told. */
  fetch(): void
}

/** Room before a packet in the receive area, for an outer header in front of it. */
export const HEADROOM_BYTES = 128

export interface QueueSettings {
  readonly number: number
  /** Deliver super-packets whole; without it the kernel segments before it queues. */
  readonly gso: boolean
  /** How much of each packet is copied to userspace; 0xffff is all of it. */
  readonly copyBytes: number
  readonly lengthPackets: number
}

/** Kept by drivers, read by the control API. */
export interface QueueCounters {
  received: number
  /** Verdicts the kernel refused, for example because the packet was gone. */
  verdictErrors: number
  /** The socket's buffer overflowed (ENOBUFS): the kernel dropped packets. */
  overruns: number
  /** Messages that were not understood. */
  malformed: number
}

export interface PacketQueue {
  readonly number: number
  readonly counters: QueueCounters
  /** What a poll should wait for, or -1 for a driver that delivers by itself from the event loop. */
  readonly fd: number
  /**
   * Receives at most one batch without blocking, asks the handler for each packet, and sends all verdicts
   * before it returns. The number of packets answered; 0 when none waited.
   */
  turn(): number
  close(): void
}

/** Opens a queue; throws an Error naming the queue number, what was attempted and the way out. */
export type OpenQueue = (
  settings: QueueSettings,
  handler: PacketHandler,
  foresight?: Foresight,
) => PacketQueue
