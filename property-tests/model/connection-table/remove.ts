import type fc from 'fast-check'
import { expect } from 'vitest'
import { controls, type Entry, expectAgreement, type Model, type Real } from './model.ts'

/**
 * The `pick`-th connection that controls no other, hidden or not, is removed at once; and whatever it was the last to be
 * controlled by, but for a template whose connections were answered.
 */
export class Remove implements fc.Command<Model, Real> {
  private readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check({ entries }: Readonly<Model>): boolean {
    return entries.length > 0
  }

  run(model: Model, real: Real): void {
    const free = model.entries.filter((each) => !controls(model, each))
    const gone: number[] = []
    let entry: Entry | null = free[this.pick % free.length]!
    while (entry !== null) {
      const record: number = entry.record
      const controller: Entry | null = entry.controller
      gone.push(record)
      model.entries = model.entries.filter((each) => each.record !== record)
      const stays: boolean | undefined =
        controller === null || controls(model, controller) || controller.template?.isAssured
      entry = stays ? null : controller
    }
    real.removed.length = 0
    real.table.remove(gone[0]!, (record) => real.removed.push(record))
    expect(real.removed).toEqual(gone)
    expectAgreement(model, real)
  }

  toString(): string {
    return `remove #${this.pick}`
  }
}
