import type fc from 'fast-check'
import { tickOf } from '../../../lib/conn/ticks.ts'
import { dueAt, expectAgreement, type Model, type Real, visible } from './model.ts'

/** The `pick`-th connection ends now: hidden at once, removed when time is passed. */
export class ExpireNow implements fc.Command<Model, Real> {
  private readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check(model: Readonly<Model>): boolean {
    return visible(model).length > 0
  }

  run(model: Model, real: Real): void {
    const shown = visible(model)
    const entry = shown[this.pick % shown.length]!
    real.table.expireNow(entry.record, model.nowMs)
    entry.isHidden = true
    entry.dueTick = dueAt(model, tickOf(model.nowMs))
    expectAgreement(model, real)
  }

  toString(): string {
    return `expire #${this.pick} now`
  }
}
