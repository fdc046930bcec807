import type fc from 'fast-check'
import { expect } from 'vitest'
import type { Destination, DestinationSettings } from '../../../lib/service/destination.ts'
import { parseEndpoint } from '../../../lib/service/key.ts'
import { refusalOf, serviceKey } from '../../../test/support/stage.ts'
import { expectAgreement, inUse, MAX_DESTINATIONS, type Model, type Real } from './model.ts'

/** New, or back from the trash with its connections. */
export class AddDestination implements fc.Command<Model, Real> {
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
    const result = real.table.addDestination(serviceKey(service), parseEndpoint(at)!, settings)
    const expected = this.expected(model)
    expect(refusalOf(result)).toBe(expected)
    if (expected === 'granted') {
      const known = this.inTrash(model)
      model.trash = model.trash.filter((each) => each !== known)
      const added = result as Destination
      if (known !== undefined) expect(added).toBe(known.destination.real)
      const destination = known?.destination ?? {
        at,
        settings,
        real: added,
        connections: 0,
        idleSinceMs: null,
      }
      destination.settings = settings
      model.services.get(service)!.pool.unshift(destination)
    }
    expectAgreement(model, real)
  }

  private expected(model: Model): string {
    const pool = model.services.get(this.service)?.pool
    if (pool === undefined) return 'no-such-service'
    const isIpv6 = this.service.includes('[') || this.service.endsWith('ipv6')
    if (isIpv6 && this.settings.method !== 'ipip') return 'invalid-value'
    if (pool.some(({ at }) => at === this.at)) return 'destination-exists'
    if (this.inTrash(model) !== undefined) return 'granted'
    return inUse(model) === MAX_DESTINATIONS ? 'table-full' : 'granted'
  }

  private inTrash({ trash }: Model): Model['trash'][number] | undefined {
    return trash.find(({ service, destination }) => service === this.service && destination.at === this.at)
  }

  toString(): string {
    return `add ${this.at} to ${this.service} ${JSON.stringify(this.settings)}`
  }
}
