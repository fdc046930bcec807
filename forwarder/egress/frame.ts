import { readU8, writeU8, writeU16 } from '../../lib/bytes/octets.ts'
import { enlargeBuffer } from '../native/buffers.ts'
import { AF_PACKET, ETH_P_IP, ETH_P_IPV6, SOCK_DGRAM } from '../native/constants.ts'
import { attempt, loadSeam, type Seam } from '../native/seam.ts'
import { writeHostU16, writeHostU32 } from '../netlink/message.ts'
import type { EgressOptions, Hop } from './egress.ts'
import {
  countByErrno,
  type FrameSender,
  type LinkCounters,
  LinkEgress,
  noLinkCounters,
} from './link-egress.ts'
import { Neighbours } from './neighbours.ts'
import { Outbox } from './outbox.ts'

const SEND_BUFFER_BYTES = 4 << 20

/** struct sockaddr_ll, packet(7): where a packet socket sends to. */
const ADDRESS_BYTES = 20
const ADDRESS_PROTOCOL = 2
const ADDRESS_DEVICE = 4
const ADDRESS_LENGTH = 11
const ADDRESS_OCTETS = 12
const LINK_ADDRESS_MAX_BYTES = 8

/**
 * Frames through a packet socket, in batches. The kernel builds the link-layer header (any kind of link) and refuses
 * what is longer than the device's MTU. Throws a {@link SystemError} where the process may not open packet sockets.
 */
export function openFrameEgress({ nowMs }: EgressOptions): LinkEgress {
  const seam = loadSeam()
  const counters = noLinkCounters()
  const neighbours = new Neighbours(nowMs)
  return new LinkEgress('frame', { sender: new PacketSocket(seam, counters), counters, neighbours, nowMs })
}

class PacketSocket implements FrameSender {
  readonly #seam: Seam
  readonly #fd: number
  readonly #counters: LinkCounters
  readonly #outbox: Outbox

  constructor(seam: Seam, counters: LinkCounters) {
    this.#seam = seam
    this.#counters = counters
    // Protocol 0: a socket that only sends, and receives nothing.
    this.#fd = attempt('open a packet socket', seam.open(AF_PACKET, SOCK_DGRAM, 0))
    enlargeBuffer(seam, this.#fd, 'send', SEND_BUFFER_BYTES)
    this.#outbox = new Outbox(seam, this.#fd, ADDRESS_BYTES, (errno) => countByErrno(counters, errno))
  }

  send(hop: Hop, neighbour: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
    if (neighbour.length > LINK_ADDRESS_MAX_BYTES) {
      this.#counters.failed++
      return false
    }
    const at = this.#outbox.add(bytes, start, end)
    const { addresses } = this.#outbox
    writeHostU16(addresses, at, AF_PACKET)
    writeU16(addresses, at + ADDRESS_PROTOCOL, etherTypeOf(bytes, start))
    writeHostU32(addresses, at + ADDRESS_DEVICE, hop.deviceIndex)
    writeU8(addresses, at + ADDRESS_LENGTH, neighbour.length)
    for (let i = 0; i < neighbour.length; i++)
      writeU8(addresses, at + ADDRESS_OCTETS + i, readU8(neighbour, i))
    return true
  }

  flush(): void {
    this.#outbox.flush()
  }

  close(): void {
    this.#outbox.flush()
    this.#seam.close(this.#fd)
  }
}

/** The EtherType of an IP packet, from its version. */
export const etherTypeOf = (bytes: Uint8Array, start: number): number =>
  readU8(bytes, start) >>> 4 === 4 ? ETH_P_IP : ETH_P_IPV6
