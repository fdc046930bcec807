import type fc from 'fast-check'
import { expect } from 'vitest'
import { refusalOf, serviceKey } from '../../../test/support/stage.ts'
import { expectAgreement, MAX_SERVICES, type Model, type Real } from './model.ts'

export class AddService implements fc.Command<Model, Real> {
  private readonly name: string
  private readonly scheduler: string

  constructor(name: string, scheduler: string) {
    this.name = name
    this.scheduler = scheduler
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const result = real.table.add(serviceKey(this.name), { scheduler: this.scheduler, schedulerFlags: 0 })
    const expected = this.expected(model)
    expect(refusalOf(result)).toBe(expected)
    if (expected === 'granted') model.services.set(this.name, { name: this.name, pool: [] })
    expectAgreement(model, real)
  }

  private expected({ services }: Model): string {
    if (services.has(this.name)) return 'service-exists'
    if (services.size === MAX_SERVICES) return 'table-full'
    return this.scheduler === 'bogus' ? 'scheduler-not-found' : 'granted'
  }

  toString(): string {
    return `add ${this.name} ${this.scheduler}`
  }
}
