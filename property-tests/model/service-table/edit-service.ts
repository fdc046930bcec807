import type fc from 'fast-check'
import { expect } from 'vitest'
import { refusalOf, serviceKey } from '../../../test/support/stage.ts'
import { expectAgreement, type Model, type Real } from './model.ts'

export class EditService implements fc.Command<Model, Real> {
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
    const { name, scheduler } = this
    const before = real.table.get(serviceKey(name))?.settings
    const result = real.table.edit(serviceKey(name), { scheduler, schedulerFlags: 8 })
    if (!model.services.has(name)) expect(refusalOf(result)).toBe('no-such-service')
    else if (scheduler === 'bogus') expect(refusalOf(result)).toBe('scheduler-not-found')
    else expect(refusalOf(result)).toBe('granted')
    const isGranted = refusalOf(result) === 'granted'
    const after = isGranted ? { scheduler, schedulerFlags: 8 } : before
    expect(real.table.get(serviceKey(name))?.settings).toEqual(after)
    expectAgreement(model, real)
  }

  toString(): string {
    return `edit ${this.name} ${this.scheduler}`
  }
}
