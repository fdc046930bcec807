/** A bound on the ICMP errors that the director sends: about what the kernel's defaults allow. */

const GLOBAL_PER_SEC = 1000
const GLOBAL_BURST = 50
const TARGET_BURST = 6
const TARGET_PERIOD_MS = 1000
/** Targets share slots by hash: a collision only means that two share an allowance. */
const SLOTS = 1024

/** Token buckets: one per target and second with a small burst, and one for all. */
export class IcmpLimit {
  #globalTokens = GLOBAL_BURST
  #globalAtMs = 0
  readonly #tokens = new Float64Array(SLOTS).fill(TARGET_BURST)
  readonly #atMs = new Float64Array(SLOTS)

  /** Whether an error may be sent now to the target with this hash; counts it when so. */
  allows(targetHash: number, nowMs: number): boolean {
    const slot = (Math.imul(targetHash, 0x61c88647) >>> 22) % SLOTS
    const earned = (nowMs - this.#atMs[slot]!) / TARGET_PERIOD_MS
    const tokens = Math.min(TARGET_BURST, this.#tokens[slot]! + earned)
    const globalTokens = Math.min(
      GLOBAL_BURST,
      this.#globalTokens + ((nowMs - this.#globalAtMs) * GLOBAL_PER_SEC) / 1000,
    )
    this.#tokens[slot] = tokens
    this.#atMs[slot] = nowMs
    this.#globalTokens = globalTokens
    this.#globalAtMs = nowMs
    if (tokens < 1 || globalTokens < 1) return false
    this.#tokens[slot] = tokens - 1
    this.#globalTokens = globalTokens - 1
    return true
  }
}
