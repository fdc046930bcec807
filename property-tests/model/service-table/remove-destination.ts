import type fc from 'fast-check'
import { expect } from 'vitest'
import { parseEndpoint } from '../../../lib/service/key.ts'
import { refusalOf, serviceKey } from '../../../test/support/stage.ts'
import { expectAgreement, type Model, type Real } from './model.ts'

export class RemoveDestination implements fc.Command<Model, Real> {
  private readonly service: string
  private readonly at: string

  constructor(service: string, at: string) {
    this.service = service
    this.at = at
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const { service, at } = this
    const result = real.table.removeDestination(serviceKey(service), parseEndpoint(at)!)
    const pool = model.services.get(service)?.pool
    const index = pool?.findIndex((each) => each.at === at) ?? -1
    if (pool === undefined) expect(refusalOf(result)).toBe('no-such-service')
    else if (index < 0) expect(refusalOf(result)).toBe('no-such-destination')
    else {
      const [destination] = pool.splice(index, 1)
      expect(result).toBe(destination!.real)
      destination!.idleSinceMs = null
      model.trash.push({ service, destination: destination! })
    }
    expectAgreement(model, real)
  }

  toString(): string {
    return `remove ${this.at} from ${this.service}`
  }
}
