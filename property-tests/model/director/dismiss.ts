import type fc from 'fast-check'
import { expectAgreement, type Model, type Real } from './model.ts'

/** The `pick`-th server is removed; its connections are still bound to it. */
export class Dismiss implements fc.Command<Model, Real> {
  private readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check({ pool }: Readonly<Model>): boolean {
    return pool.length > 0
  }

  run(model: Model, real: Real): void {
    const index = this.pick % model.pool.length
    const [server] = model.pool.splice(index, 1)
    real.stage.remove(model.kind.key, server!.at)
    server!.isThere = false
    expectAgreement(model, real)
  }

  toString(): string {
    return `remove #${this.pick}`
  }
}
