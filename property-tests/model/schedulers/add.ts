import type fc from 'fast-check'
import { parseEndpoint } from '../../../lib/service/key.ts'
import { granted, settingsOf } from '../../../test/support/stage.ts'
import { expectAgreement, type Model, type Real, type Server, set } from './model.ts'

/** A server joins at the front; one that was there before comes back with its connections. */
export class Add implements fc.Command<Model, Real> {
  private readonly at: string
  private readonly weight: number
  private readonly upper: number
  private readonly lower: number

  constructor(at: string, weight: number, upper: number, lower: number) {
    this.at = at
    this.weight = weight
    this.upper = upper
    this.lower = Math.min(lower, upper)
  }

  check({ pool }: Readonly<Model>): boolean {
    return pool.every(({ at }) => at !== this.at)
  }

  run(model: Model, real: Real): void {
    const { at, weight, upper, lower } = this
    const key = parseEndpoint(at)!
    const settings = settingsOf({ weight, upperThreshold: upper, lowerThreshold: lower })
    real.destinations.set(at, granted(real.table.addDestination(real.service.key, key, settings)))
    const index = model.away.findIndex((each) => each.at === at)
    const server = index < 0 ? newServer(at) : model.away.splice(index, 1)[0]!
    set(server, weight, upper, lower)
    server.lastWeight = weight
    server.isThere = true
    model.pool.unshift(server)
    model.rule.changed?.(model.pool, 'added', 0)
    expectAgreement(model, real)
  }

  toString(): string {
    return `add ${this.at} weight ${this.weight} thresholds ${this.lower} to ${this.upper}`
  }
}

const newServer = (at: string): Server => ({
  at,
  ...parseEndpoint(at)!,
  weight: 0,
  lastWeight: 0,
  active: 0,
  inactive: 0,
  upper: 0,
  lower: 0,
  isOverloaded: false,
  isThere: true,
})
