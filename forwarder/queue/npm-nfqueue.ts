import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import {
  HEADROOM_BYTES,
  HOOK,
  type OpenQueue,
  type PacketHandler,
  type PacketQueue,
  type QueueCounters,
  type QueuedPacket,
  type QueueSettings,
  type QueueVerdict,
} from './packet-queue.ts'

/** What we use of the npm package `nfqueue` 0.3, which brings no types. */
interface NfqueuePackage {
  createQueueHandler(queue: number, bufferBytes: number, handler: (packet: NfqueuePacket) => void): Nfqueue
  readonly NF_DROP: number
  readonly NF_ACCEPT: number
}

interface Nfqueue {
  /**
   * The addon's own methods. The package's `setVerdict` takes a mark of 0 for none, so verdicts go this way; a
   * payload of null leaves the packet as it is.
   */
  readonly bindings: {
    setVerdict(id: number, verdict: number, payload: Uint8Array | null): void
    setVerdict(id: number, verdict: number, mark: number, payload: Uint8Array | null): void
  }
}

interface NfqueuePacket {
  /** Interface indexes are 0 where unknown. The hook is not among what the package tells. */
  readonly info: {
    readonly id: number
    readonly nfmark: number
    readonly indev: number
    readonly outdev: number
  }
  readonly payload: Uint8Array
}

const RECEIVE_BUFFER_BYTES = 4 << 20
const PACKET_MAX_BYTES = 0xffff

/**
 * A driver over the npm package `nfqueue` (an optional dependency that needs libnetfilter_queue): slower by far than
 * the netlink driver, and a second opinion on it. It works in the main thread only, delivers packets from the event
 * loop by itself (so {@link PacketQueue.fd} is -1 and a turn does nothing), and ignores the settings its package has
 * no way to express: super-packets are always segmented, every packet is copied whole, the queue has the kernel's
 * default length. The package cannot close a queue either: after {@link PacketQueue.close} its packets are dropped
 * until the process ends. What a handler throws surfaces as an uncaught exception, the packet dropped.
 */
export const openNpmQueue: OpenQueue = (settings, handler) => new NpmQueue(loadPackage(), settings, handler)

function loadPackage(): NfqueuePackage {
  if (!isMainThread) throw new Error('the nfqueue driver works in the main thread only; run without workers')
  try {
    return createRequire(import.meta.url)('nfqueue') as NfqueuePackage
  } catch (cause) {
    throw new Error(
      "the nfqueue driver needs the npm package nfqueue: 'npm install nfqueue', " +
        'after apt-get install g++ make python3 libnetfilter-queue-dev',
      { cause },
    )
  }
}

class NpmQueue implements PacketQueue {
  readonly number: number
  readonly fd = -1
  readonly counters: QueueCounters = { received: 0, verdictErrors: 0, overruns: 0, malformed: 0 }
  readonly #package: NfqueuePackage
  readonly #queue: Nfqueue
  readonly #handler: PacketHandler
  readonly #area = new Uint8Array(HEADROOM_BYTES + PACKET_MAX_BYTES)
  readonly #packet: QueuedPacket
  #isClosed = false

  constructor(nfqueue: NfqueuePackage, { number }: QueueSettings, handler: PacketHandler) {
    this.number = number
    this.#package = nfqueue
    this.#handler = handler
    this.#packet = {
      bytes: this.#area,
      start: HEADROOM_BYTES,
      end: HEADROOM_BYTES,
      hook: HOOK.prerouting,
      mark: 0,
      inDevice: 0,
      // Without super-packets, the kernel finishes every checksum before it queues.
      checksumUnfinished: false,
      isSuper: false,
      isTruncated: false,
    }
    try {
      this.#queue = nfqueue.createQueueHandler(number, RECEIVE_BUFFER_BYTES, (packet) =>
        this.#receive(packet),
      )
    } catch (cause) {
      throw new Error(
        `cannot bind to queue ${number}: it has a reader already (see /proc/net/netfilter/nfnetlink_queue), ` +
          'or root, or the capability CAP_NET_ADMIN, is missing',
        { cause },
      )
    }
  }

  /** Nothing waits here: packets reach the handler as they come. */
  turn(): number {
    return 0
  }

  close(): void {
    this.#isClosed = true
  }

  #receive({ info, payload }: NfqueuePacket): void {
    if (this.#isClosed || payload.length === 0 || payload.length > PACKET_MAX_BYTES) {
      if (!this.#isClosed) this.counters.malformed++
      this.#queue.bindings.setVerdict(info.id, this.#package.NF_DROP, null)
      return
    }
    this.counters.received++
    this.#area.set(payload, HEADROOM_BYTES)
    const packet = this.#packet
    packet.bytes = this.#area
    packet.start = HEADROOM_BYTES
    packet.end = HEADROOM_BYTES + payload.length
    packet.hook = hookOf(info)
    packet.mark = info.nfmark | 0
    packet.inDevice = info.indev
    try {
      this.#settle(info.id, this.#handler(packet))
    } catch (error) {
      this.#queue.bindings.setVerdict(info.id, this.#package.NF_DROP, null)
      // The package's native callback does not survive an exception.
      setImmediate(() => {
        throw error
      })
    }
  }

  #settle(id: number, verdict: QueueVerdict): void {
    const { NF_ACCEPT, NF_DROP } = this.#package
    const { bindings } = this.#queue
    if (verdict.kind === 'drop') {
      bindings.setVerdict(id, NF_DROP, null)
      return
    }
    const payload = verdict.kind === 'replace' ? verdict.bytes.subarray(verdict.start, verdict.end) : null
    if (verdict.setsMark) bindings.setVerdict(id, NF_ACCEPT, verdict.mark >>> 0, payload)
    else bindings.setVerdict(id, NF_ACCEPT, payload)
  }
}

/** The hook, as far as the devices tell: a packet with no device to leave by is taken as not yet routed. */
function hookOf(info: NfqueuePacket['info']): number {
  if (info.outdev === 0) return HOOK.prerouting
  return info.indev === 0 ? HOOK.output : HOOK.forward
}
