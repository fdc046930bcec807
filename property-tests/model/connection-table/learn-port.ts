import type fc from 'fast-check'
import { expectAgreement, type Model, type Real, visible } from './model.ts'

/** The client's port of the `pick`-th connection without one is known at last. */
export class LearnPort implements fc.Command<Model, Real> {
  private readonly pick: number
  private readonly port: number

  constructor(pick: number, port: number) {
    this.pick = pick
    this.port = port
  }

  check(model: Readonly<Model>): boolean {
    return visible(model).some(({ isPortless }) => isPortless)
  }

  run(model: Model, real: Real): void {
    const portless = visible(model).filter(({ isPortless }) => isPortless)
    const entry = portless[this.pick % portless.length]!
    real.table.setClientPort(entry.record, this.port)
    entry.spec = { ...entry.spec, client: entry.spec.client.replace(/\d+$/, `${this.port}`) }
    entry.isPortless = false
    // Filed anew, it is found before those that were filed before.
    model.entries = [entry, ...model.entries.filter((each) => each !== entry)]
    expectAgreement(model, real)
  }

  toString(): string {
    return `port ${this.port} for #${this.pick}`
  }
}
