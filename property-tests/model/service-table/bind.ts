import type fc from 'fast-check'
import { everyDestination, expectAgreement, type Model, type Real } from './model.ts'

/** The `pick`-th destination, removed or not, gets a connection or loses one. */
export class Bind implements fc.Command<Model, Real> {
  private readonly pick: number
  private readonly isNew: boolean

  constructor(pick: number, isNew: boolean) {
    this.pick = pick
    this.isNew = isNew
  }

  check(model: Readonly<Model>): boolean {
    const all = everyDestination(model)
    return all.length > 0 && (this.isNew || all[this.pick % all.length]!.connections > 0)
  }

  run(model: Model, real: Real): void {
    const all = everyDestination(model)
    const destination = all[this.pick % all.length]!
    if (this.isNew) destination.real.bind(false)
    else destination.real.unbind(false, true)
    destination.connections += this.isNew ? 1 : -1
    expectAgreement(model, real)
  }

  toString(): string {
    return `${this.isNew ? 'bind to' : 'unbind from'} #${this.pick}`
  }
}
