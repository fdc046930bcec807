import type fc from 'fast-check'
import { expectAgreement, type Model, type Real } from './model.ts'

const FORGOTTEN_AFTER_MS = 120_000

/** Time goes by, and removed destinations that have long been without connections are forgotten. */
export class Sweep implements fc.Command<Model, Real> {
  private readonly ms: number

  constructor(ms: number) {
    this.ms = ms
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    model.nowMs += this.ms
    real.table.sweepTrash(model.nowMs)
    model.trash = model.trash.filter(({ destination }) => {
      if (destination.connections > 0) destination.idleSinceMs = null
      else if (destination.idleSinceMs === null) destination.idleSinceMs = model.nowMs
      else return model.nowMs - destination.idleSinceMs < FORGOTTEN_AFTER_MS
      return true
    })
    expectAgreement(model, real)
  }

  toString(): string {
    return `sweep after ${this.ms} ms`
  }
}
