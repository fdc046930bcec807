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
    const slot = slotOf(targetHash)
    const tokens = this.#tokensOf(slot, nowMs)
    const globalTokens = this.#globalTokensAt(nowMs)
    const isAllowed = tokens >= 1 && globalTokens >= 1
    this.#tokens[slot] = isAllowed ? tokens - 1 : tokens
    this.#atMs[slot] = nowMs
    this.#globalTokens = isAllowed ? globalTokens - 1 : globalTokens
    this.#globalAtMs = nowMs
    return isAllowed
  }

  /** What {@link IcmpLimit.allows} would answer; counts nothing. */
  wouldAllow(targetHash: number, nowMs: number): boolean {
    return this.#tokensOf(slotOf(targetHash), nowMs) >= 1 && this.#globalTokensAt(nowMs) >= 1
  }

  #tokensOf(slot: number, nowMs: number): number {
    const earned = (nowMs - this.#atMs[slot]!) / TARGET_PERIOD_MS
    return Math.min(TARGET_BURST, this.#tokens[slot]! + earned)
  }

  #globalTokensAt(nowMs: number): number {
    const earned = ((nowMs - this.#globalAtMs) * GLOBAL_PER_SEC) / 1000
    return Math.min(GLOBAL_BURST, this.#globalTokens + earned)
  }
}

const slotOf = (targetHash: number): number => (Math.imul(targetHash, 0x61c88647) >>> 22) % SLOTS
