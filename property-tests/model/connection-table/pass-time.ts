import type fc from 'fast-check'
import { expect } from 'vitest'
import { expectAgreement, expire, type Model, type Real } from './model.ts'

/** Time goes by, and all that is due is removed, in portions of `budget` records. */
export class PassTime implements fc.Command<Model, Real> {
  private readonly ms: number
  private readonly budget: number

  constructor(ms: number, budget: number) {
    this.ms = ms
    this.budget = budget
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    model.nowMs += this.ms
    real.removed.length = 0
    const onRemoved = (record: number) => real.removed.push(record)
    for (let calls = 0; !real.table.expire(model.nowMs, this.budget, onRemoved); calls++) {
      expect(calls, 'calls until all is done').toBeLessThan(100_000)
    }
    expect(real.removed.sort(), 'removed records').toEqual(expire(model).sort())
    expectAgreement(model, real)
  }

  toString(): string {
    return `pass ${this.ms} ms, ${this.budget} records a call`
  }
}
