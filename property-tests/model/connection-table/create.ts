import type fc from 'fast-check'
import { expect } from 'vitest'
import { FLAG, NONE } from '../../../lib/conn/layout.ts'
import { startTickOf, ticksFromSec } from '../../../lib/conn/ticks.ts'
import { type ConnectionSpec, newConnection } from '../../../test/support/connections.ts'
import { describeSpec, dueAt, enter, expectAgreement, LIMIT, type Model, type Real } from './model.ts'

/** A new connection; none when the table is full. Of one without port, the client's port is not known yet. */
export class Create implements fc.Command<Model, Real> {
  private readonly spec: ConnectionSpec
  private readonly isPortless: boolean

  constructor(spec: ConnectionSpec, isPortless: boolean) {
    this.spec = spec
    this.isPortless = isPortless
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const { spec, isPortless } = this
    const wanted = newConnection(spec)
    if (isPortless) Object.assign(wanted, { clientPort: 0, flags: wanted.flags | FLAG.noClientPort })
    const record = real.table.create(wanted, model.nowMs)
    expect(record === NONE, 'whether the table is full').toBe(model.entries.length === LIMIT)
    if (record !== NONE) {
      expect(model.entries.map((entry) => entry.record)).not.toContain(record)
      const dueTick = dueAt(model, startTickOf(model.nowMs) + ticksFromSec(3))
      enter(model, { spec, record, dueTick, isPortless })
    }
    expectAgreement(model, real)
  }

  toString(): string {
    return `create ${describeSpec(this.spec)}${this.isPortless ? ' without the client’s port' : ''}`
  }
}
