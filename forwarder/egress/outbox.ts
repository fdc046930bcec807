import type { Seam } from '../native/seam.ts'

/** Packets gathered for one call of the kernel. */
const PACKETS_MAX = 64

/** Room for their bytes: 64 of the usual size, or a few of the largest. */
const AREA_BYTES = 256 << 10

/**
 * Packets on their way out, gathered so that one system call sends them. They are copied: what a packet was in, a
 * queue's receive area or a scratch buffer, may be reused at once.
 */
export class Outbox {
  readonly #seam: Seam
  readonly #fd: number
  readonly #addressBytes: number
  /** One socket address per packet; whoever adds a packet writes the address at the offset it is told. */
  readonly addresses: Uint8Array
  readonly #area = new Uint8Array(AREA_BYTES)
  readonly #ranges = new Int32Array(2 * PACKETS_MAX)
  readonly #results = new Int32Array(PACKETS_MAX)
  readonly #report: (errno: number) => void
  #count = 0
  #usedBytes = 0

  /**
   * @param addressBytes length of a socket address of the socket's family
   * @param report told of every packet what became of it: 0, or the positive errno it failed with
   */
  constructor(seam: Seam, fd: number, addressBytes: number, report: (errno: number) => void) {
    this.#seam = seam
    this.#fd = fd
    this.#addressBytes = addressBytes
    this.#report = report
    this.addresses = new Uint8Array(PACKETS_MAX * addressBytes)
  }

  /** Takes the packet `[start, end)`, of at most 65,535 bytes; returns where its address belongs in `addresses`. */
  add(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    if (this.#count === PACKETS_MAX || this.#usedBytes + length > AREA_BYTES) this.flush()
    this.#area.set(bytes.subarray(start, end), this.#usedBytes)
    const index = this.#count++
    this.#ranges[2 * index] = this.#usedBytes
    this.#ranges[2 * index + 1] = length
    this.#usedBytes += length
    return index * this.#addressBytes
  }

  /** Sends what was gathered and reports on each packet. */
  flush(): void {
    const count = this.#count
    if (count === 0) return
    this.#count = 0
    this.#usedBytes = 0
    const result = this.#seam.sendEach(
      this.#fd,
      this.#area,
      this.#ranges,
      this.addresses,
      this.#addressBytes,
      this.#results,
      count,
    )
    for (let index = 0; index < count; index++) {
      this.#report(Math.abs(result < 0 ? result : (this.#results[index] as number)))
    }
  }
}
