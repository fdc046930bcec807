import type fc from 'fast-check'
import { expect } from 'vitest'
import { FLAG, NONE } from '../../../lib/conn/layout.ts'
import { type ConnectionSpec, newConnection } from '../../../test/support/connections.ts'
import { describeSpec, expectAgreement, LIMIT, type Model, type Real } from './model.ts'

/** A datagram's own connection: over before anybody could look for it. */
export class OnePacket implements fc.Command<Model, Real> {
  private readonly spec: ConnectionSpec

  constructor(spec: ConnectionSpec) {
    this.spec = spec
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const wanted = newConnection(this.spec)
    wanted.flags |= FLAG.onePacket
    const record = real.table.create(wanted, model.nowMs)
    expect(record === NONE, 'whether the table is full').toBe(model.entries.length === LIMIT)
    if (record !== NONE) {
      real.removed.length = 0
      real.table.endOnePacket(record, (each) => real.removed.push(each))
      expect(real.removed).toEqual([record])
    }
    expectAgreement(model, real)
  }

  toString(): string {
    return `one packet of ${describeSpec(this.spec)}`
  }
}
