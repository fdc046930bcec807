import type fc from 'fast-check'
import { type Entry, expectAgreement, type Model, type Real, visible } from './model.ts'

/** The `pick`-th template leads nowhere any more; it is there until it expires. */
export class Invalidate implements fc.Command<Model, Real> {
  private readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check(model: Readonly<Model>): boolean {
    return templates(model).length > 0
  }

  run(model: Model, real: Real): void {
    const all = templates(model)
    const { record, template } = all[this.pick % all.length]!
    real.table.invalidateTemplate(record)
    template!.isInvalid = true
    expectAgreement(model, real)
  }

  toString(): string {
    return `invalidate template #${this.pick}`
  }
}

const templates = (model: Model): Entry[] => visible(model).filter(({ template }) => template !== null)
