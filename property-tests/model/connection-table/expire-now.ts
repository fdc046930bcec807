import type fc from 'fast-check'
import { tickOf } from '../../../lib/conn/ticks.ts'
import { controls, dueAt, type Entry, expectAgreement, type Model, type Real, visible } from './model.ts'

/** The `pick`-th connection ends now: hidden at once, removed when time is passed. One that controls others does not. */
export class ExpireNow implements fc.Command<Model, Real> {
  private readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check(model: Readonly<Model>): boolean {
    return connections(model).length > 0
  }

  run(model: Model, real: Real): void {
    const all = connections(model)
    const entry = all[this.pick % all.length]!
    real.table.expireNow(entry.record, model.nowMs)
    if (!controls(model, entry)) {
      entry.isHidden = true
      entry.dueTick = dueAt(model, tickOf(model.nowMs))
    }
    expectAgreement(model, real)
  }

  toString(): string {
    return `expire #${this.pick} now`
  }
}

/** Templates end in their time. */
const connections = (model: Model): Entry[] => visible(model).filter(({ template }) => template === null)
