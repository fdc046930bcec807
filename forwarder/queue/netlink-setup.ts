import { readFileSync } from 'node:fs'
import { enlargeBuffer } from '../native/buffers.ts'
import {
  AF_NETLINK,
  EPERM,
  NETLINK_CAP_ACK,
  NETLINK_NETFILTER,
  NETLINK_NO_ENOBUFS,
  SOCK_RAW,
  SOL_NETLINK,
} from '../native/constants.ts'
import { attempt, type Seam, SystemError } from '../native/seam.ts'
import {
  errorOf,
  type MessageWriter,
  messageEnd,
  messageSequence,
  messageType,
  NLMSG_ERROR,
} from '../netlink/message.ts'
import {
  bindRequest,
  copyRequest,
  emptyPacketMessage,
  flagRequest,
  lengthRequest,
  NF_REPEAT,
  NFQA_CFG_F_GSO,
  NFQNL_MSG_PACKET,
  readPacketMessage,
  writeBatchVerdict,
} from '../netlink/nfqueue.ts'
import type { ReceiveArea } from '../netlink/receive-area.ts'
import { effectiveCapabilities, missingCapabilities } from '../privileges.ts'
import type { QueueSettings } from './packet-queue.ts'

/** Asked of the kernel for each direction; it doubles the number for its own bookkeeping. */
export const SOCKET_BUFFER_BYTES = 4 << 20

/** The kernel keeps 32 bytes of the send buffer to itself (netlink_sendmsg). */
const SEND_BUFFER_RESERVE_BYTES = 32

const ACK_TIMEOUT_MS = 1000

export interface QueueSocket {
  readonly fd: number
  /** The most bytes one send may carry. */
  readonly sendLimitBytes: number
}

/**
 * Opens a netlink socket and makes it the reader of the queue as `settings`, which must have been checked, say. Packets that came while it was being
 * set up, some of them without content, are sent through their hook once more.
 * Throws an Error that names the queue, what was attempted and the way out; nothing stays open then.
 */
export function openQueueSocket(seam: Seam, settings: QueueSettings, area: ReceiveArea): QueueSocket {
  const fd = attempt('open a netfilter netlink socket', seam.open(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER))
  try {
    attempt('bind a netfilter netlink socket', seam.bindNetlink(fd, 0))
    const sendLimitBytes = setBuffers(seam, fd) - SEND_BUFFER_RESERVE_BYTES
    configure(seam, fd, settings, area)
    return { fd, sendLimitBytes }
  } catch (error) {
    seam.close(fd)
    throw error
  }
}

/** Throws a RangeError that names the setting which cannot be, and what it may be. */
export function checkQueueSettings({ number, copyBytes, lengthPackets }: QueueSettings): void {
  if (!Number.isInteger(number) || number < 0 || number > 0xffff) {
    throw new RangeError(`queue number ${number} is not a whole number from 0 to 65535`)
  }
  if (!Number.isInteger(copyBytes) || copyBytes < 1 || copyBytes > 0xffff) {
    throw new RangeError(
      `queue ${number}: a copy range of ${copyBytes} bytes is not a whole number from 1 to 65535`,
    )
  }
  if (!Number.isInteger(lengthPackets) || lengthPackets < 1 || lengthPackets > 0x7fff_ffff) {
    throw new RangeError(`queue ${number}: a length of ${lengthPackets} packets is not a whole number from 1`)
  }
}

/** Makes both buffers large; the send buffer's size in bytes. */
function setBuffers(seam: Seam, fd: number): number {
  enlargeBuffer(seam, fd, 'receive', SOCKET_BUFFER_BYTES)
  // A full buffer loses packets either way, and the queue counts them; this only keeps reads from failing for it.
  attempt('set NETLINK_NO_ENOBUFS', seam.setOption(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1))
  // Without this, the kernel sends a refused verdict back whole. Kernels before 4.3 do not know the option.
  seam.setOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1)
  return enlargeBuffer(seam, fd, 'send', SOCKET_BUFFER_BYTES)
}

