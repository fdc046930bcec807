import type fc from 'fast-check'
import { expectAgreement, type Model, type Real } from './model.ts'

const MINUTE_MS = 60_000

/** Time goes by, minute by minute. */
export class PassTime implements fc.Command<Model, Real> {
  private readonly ms: number

  constructor(ms: number) {
    this.ms = ms
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const endMs = model.nowMs + this.ms
    while (model.nowMs < endMs) {
      const nextMinuteMs = (Math.floor(model.nowMs / MINUTE_MS) + 1) * MINUTE_MS
      model.nowMs = Math.min(nextMinuteMs, endMs)
      real.service.scheduler!.passTime?.(model.nowMs)
      if (model.nowMs === nextMinuteMs) model.rule.minuteOver?.(model.nowMs)
    }
    expectAgreement(model, real)
  }

  toString(): string {
    return `pass ${this.ms} ms`
  }
}
