import type fc from 'fast-check'
import { granted } from '../../../test/support/stage.ts'
import { expectAgreement, type Model, type Real } from './model.ts'

/** The service gets other scheduler flags; the scheduler and its memory stay. */
export class Flags implements fc.Command<Model, Real> {
  private readonly flags: number

  constructor(flags: number) {
    this.flags = flags
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const { scheduler } = real.service.settings
    granted(real.table.edit(real.service.key, { scheduler, schedulerFlags: this.flags }))
    model.flags = this.flags
    expectAgreement(model, real)
  }

  toString(): string {
    return `flags ${this.flags}`
  }
}
