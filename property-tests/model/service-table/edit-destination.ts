import type fc from 'fast-check'
import { expect } from 'vitest'
import type { DestinationSettings } from '../../../lib/service/destination.ts'
import { parseEndpoint } from '../../../lib/service/key.ts'
import { refusalOf, serviceKey } from '../../../test/support/stage.ts'
import { expectAgreement, type Model, type Real } from './model.ts'

export class EditDestination implements fc.Command<Model, Real> {
  private readonly service: string
  private readonly at: string
  private readonly settings: DestinationSettings

  constructor(service: string, at: string, settings: DestinationSettings) {
    this.service = service
    this.at = at
    this.settings = settings
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const { service, at, settings } = this
    const result = real.table.editDestination(serviceKey(service), parseEndpoint(at)!, settings)
    const expected = this.expected(model)
    expect(refusalOf(result)).toBe(expected)
    if (expected === 'granted') {
      model.services.get(service)!.pool.find((each) => each.at === at)!.settings = settings
    }
    expectAgreement(model, real)
  }

  private expected({ services }: Model): string {
    const pool = services.get(this.service)?.pool
    if (pool === undefined) return 'no-such-service'
    const isIpv6 = this.service.includes('[') || this.service.endsWith('ipv6')
    if (isIpv6 && this.settings.method !== 'ipip') return 'invalid-value'
    return pool.some(({ at }) => at === this.at) ? 'granted' : 'no-such-destination'
  }

  toString(): string {
    return `edit ${this.at} of ${this.service} ${JSON.stringify(this.settings)}`
  }
}