function configure(seam: Seam, fd: number, settings: QueueSettings, area: ReceiveArea): void {
  const { number } = settings
  const steps: readonly { readonly attempted: string; readonly request: MessageWriter }[] = [
    { attempted: `bind to queue ${number}`, request: bindRequest(number) },
    { attempted: `set the copy range of queue ${number}`, request: copyRequest(number, settings.copyBytes) },
    {
      attempted: `set the length of queue ${number}`,
      request: lengthRequest(number, settings.lengthPackets),
    },
    ...(settings.gso
      ? [
          {
            attempted: `ask for super-packets on queue ${number}`,
            request: flagRequest(number, NFQA_CFG_F_GSO),
          },
        ]
      : []),
  ]
  const early = { id: 0, seen: false }
  for (const [index, { attempted, request }] of steps.entries()) {
    const errno = acknowledged(seam, fd, request.finish(index + 1), {
      sequence: index + 1,
      attempted,
      area,
      early,
    })
    if (errno === EPERM) throw permissionError(number, attempted)
    if (errno !== 0) throw new SystemError(attempted, errno)
  }
  if (early.seen) {
    const length = writeBatchVerdict(area.bytes, 0, { queue: number, verdict: NF_REPEAT }, early.id)
    attempt(
      `repeat early packets of queue ${number}`,
      seam.sendRanges(fd, area.bytes, Int32Array.of(0, length), 1),
    )
  }
}

/** Sends a request and waits for the kernel's answer: 0 or a positive errno. Notes packets that came before it. */
function acknowledged(
  seam: Seam,
  fd: number,
  request: Uint8Array,
  wait: {
    readonly sequence: number
    readonly attempted: string
    readonly area: ReceiveArea
    readonly early: { id: number; seen: boolean }
  },
): number {
  const { area, attempted, early } = wait
  const packet = emptyPacketMessage(area.bytes)
  const fds = Int32Array.of(fd)
  let errno = -1
  attempt(attempted, seam.sendRanges(fd, request, Int32Array.of(0, request.length), 1))
  while (errno < 0) {
    if (attempt(attempted, seam.poll(fds, new Int32Array(1), 1, ACK_TIMEOUT_MS)) === 0) {
      throw new Error(`cannot ${attempted}: the kernel did not answer within ${ACK_TIMEOUT_MS} ms`)
    }
    const count = attempt(attempted, area.receive(seam, fd))
    for (let slot = 0; slot < count; slot++) {
      const start = area.start(slot)
      const end = messageEnd(area.bytes, start, area.end(slot))
      if (end < 0) continue
      const type = messageType(area.bytes, start)
      if (type === NLMSG_ERROR && messageSequence(area.bytes, start) === wait.sequence)
        errno = errorOf(area.bytes, start)
      if (type !== NFQNL_MSG_PACKET) continue
      readPacketMessage(packet, start, end)
      if (packet.hasId) {
        early.id = packet.id
        early.seen = true
      }
    }
  }
  return errno
}

/** The kernel says EPERM both to a process without rights and where the queue has another reader. */
function permissionError(number: number, attempted: string): Error {
  return queueHasReader(number)
    ? Object.assign(
        new Error(
          `queue ${number} is already in use by another process (see ${PROC_QUEUES}); choose another queue number`,
        ),
        { code: 'EBUSY' },
      )
    : Object.assign(
        new Error(`cannot ${attempted}: EPERM (this needs root, or the capability CAP_NET_ADMIN)`),
        {
          code: 'EPERM',
        },
      )
}

const PROC_QUEUES = '/proc/net/netfilter/nfnetlink_queue'

/**
 * Whether the kernel lists a reader of the queue; its lines begin with queue number and port id. Only root may read
 * them: of anybody else who has the capability, nothing but a reader stands in the way.
 */
function queueHasReader(number: number): boolean {
  let lines: string[]
  try {
    lines = readFileSync(PROC_QUEUES, 'utf8').split('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    return !missingCapabilities(effectiveCapabilities()).includes('CAP_NET_ADMIN')
  }
  return lines.some((line) => line.trim().split(/\s+/)[0] === String(number))
}
