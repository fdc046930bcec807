import type fc from 'fast-check'
import { expect } from 'vitest'
import { formatEndpoint } from '../../../lib/service/key.ts'
import { type Asked, bind, circumstances, expectAgreement, flowOf, type Model, type Real } from './model.ts'

/** A packet asks for a server, and perhaps stays: as a connection, active or not. */
export class Choose implements fc.Command<Model, Real> {
  private readonly asked: Asked
  private readonly stays: 'not' | 'inactive' | 'active'
  private readonly draws: readonly [number, number]

  constructor(asked: Asked, stays: 'not' | 'inactive' | 'active', draws: readonly [number, number]) {
    this.asked = asked
    this.stays = stays
    this.draws = draws
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const { scheduler, pool } = real.service
    real.draws.splice(0, 2, ...this.draws)
    const expected = model.rule.pick(model.pool, this.asked, circumstances(model, this.draws))
    const found = scheduler!.pick(flowOf(this.asked, model.nowMs), pool)
    expect(found === null ? null : formatEndpoint(found)).toBe(expected === null ? null : expected.at)
    if (found === null || expected === null || this.stays === 'not') return
    found.bind(false)
    bind(expected)
    if (this.stays === 'active') {
      found.moveActivity(true)
      expected.inactive--
      expected.active++
    }
    expectAgreement(model, real)
  }

  toString(): string {
    const { protocol, client, clientPort, virtual } = this.asked
    return `choose for ${protocol} ${client}:${clientPort} > ${virtual}, staying ${this.stays}, by ${this.draws}`
  }
}
