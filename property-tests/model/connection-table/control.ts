import type fc from 'fast-check'
import { type Entry, expectAgreement, type Model, type Real, visible } from './model.ts'

/** The `pick`-th entry controls the `other`-th from now on, if that is under nobody's control, its own included. */
export class Control implements fc.Command<Model, Real> {
  private readonly pick: number
  private readonly other: number

  constructor(pick: number, other: number) {
    this.pick = pick
    this.other = other
  }

  check(model: Readonly<Model>): boolean {
    return this.pair(model) !== null
  }

  run(model: Model, real: Real): void {
    const [controller, controlled] = this.pair(model)!
    real.table.control(controller.record, controlled.record)
    controlled.controller = controller
    expectAgreement(model, real)
  }

  private pair(model: Model): readonly [controller: Entry, controlled: Entry] | null {
    const shown = visible(model)
    const controller = shown[this.pick % shown.length]
    const controlled = shown[this.other % shown.length]
    if (controller === undefined || controlled === undefined || controlled.controller !== null) return null
    for (let above: Entry | null = controller; above !== null; above = above.controller)
      if (above === controlled) return null
    return [controller, controlled]
  }

  toString(): string {
    return `#${this.pick} controls #${this.other}`
  }
}
