import { readU8, writeU8 } from '../../lib/bytes/octets.ts'
import { enlargeBuffer } from '../native/buffers.ts'
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  IP_HDRINCL,
  IPPROTO_RAW,
  IPV6_HDRINCL,
  SO_BINDTOIFINDEX,
  SO_MARK,
  SOCK_RAW,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
} from '../native/constants.ts'
import { attempt, loadSeam, type Seam } from '../native/seam.ts'
import { writeHostU16 } from '../netlink/message.ts'
import { Outbox } from './outbox.ts'

const SEND_BUFFER_BYTES = 4 << 20

/** What the two families' raw sockets differ in: sockaddr_in and sockaddr_in6, ip(7) and ipv6(7), and the IP header. */
const FAMILIES = {
  4: {
    domain: AF_INET,
    level: SOL_IP,
    headerIncluded: IP_HDRINCL,
    addressBytes: 16,
    octets: 4,
    headerBytes: 20,
  },
  6: {
    domain: AF_INET6,
    level: SOL_IPV6,
    headerIncluded: IPV6_HDRINCL,
    addressBytes: 28,
    octets: 16,
    headerBytes: 40,
  },
} as const

/** Where the destination stands in an IP header, and in a socket address. */
const DESTINATION = { 4: { inHeader: 16, inAddress: 4 }, 6: { inHeader: 24, inAddress: 8 } } as const

export interface SinkCounters {
  sent: number
  /** Longer than the outgoing device takes. */
  tooLong: number
  noRoute: number
  /** The send buffer or the device's queue was full. */
  congested: number
  /** Anything else, a packet filter's refusal and a packet without a whole IP header included. */
  failed: number
}

/** Where packets of our own go: whole IP packets, routed by the kernel on their destination address. */
export interface PacketSink {
  /** Takes the IP packet `[start, end)`, whose bytes may be reused at once; false for what is no IP packet. */
  send(bytes: Uint8Array, start: number, end: number): boolean
  /** The same at once, with a mark of its own: for the few that policy routing is to tell apart. */
  sendMarked(bytes: Uint8Array, start: number, end: number, mark: number): boolean
  /** Sends whatever was taken. */
  flush(): void
  readonly counters: SinkCounters
  close(): void
}

export interface RawSinkOptions {
  /** The mark of every packet sent, so that netfilter rules and policy routing can tell them. */
  readonly mark?: number
  /** The only device packets may leave by. */
  readonly deviceIndex?: number
}

/**
 * A sink over raw sockets, one per family, with the IP header included; sends in batches. The source address may be
 * any. The kernel itself fills in an IPv4 header's checksum, total length, and identification where that is 0.
 * Throws a {@link SystemError} where the process may not open raw sockets (CAP_NET_RAW) or set marks (CAP_NET_ADMIN).
 */
export function openRawSink(options: RawSinkOptions = {}): PacketSink {
  const seam = loadSeam()
  const counters: SinkCounters = { sent: 0, tooLong: 0, noRoute: 0, congested: 0, failed: 0 }
  const report = (errno: number) => count(counters, errno)
  const ipv4 = new RawSocket(seam, 4, options, report)
  const ipv6 = new RawSocket(seam, 6, options, report)
  const socketFor = (bytes: Uint8Array, start: number, end: number): RawSocket | null => {
    const version = end > start ? readU8(bytes, start) >>> 4 : 0
    return version === 4 ? ipv4 : version === 6 ? ipv6 : null
  }
  const counted = (isTaken: boolean): boolean => {
    if (!isTaken) counters.failed++
    return isTaken
  }
  return {
    counters,
    send: (bytes, start, end) => counted(socketFor(bytes, start, end)?.send(bytes, start, end) ?? false),
    sendMarked: (bytes, start, end, mark) =>
      counted(socketFor(bytes, start, end)?.sendMarked(bytes, start, end, mark) ?? false),
    flush() {
      ipv4.flush()
      ipv6.flush()
    },
    close() {
      ipv4.close()
      ipv6.close()
    },
  }
}

function count(counters: SinkCounters, errno: number): void {
  if (errno === 0) counters.sent++
  else if (errno === EMSGSIZE) counters.tooLong++
  else if (errno === ENETUNREACH || errno === EHOSTUNREACH) counters.noRoute++
  else if (errno === EAGAIN || errno === ENOBUFS) counters.congested++
  else counters.failed++
}

class RawSocket {
  readonly #seam: Seam
  readonly #fd: number
  readonly #family: 4 | 6
  readonly #mark: number
  readonly #outbox: Outbox

  constructor(seam: Seam, family: 4 | 6, options: RawSinkOptions, report: (errno: number) => void) {
    const { domain, level, headerIncluded, addressBytes } = FAMILIES[family]
    this.#seam = seam
    this.#family = family
    this.#mark = options.mark ?? 0
    this.#fd = attempt(`open a raw IPv${family} socket`, seam.open(domain, SOCK_RAW, IPPROTO_RAW))
    const set = (attempted: string, inLevel: number, name: number, value: number) =>
      attempt(`${attempted} of a raw IPv${family} socket`, seam.setOption(this.#fd, inLevel, name, value))
    set('include the header in packets', level, headerIncluded, 1)
    enlargeBuffer(seam, this.#fd, 'send', SEND_BUFFER_BYTES)
    if (options.mark !== undefined) set('set the mark', SOL_SOCKET, SO_MARK, options.mark | 0)
    if (options.deviceIndex !== undefined)
      set('set the device', SOL_SOCKET, SO_BINDTOIFINDEX, options.deviceIndex)
    this.#outbox = new Outbox(seam, this.#fd, addressBytes, report)
  }

  send(bytes: Uint8Array, start: number, end: number): boolean {
    const { domain, octets, headerBytes } = FAMILIES[this.#family]
    const { inHeader, inAddress } = DESTINATION[this.#family]
    if (end - start < headerBytes) return false
    const at = this.#outbox.add(bytes, start, end)
    const { addresses } = this.#outbox
    writeHostU16(addresses, at, domain)
    for (let i = 0; i < octets; i++)
      writeU8(addresses, at + inAddress + i, readU8(bytes, start + inHeader + i))
    return true
  }

  sendMarked(bytes: Uint8Array, start: number, end: number, mark: number): boolean {
    this.#outbox.flush()
    this.#setMark(mark)
    const isTaken = this.send(bytes, start, end)
    this.#outbox.flush()
    this.#setMark(this.#mark)
    return isTaken
  }

  flush(): void {
    this.#outbox.flush()
  }

  #setMark(mark: number): void {
    const failed = this.#seam.setOption(this.#fd, SOL_SOCKET, SO_MARK, mark | 0)
    attempt(`set the mark of a raw IPv${this.#family} socket`, failed)
  }

  close(): void {
    this.#outbox.flush()
    this.#seam.close(this.#fd)
  }
}
