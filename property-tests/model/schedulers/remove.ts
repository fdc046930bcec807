import type fc from 'fast-check'
import { parseEndpoint } from '../../../lib/service/key.ts'
import { granted } from '../../../test/support/stage.ts'
import { expectAgreement, type Model, type Real } from './model.ts'

/** The `pick`-th server leaves; its connections do not. */
export class Remove implements fc.Command<Model, Real> {
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
    granted(real.table.removeDestination(real.service.key, parseEndpoint(server!.at)!))
    server!.isThere = false
    model.away.push(server!)
    model.rule.changed?.(model.pool, 'removed', index)
    expectAgreement(model, real)
  }

  toString(): string {
    return `remove #${this.pick}`
  }
}
