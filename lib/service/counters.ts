/** What is counted for a destination, a service and the whole director, and the rates estimated from it. */

/** Five 64-bit counts as doubles: exact up to 2^53. */
export interface Counts {
  connections: number
  inPackets: number
  outPackets: number
  inBytes: number
  outBytes: number
}

const CONNECTIONS = 0
const IN_PACKETS = 1
const OUT_PACKETS = 2
const IN_BYTES = 3
const OUT_BYTES = 4
const KINDS = 5

/** Estimation period of IPVS, and so the age that a shown counter can have. */
export const ESTIMATION_PERIOD_MS = 2000

/**
 * Counters of one object. As in kernel IPVS, what is shown is a snapshot that {@link Counters.estimate} takes every
 * two seconds, less a zero point; and rates are a moving average with weight 1/4 in fixed-point integers.
 */
export class Counters {
  /** Running totals; never zeroed. */
  readonly #counts = new Float64Array(KINDS)
  readonly #shown = new Float64Array(KINDS)
  readonly #zero = new Float64Array(KINDS)
  /** Scaled rates: per second × 2^10 for connections and packets, × 2^5 for bytes. */
  readonly #rates = new Float64Array(KINDS)

  countConnection(): void {
    this.#counts[CONNECTIONS]! += 1
  }

  countIn(packetBytes: number): void {
    this.#counts[IN_PACKETS]! += 1
    this.#counts[IN_BYTES]! += packetBytes
  }

  countOut(packetBytes: number): void {
    this.#counts[OUT_PACKETS]! += 1
    this.#counts[OUT_BYTES]! += packetBytes
  }

  /** To be called every {@link ESTIMATION_PERIOD_MS}: takes the snapshot and moves the rates. */
  estimate(): void {
    for (let kind = 0; kind < KINDS; kind++) {
      const count = this.#counts[kind]!
      const scale = kind < IN_BYTES ? 512 : 16
      const rate = this.#rates[kind]!
      // The kernel's arithmetic shift by 2 rounds towards minus infinity, as floor does.
      this.#rates[kind] = rate + Math.floor(((count - this.#shown[kind]!) * scale - rate) / 4)
      this.#shown[kind] = count
    }
  }

  /** The snapshot becomes the zero point, and the rates start again from 0. */
  zero(): void {
    this.#zero.set(this.#shown)
    this.#rates.fill(0)
  }

  /** Goes on from counts that were shown before, by another process. */
  restore(counts: Counts): void {
    const { connections, inPackets, outPackets, inBytes, outBytes } = counts
    this.#counts.set([connections, inPackets, outPackets, inBytes, outBytes])
    this.#shown.set(this.#counts)
    this.#zero.fill(0)
    this.#rates.fill(0)
  }

  /** Counts since the last zero, as of the last estimation. */
  shown(): Counts {
    return asCounts((kind) => this.#shown[kind]! - this.#zero[kind]!)
  }

  /** Rates a second, rounded up as the kernel shows them. Bytes are bytes. */
  rates(): Counts {
    return asCounts((kind) =>
      kind < IN_BYTES
        ? Math.floor((this.#rates[kind]! + 511) / 1024)
        : Math.floor((this.#rates[kind]! + 15) / 32),
    )
  }

  /** Counts as they stand this moment, without snapshot or zero point. */
  current(): Counts {
    return asCounts((kind) => this.#counts[kind]!)
  }
}

const asCounts = (read: (kind: number) => number): Counts => ({
  connections: read(CONNECTIONS),
  inPackets: read(IN_PACKETS),
  outPackets: read(OUT_PACKETS),
  inBytes: read(IN_BYTES),
  outBytes: read(OUT_BYTES),
})
