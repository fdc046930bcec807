import { describe, expect, it } from 'vitest'
import { secondsUntil, startTickOf, TICKS_PER_SEC, tickOf, ticksFromSec } from '../../lib/conn/ticks.ts'

describe('ticks', () => {
  it('are tenths of a second', () => {
    expect(TICKS_PER_SEC).toBe(10)
    expect(ticksFromSec(900)).toBe(9000)
    expect(tickOf(1000)).toBe(10)
  })

  it('never let a timeout end early, nor more than a tick late', () => {
    for (const nowMs of [0, 1, 99, 99.5, 100, 101, 12_345.678]) {
      const deadline = startTickOf(nowMs) + ticksFromSec(2)
      const isDueAt = (ms: number) => deadline <= tickOf(ms)
      expect(isDueAt(nowMs + 1999.99), `a moment early, from ${nowMs}`).toBe(false)
      expect(isDueAt(nowMs + 2100), `a tick late, from ${nowMs}`).toBe(true)
    }
  })

  it('show the time left in whole seconds, rounded down and never negative', () => {
    expect(secondsUntil(600, 0)).toBe(60)
    expect(secondsUntil(600, 1)).toBe(59)
    expect(secondsUntil(600, 59_001)).toBe(0)
    expect(secondsUntil(600, 3_600_000)).toBe(0)
  })

  it('fit a signed 32-bit word for six years, the longest timeout included', () => {
    const sixYearsMs = 6 * 365 * 24 * 3600 * 1000
    expect(startTickOf(sixYearsMs) + ticksFromSec(21_474_836)).toBeLessThan(2 ** 31)
  })
})
