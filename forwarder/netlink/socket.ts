import { AF_NETLINK, SOCK_RAW } from '../native/constants.ts'
import { attempt, loadSeam, type Seam } from '../native/seam.ts'
import {
  align4,
  errorOf,
  type MessageWriter,
  messageEnd,
  messageSequence,
  messageType,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './message.ts'
import { ReceiveArea } from './receive-area.ts'

/** Dumps come in datagrams of up to 32 KiB (netlink_dump). */
const DATAGRAM_MAX_BYTES = 32_768

const ANSWER_TIMEOUT_MS = 1000

/** What the kernel said to a request. */
export interface Answer {
  /** 0, or the positive errno by which the kernel refused. */
  readonly errno: number
  /** The messages it sent before that, each on its own. */
  readonly messages: readonly Uint8Array[]
}

/**
 * A netlink socket for questions and answers, one at a time and synchronously: the kernel answers while it takes the
 * question, so nothing waits in practice. For looking things up, not for the forwarding path.
 */
export class NetlinkSocket {
  readonly #seam: Seam
  readonly #fd: number
  readonly #area = new ReceiveArea({ slots: 4, headroomBytes: 0, roomBytes: DATAGRAM_MAX_BYTES })
  readonly #fds: Int32Array
  readonly #ready = new Int32Array(1)
  #sequence = 0

  /** @param protocol such as `NETLINK_ROUTE`; throws a {@link SystemError} when the kernel has no such protocol */
  constructor(protocol: number, seam: Seam = loadSeam()) {
    this.#seam = seam
    this.#fd = attempt('open a netlink socket', seam.open(AF_NETLINK, SOCK_RAW, protocol))
    this.#fds = Int32Array.of(this.#fd)
    const bound = seam.bindNetlink(this.#fd, 0)
    if (bound < 0) seam.close(this.#fd)
    attempt('bind a netlink socket', bound)
  }

  /**
   * Sends a request, which must ask for an acknowledgement or be a dump, and gives all that the kernel answers. A
   * refusal is part of the answer; an Error is thrown only where there was no answer.
   * @param attempted for the error's text, as in `cannot look up a route: …`
   */
  ask(attempted: string, request: MessageWriter): Answer {
    const sequence = ++this.#sequence
    const bytes = request.finish(sequence)
    attempt(attempted, this.#seam.sendRanges(this.#fd, bytes, Int32Array.of(0, bytes.length), 1))
    const messages: Uint8Array[] = []
    for (;;) {
      if (attempt(attempted, this.#seam.poll(this.#fds, this.#ready, 1, ANSWER_TIMEOUT_MS)) === 0) {
        throw new Error(`cannot ${attempted}: the kernel did not answer within ${ANSWER_TIMEOUT_MS} ms`)
      }
      const count = attempt(attempted, this.#area.receive(this.#seam, this.#fd))
      for (let slot = 0; slot < count; slot++) {
        const errno = this.#collect(slot, sequence, messages)
        if (errno >= 0) return { errno, messages }
      }
    }
  }

  close(): void {
    this.#seam.close(this.#fd)
  }

  /** Gathers the messages of one datagram; the final errno where the answer ends in it, else -1. */
  #collect(slot: number, sequence: number, messages: Uint8Array[]): number {
    const { bytes } = this.#area
    const limit = this.#area.end(slot)
    for (let at = this.#area.start(slot); at < limit; ) {
      const end = messageEnd(bytes, at, limit)
      if (end < 0) return -1
      const type = messageType(bytes, at)
      // What answers an earlier request, one that was given up, is left aside.
      if (messageSequence(bytes, at) === sequence) {
        if (type === NLMSG_ERROR) return errorOf(bytes, at)
        if (type === NLMSG_DONE) return 0
        messages.push(bytes.slice(at, end))
      }
      at += align4(end - at)
    }
    return -1
  }
}
