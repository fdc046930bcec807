/** Time as connections keep it: in ticks, so that a deadline is one signed 32-bit word for nearly seven years on the clock. */

export const TICKS_PER_SEC = 10
export const TICK_MS = 1000 / TICKS_PER_SEC

/** The tick a moment belongs to: its deadlines are due. */
export const tickOf = (nowMs: number): number => Math.floor(nowMs / TICK_MS)

/** The tick from which a timeout that starts now is counted; rounded up, so that nothing ever ends early. */
export const startTickOf = (nowMs: number): number => Math.ceil(nowMs / TICK_MS)

export const ticksFromSec = (seconds: number): number => seconds * TICKS_PER_SEC

/** Whole seconds from now to the tick, rounded down, never negative: as listings show it. */
export const secondsUntil = (tick: number, nowMs: number): number =>
  Math.max(0, Math.floor((tick * TICK_MS - nowMs) / 1000))
