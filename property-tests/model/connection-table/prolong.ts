import type fc from 'fast-check'
import { RECORD_WORDS, WORD } from '../../../lib/conn/layout.ts'
import { startTickOf, ticksFromSec } from '../../../lib/conn/ticks.ts'
import { dueAt, expectAgreement, type Model, type Real, visible } from './model.ts'

/** A packet of the `pick`-th connection came, whose state's timeout is `timeoutSec`. */
export class Prolong implements fc.Command<Model, Real> {
  private readonly pick: number
  private readonly timeoutSec: number

  constructor(pick: number, timeoutSec: number) {
    this.pick = pick
    this.timeoutSec = timeoutSec
  }

  check(model: Readonly<Model>): boolean {
    return visible(model).length > 0
  }

  run(model: Model, real: Real): void {
    const shown = visible(model)
    const entry = shown[this.pick % shown.length]!
    const startTick = startTickOf(model.nowMs)
    real.table.words[entry.record * RECORD_WORDS + WORD.timeoutTicks] = ticksFromSec(this.timeoutSec)
    real.table.prolong(entry.record, startTick)
    entry.dueTick = dueAt(model, startTick + ticksFromSec(this.timeoutSec))
    expectAgreement(model, real)
  }

  toString(): string {
    return `prolong #${this.pick} by ${this.timeoutSec} s`
  }
}
