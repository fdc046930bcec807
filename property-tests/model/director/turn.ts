import type fc from 'fast-check'
import { expectAgreement, type Model, type Real } from './model.ts'

const KNOBS = {
  expireNodest: 'expire_nodest_conn',
  expireQuiescent: 'expire_quiescent_template',
  reuseMode: 'conn_reuse_mode',
} as const

/** A setting is changed. */
export class Turn implements fc.Command<Model, Real> {
  private readonly knob: keyof typeof KNOBS
  private readonly value: number

  constructor(knob: keyof typeof KNOBS, value: number) {
    this.knob = knob
    this.value = value
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    real.stage.director.knobs[KNOBS[this.knob]] = this.value
    if (this.knob === 'reuseMode') model.knobs.reuseMode = this.value
    else model.knobs[this.knob] = this.value !== 0
    expectAgreement(model, real)
  }

  toString(): string {
    return `${KNOBS[this.knob]} = ${this.value}`
  }
}
