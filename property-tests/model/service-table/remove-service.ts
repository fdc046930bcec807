import type fc from 'fast-check'
import { expect } from 'vitest'
import { refusalOf, serviceKey } from '../../../test/support/stage.ts'
import { expectAgreement, type Model, type Real } from './model.ts'

/** Its destinations go to the trash together. */
export class RemoveService implements fc.Command<Model, Real> {
  private readonly name: string

  constructor(name: string) {
    this.name = name
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const result = real.table.remove(serviceKey(this.name))
    const service = model.services.get(this.name)
    expect(refusalOf(result)).toBe(service === undefined ? 'no-such-service' : 'granted')
    for (const destination of service?.pool ?? []) {
      destination.idleSinceMs = null
      model.trash.push({ service: this.name, destination })
    }
    model.services.delete(this.name)
    expectAgreement(model, real)
  }

  toString(): string {
    return `remove ${this.name}`
  }
}
