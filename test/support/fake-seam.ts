import type { Seam } from '../../forwarder/native/seam.ts'

/**
 * A seam without a kernel: what `inbox` holds is received, what is sent is kept in `sent`, and netlink requests for
 * an acknowledgement get one at once. Refusals are set up by the test.
 */
export class FakeSeam implements Seam {
  /** Datagrams that wait to be received. */
  readonly inbox: Uint8Array[] = []
  /** Each datagram sent, the ranges of one send in a row. */
  readonly sent: { readonly ranges: Uint8Array[] }[] = []
  /** Errnos that the next receptions and sends fail with, in order; 0 lets one succeed. */
  readonly receiveErrnos: number[] = []
  readonly sendErrnos: number[] = []
  /** The errno that netlink requests are answered with, by the number of the request, from 1. */
  readonly answers = new Map<number, number>()
  readonly closed: number[] = []
  sendBufferBytes = 8 << 20

  open(): number {
    return 99
  }

  close(fd: number): number {
    this.closed.push(fd)
    return 0
  }

  setOption(): number {
    return 0
  }

  getOption(): number {
    return this.sendBufferBytes
  }

  bindNetlink(): number {
    return 0
  }

  bindPacket(): number {
    return 0
  }

  attachTun(): number {
    return 0
  }

  receiveBatch(
    _fd: number,
    area: Uint8Array,
    slotBytes: number,
    slotHeadroomBytes: number,
    slots: number,
    lengths: Int32Array,
  ): number {
    const errno = this.receiveErrnos.shift() ?? 0
    if (errno !== 0) return -errno
    const batch = this.inbox.splice(0, slots)
    for (const [index, datagram] of batch.entries()) {
      const room = slotBytes - slotHeadroomBytes
      area.set(datagram.subarray(0, room), index * slotBytes + slotHeadroomBytes)
      lengths[index] = datagram.length
    }
    return batch.length
  }

  sendRanges(_fd: number, area: Uint8Array, ranges: Int32Array, count: number): number {
    const errno = this.sendErrnos.shift() ?? 0
    if (errno !== 0) return -errno
    const slices = Array.from({ length: count }, (_, index) => {
      const offset = ranges[2 * index] as number
      return area.slice(offset, offset + (ranges[2 * index + 1] as number))
    })
    this.sent.push({ ranges: slices })
    for (const slice of slices) this.#acknowledge(slice)
    return slices.reduce((sum, slice) => sum + slice.length, 0)
  }

  sendEach(
    _fd: number,
    area: Uint8Array,
    ranges: Int32Array,
    _addresses: Uint8Array,
    _addressBytes: number,
    results: Int32Array,
    count: number,
  ): number {
    let sent = 0
    for (let index = 0; index < count; index++) {
      const errno = this.sendErrnos.shift() ?? 0
      results[index] = -errno
      if (errno !== 0) continue
      const offset = ranges[2 * index] as number
      this.sent.push({ ranges: [area.slice(offset, offset + (ranges[2 * index + 1] as number))] })
      sent++
    }
    return sent
  }

  poll(_fds: Int32Array, ready: Int32Array): number {
    ready[0] = 1
    return 1
  }

  eventfd(): number {
    return 98
  }

  signal(): number {
    return 0
  }

  drain(): number {
    return 0
  }

  #acknowledge(request: Uint8Array): void {
    const view = new DataView(request.buffer)
    const asksForAck = (view.getUint16(6, true) & 4) !== 0
    if (!asksForAck) return
    const sequence = view.getUint32(8, true)
    const ack = new DataView(new ArrayBuffer(36))
    ack.setUint32(0, 36, true)
    ack.setUint16(4, 2, true)
    ack.setUint32(8, sequence, true)
    ack.setInt32(16, -(this.answers.get(sequence) ?? 0), true)
    this.inbox.push(new Uint8Array(ack.buffer))
  }
}
