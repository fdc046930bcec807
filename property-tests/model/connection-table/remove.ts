import type fc from 'fast-check'
import { expect } from 'vitest'
import { expectAgreement, type Model, type Real } from './model.ts'

/** The `pick`-th connection, hidden or not, is removed at once. */
export class Remove implements fc.Command<Model, Real> {
  private readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check({ entries }: Readonly<Model>): boolean {
    return entries.length > 0
  }

  run(model: Model, real: Real): void {
    const entry = model.entries[this.pick % model.entries.length]!
    real.removed.length = 0
    real.table.remove(entry.record, (record) => real.removed.push(record))
    expect(real.removed).toEqual([entry.record])
    model.entries = model.entries.filter((each) => each !== entry)
    expectAgreement(model, real)
  }

  toString(): string {
    return `remove #${this.pick}`
  }
}
