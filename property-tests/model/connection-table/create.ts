import type fc from 'fast-check'
import { expect } from 'vitest'
import { NONE } from '../../../lib/conn/layout.ts'
import { startTickOf, ticksFromSec } from '../../../lib/conn/ticks.ts'
import { type ConnectionSpec, newConnection } from '../../../test/support/connections.ts'
import { describeSpec, dueAt, expectAgreement, LIMIT, type Model, type Real } from './model.ts'

/** A new connection; none when the table is full. */
export class Create implements fc.Command<Model, Real> {
  private readonly spec: ConnectionSpec

  constructor(spec: ConnectionSpec) {
    this.spec = spec
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const record = real.table.create(newConnection(this.spec), model.nowMs)
    expect(record === NONE, 'whether the table is full').toBe(model.entries.length === LIMIT)
    if (record !== NONE) {
      expect(model.entries.map((entry) => entry.record)).not.toContain(record)
      const dueTick = dueAt(model, startTickOf(model.nowMs) + ticksFromSec(3))
      model.entries.unshift({ spec: this.spec, record, dueTick, isHidden: false })
    }
    expectAgreement(model, real)
  }

  toString(): string {
    return `create ${describeSpec(this.spec)}`
  }
}
