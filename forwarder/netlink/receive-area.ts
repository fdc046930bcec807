import type { Seam } from '../native/seam.ts'

const CACHE_LINE_BYTES = 64

/**
 * One preallocated stretch of memory in which datagrams are received, a slot each. The distance between slots is an
 * odd number of cache lines: slots a power of two apart would all compete for the same few sets of the cache.
 */
export class ReceiveArea {
  readonly bytes: Uint8Array
  readonly slots: number
  /** From the start of one slot to the start of the next. */
  readonly slotBytes: number
  /** Free room at the start of each slot, before the datagram. */
  readonly headroomBytes: number
  /** The longest datagram a slot holds whole. */
  readonly roomBytes: number
  /** True lengths of what the last {@link ReceiveArea.receive} brought. */
  readonly lengths: Int32Array

  /** @param shape `roomBytes` is the longest datagram expected; a multiple of four for netlink */
  constructor(shape: { readonly slots: number; readonly headroomBytes: number; readonly roomBytes: number }) {
    const lines = Math.ceil((shape.headroomBytes + shape.roomBytes) / CACHE_LINE_BYTES)
    this.slotBytes = (lines | 1) * CACHE_LINE_BYTES
    this.slots = shape.slots
    this.headroomBytes = shape.headroomBytes
    this.roomBytes = this.slotBytes - shape.headroomBytes
    this.bytes = new Uint8Array(this.slotBytes * shape.slots)
    this.lengths = new Int32Array(shape.slots)
  }

  /** Receives what waits, without blocking: how many slots are filled from the first, or a negative errno. */
  receive(seam: Seam, fd: number): number {
    return seam.receiveBatch(fd, this.bytes, this.slotBytes, this.headroomBytes, this.slots, this.lengths)
  }

  /** Where slot `index` begins, headroom included. */
  slotStart(index: number): number {
    return index * this.slotBytes
  }

  /** Where the datagram in slot `index` begins. */
  start(index: number): number {
    return index * this.slotBytes + this.headroomBytes
  }

  /** Where the datagram in slot `index` ends, or -1 when it was longer than the slot and lost its end. */
  end(index: number): number {
    const length = this.lengths[index] as number
    return length > this.roomBytes ? -1 : this.start(index) + length
  }
}
