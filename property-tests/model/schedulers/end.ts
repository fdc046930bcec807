import type fc from 'fast-check'
import { everyServer, expectAgreement, type Model, type Real, unbind } from './model.ts'

/** A connection of the `pick`-th server, removed or not, ends. */
export class End implements fc.Command<Model, Real> {
  private readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check(model: Readonly<Model>): boolean {
    return busy(model).length > 0
  }

  run(model: Model, real: Real): void {
    const servers = busy(model)
    const server = servers[this.pick % servers.length]!
    const isInactive = server.inactive > 0
    real.destinations.get(server.at)!.unbind(false, isInactive)
    unbind(server, isInactive)
    expectAgreement(model, real)
  }

  toString(): string {
    return `end one of #${this.pick}`
  }
}

const busy = (model: Model) => everyServer(model).filter(({ active, inactive }) => active + inactive > 0)
