import type fc from 'fast-check'
import { expectAgreement, type Model, type Real } from './model.ts'

/** The `pick`-th server is quiesced, or taken up again. */
export class Weigh implements fc.Command<Model, Real> {
  private readonly pick: number
  private readonly weight: number

  constructor(pick: number, weight: number) {
    this.pick = pick
    this.weight = weight
  }

  check({ pool }: Readonly<Model>): boolean {
    return pool.length > 0
  }

  run(model: Model, real: Real): void {
    const server = model.pool[this.pick % model.pool.length]!
    const { at, method } = server
    real.stage.edit(model.kind.key, at, { method, weight: this.weight })
    server.weight = this.weight
    expectAgreement(model, real)
  }

  toString(): string {
    return `weight ${this.weight} for #${this.pick}`
  }
}
