/**
 * Reads packet queues inside a network namespace, for the integration tests: a driver, and what each queue does.
 *
 *     node queue-child.js netlink '[{"settings": {"number": 1, …}, "behaviour": "grow"}]'
 *
 * Prints `"ready"`, and once its standard input ends one line of JSON: per queue its counters and what it saw.
 */

import { loadSeam } from '../../forwarder/native/seam.ts'
import { QUEUE_DRIVERS, type QueueDriverName } from '../../forwarder/queue/index.ts'
import type {
  PacketHandler,
  PacketQueue,
  QueueCounters,
  QueuedPacket,
  QueueSettings,
  QueueVerdict,
} from '../../forwarder/queue/packet-queue.ts'

export interface QueueTask {
  readonly settings: QueueSettings
  readonly behaviour: Behaviour
}

/** What the handler saw, over all packets of a queue. */
export interface QueueSight {
  readonly counters: QueueCounters
  readonly packets: number
  readonly longestBytes: number
  readonly supers: number
  readonly unfinished: number
  readonly truncated: number
  readonly hooks: readonly number[]
  readonly marks: readonly number[]
  readonly devices: readonly number[]
  /** Messages of errors that turns threw. */
  readonly thrown: readonly string[]
}

export type Behaviour = keyof typeof BEHAVIOURS

/** One handler's answer to a packet, written into `verdict`. All expect IPv4 without options, carrying UDP. */
const BEHAVIOURS = {
  accept() {},
  drop(_packet, verdict) {
    verdict.kind = 'drop'
  },
  mark(_packet, verdict) {
    verdict.setsMark = true
    verdict.mark = 0x77
  },
  /** The mark 0 is a mark like any other. */
  unmark(_packet, verdict) {
    verdict.setsMark = true
    verdict.mark = 0
  },
  /** The UDP payload's first octet becomes `Z`, and the checksum "none". */
  change(packet, verdict) {
    packet.bytes[packet.start + 28] = 0x5a
    clearUdpChecksum(packet.bytes, packet.start)
    replaceWith(verdict, packet.bytes, packet.start, packet.end)
  },
  changeAndMark(packet, verdict) {
    BEHAVIOURS.change(packet, verdict)
    BEHAVIOURS.mark(packet, verdict)
  },
  /** As `change`, but in another area than the driver's. */
  changeElsewhere(packet, verdict) {
    const copy = packet.bytes.slice(packet.start, packet.end)
    copy[28] = 0x5a
    clearUdpChecksum(copy, 0)
    replaceWith(verdict, copy, 0, copy.length)
  },
  /** Five octets more at the end: `+++++`. */
  lengthen(packet, verdict) {
    const longer = new Uint8Array(packet.end - packet.start + 5).fill(0x2b)
    longer.set(packet.bytes.subarray(packet.start, packet.end))
    setLengths(longer, 0, longer.length)
    replaceWith(verdict, longer, 0, longer.length)
  },
  /** The IP and UDP headers move 8 octets forward into the headroom, and `++++++++` fills the gap. */
  growForward(packet, verdict) {
    const { bytes, end } = packet
    const start = packet.start - 8
    bytes.copyWithin(start, packet.start, packet.start + 28)
    bytes.fill(0x2b, start + 28, start + 36)
    setLengths(bytes, start, end - start)
    replaceWith(verdict, bytes, start, end)
  },
  throw() {
    throw new Error('the handler threw')
  },
} satisfies Record<string, (packet: QueuedPacket, verdict: QueueVerdict) => void>

function replaceWith(verdict: QueueVerdict, bytes: Uint8Array, start: number, end: number): void {
  verdict.kind = 'replace'
  verdict.bytes = bytes
  verdict.start = start
  verdict.end = end
}

function clearUdpChecksum(bytes: Uint8Array, start: number): void {
  bytes.fill(0, start + 26, start + 28)
}

/** Sets the IPv4 and UDP lengths, and both checksums accordingly. */
function setLengths(bytes: Uint8Array, start: number, length: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, length)
  view.setUint16(2, length)
  view.setUint16(24, length - 20)
  clearUdpChecksum(bytes, start)
  view.setUint16(10, 0)
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at)
  sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(10, ~(sum + (sum >>> 16)))
}

class Reader {
  readonly #queue: PacketQueue
  readonly #verdict: QueueVerdict
  readonly #behaviour: (packet: QueuedPacket, verdict: QueueVerdict) => void
  readonly thrown: string[] = []
  readonly #hooks = new Set<number>()
  readonly #marks = new Set<number>()
  readonly #devices = new Set<number>()
  readonly #sums = { packets: 0, longestBytes: 0, supers: 0, unfinished: 0, truncated: 0 }

  constructor(driver: QueueDriverName, task: QueueTask) {
    this.#verdict = { kind: 'accept', bytes: new Uint8Array(0), start: 0, end: 0, setsMark: false, mark: 0 }
    this.#behaviour = BEHAVIOURS[task.behaviour]
    this.#queue = QUEUE_DRIVERS[driver](task.settings, this.#handle)
  }

  get fd(): number {
    return this.#queue.fd
  }

  turn(): void {
    try {
      this.#queue.turn()
    } catch (error) {
      this.thrown.push((error as Error).message)
    }
  }

  finish(): QueueSight {
    this.#queue.close()
    return {
      counters: this.#queue.counters,
      ...this.#sums,
      hooks: [...this.#hooks],
      marks: [...this.#marks],
      devices: [...this.#devices],
      thrown: this.thrown,
    }
  }

  readonly #handle: PacketHandler = (packet) => {
    const sums = this.#sums
    sums.packets++
    sums.longestBytes = Math.max(sums.longestBytes, packet.end - packet.start)
    sums.supers += Number(packet.isSuper)
    sums.unfinished += Number(packet.checksumUnfinished)
    sums.truncated += Number(packet.isTruncated)
    this.#hooks.add(packet.hook)
    this.#marks.add(packet.mark)
    this.#devices.add(packet.inDevice)
    this.#verdict.kind = 'accept'
    this.#verdict.setsMark = false
    this.#behaviour(packet, this.#verdict)
    return this.#verdict
  }
}

function main(driver: QueueDriverName, tasks: readonly QueueTask[]): void {
  const seam = loadSeam()
  const readers = tasks.map((task) => new Reader(driver, task))
  const fds = Int32Array.from(readers, (reader) => reader.fd)
  const ready = new Int32Array(fds.length)
  const deliversItself = fds.every((fd) => fd < 0)
  let isFinishing = false

  // A driver that delivers from the event loop throws there what its handler threw.
  process.on('uncaughtException', (error) => readers[0]?.thrown.push(error.message))
  process.stdin.on('end', () => (isFinishing = true)).resume()

  const loop = () => {
    // A driver without descriptors delivers from the event loop, which must not be kept waiting.
    seam.poll(fds, ready, fds.length, deliversItself ? 0 : 10)
    for (const [index, reader] of readers.entries()) if (ready[index] !== 0) reader.turn()
    if (!isFinishing) setTimeout(loop, deliversItself ? 1 : 0)
    else
      process.stdout.write(`${JSON.stringify(readers.map((reader) => reader.finish()))}\n`, () =>
        process.exit(0),
      )
  }
  process.stdout.write('"ready"\n', loop)
}

const [driver, tasks] = process.argv.slice(2)
main(driver as QueueDriverName, JSON.parse(tasks ?? '[]') as QueueTask[])
