import type fc from 'fast-check'
import { expectAgreement, type Model, type Real, type Server } from './model.ts'

/** The service's `pick`-th server joins, or comes back to its connections. */
export class Enlist implements fc.Command<Model, Real> {
  private readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check({ kind, pool }: Readonly<Model>): boolean {
    return pool.every(({ at }) => at !== kind.servers[this.pick]?.at) && this.pick < kind.servers.length
  }

  run(model: Model, real: Real): void {
    const { at, method } = model.kind.servers[this.pick]!
    real.destinations.set(at, real.stage.destination(model.kind.key, at, { method }))
    const bound = [...model.connections, ...model.templates].find(({ server }) => server.at === at)
    const server: Server = bound?.server ?? { at, method, weight: 1, isThere: true }
    model.pool.unshift(Object.assign(server, { weight: 1, isThere: true }))
    expectAgreement(model, real)
  }

  toString(): string {
    return `add server ${this.pick}`
  }
}
