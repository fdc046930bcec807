import type fc from 'fast-check'
import { parseEndpoint } from '../../../lib/service/key.ts'
import { granted, settingsOf } from '../../../test/support/stage.ts'
import { expectAgreement, type Model, type Real, set } from './model.ts'

/** The `pick`-th server gets another weight and other thresholds. */
export class Edit implements fc.Command<Model, Real> {
  private readonly pick: number
  private readonly weight: number
  private readonly upper: number
  private readonly lower: number

  constructor(pick: number, weight: number, upper: number, lower: number) {
    this.pick = pick
    this.weight = weight
    this.upper = upper
    this.lower = Math.min(lower, upper)
  }

  check({ pool }: Readonly<Model>): boolean {
    return pool.length > 0
  }

  run(model: Model, real: Real): void {
    const { weight, upper, lower } = this
    const index = this.pick % model.pool.length
    const server = model.pool[index]!
    const settings = settingsOf({ weight, upperThreshold: upper, lowerThreshold: lower })
    granted(real.table.editDestination(real.service.key, parseEndpoint(server.at)!, settings))
    set(server, weight, upper, lower)
    if (weight !== 0) server.lastWeight = weight
    model.rule.changed?.(model.pool, 'edited', index)
    expectAgreement(model, real)
  }

  toString(): string {
    return `edit #${this.pick} weight ${this.weight} thresholds ${this.lower} to ${this.upper}`
  }
}
