import type fc from 'fast-check'
import { expect } from 'vitest'
import { expectAgreement, expire, hasTie, type Model, nextStopMs, type Real } from './model.ts'

/** Time goes by, and all that is due is removed, in portions of `budget` records. */
export class PassTime implements fc.Command<Model, Real> {
  private readonly ms: number
  private readonly budget: number

  constructor(ms: number, budget: number) {
    this.ms = ms
    this.budget = budget
  }

  check(model: Readonly<Model>): boolean {
    return !hasTie(model)
  }

  run(model: Model, real: Real): void {
    const endMs = model.nowMs + this.ms
    do {
      // Not in one leap: what controls others is put off from the moment at which it was due.
      model.nowMs = Math.max(model.nowMs, Math.min(endMs, nextStopMs(model)))
      real.removed.length = 0
      const onRemoved = (record: number) => real.removed.push(record)
      for (let calls = 0; !real.table.expire(model.nowMs, this.budget, onRemoved); calls++) {
        expect(calls, 'calls until all is done').toBeLessThan(100_000)
      }
      expect(real.removed.sort(), 'removed records').toEqual(expire(model).sort())
    } while (model.nowMs < endMs)
    expectAgreement(model, real)
  }

  toString(): string {
    return `pass ${this.ms} ms, ${this.budget} records a call`
  }
}
