import type fc from 'fast-check'
import { expect } from 'vitest'
import { NONE, RECORD_WORDS, TEMPLATE_STATE, WORD } from '../../../lib/conn/layout.ts'
import { startTickOf, ticksFromSec } from '../../../lib/conn/ticks.ts'
import type { ConnectionSpec } from '../../../test/support/connections.ts'
import {
  describeSpec,
  dueAt,
  enter,
  expectAgreement,
  LIMIT,
  type Model,
  type Real,
  templateOf,
} from './model.ts'

/** A new template, perhaps of a persistence engine, perhaps one whose connections were answered. */
export class CreateTemplate implements fc.Command<Model, Real> {
  private readonly spec: ConnectionSpec
  private readonly data: string | null
  private readonly isAssured: boolean

  constructor(spec: ConnectionSpec, data: string | null, isAssured: boolean) {
    this.spec = spec
    this.data = data
    this.isAssured = isAssured
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const { spec, data, isAssured } = this
    const { table } = real
    const record = table.create(templateOf(spec), model.nowMs)
    expect(record === NONE, 'whether the table is full').toBe(model.entries.length === LIMIT)
    if (record !== NONE) {
      if (data !== null) table.setEngineData(record, data)
      if (isAssured) table.words[record * RECORD_WORDS + WORD.state] = TEMPLATE_STATE.assured
      expect(table.engineData(record)).toBe(data)
      const dueTick = dueAt(model, startTickOf(model.nowMs) + ticksFromSec(3))
      enter(model, { spec, record, dueTick, template: { data, isInvalid: false, isAssured } })
    }
    expectAgreement(model, real)
  }

  toString(): string {
    return `create template ${describeSpec(this.spec)} of ${this.data}${this.isAssured ? ', assured' : ''}`
  }
}
