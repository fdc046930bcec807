import { beforeEach, describe, expect, it } from 'vitest'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import type { Destination, DestinationSettings } from '../../lib/service/destination.ts'
import { parseEndpoint } from '../../lib/service/key.ts'
import { isEligible, overhead } from '../../lib/service/scheduler.ts'
import { ServiceTable } from '../../lib/service/service-table.ts'
import { granted, serviceKey, settingsOf } from '../support/stage.ts'

const WEB = serviceKey('tcp:10.0.0.1:80')
const AT = parseEndpoint('192.168.1.1:8080')!

function destinationWith(settings: Partial<DestinationSettings>): Destination {
  const table = new ServiceTable({ schedulers: SCHEDULERS, random: () => 0 })
  granted(table.add(WEB, { scheduler: 'rr', schedulerFlags: 0 }))
  return granted(table.addDestination(WEB, AT, settingsOf(settings)))
}

const bind = (destination: Destination, times: number): void => {
  for (let time = 0; time < times; time++) destination.bind(false)
}
const unbind = (destination: Destination, times: number): void => {
  for (let time = 0; time < times; time++) destination.unbind(false, true)
}

describe('a destination’s connections', () => {
  let destination: Destination
  beforeEach(() => {
    destination = destinationWith({})
  })

  it('are counted inactive until their state says otherwise, and weigh 256 times as much when active', () => {
    bind(destination, 3)
    expect(destination).toMatchObject({ active: 0, inactive: 3, connections: 3 })
    destination.moveActivity(true)
    expect(destination).toMatchObject({ active: 1, inactive: 2, connections: 3 })
    expect(overhead(destination)).toBe(258)
    destination.moveActivity(false)
    expect(destination).toMatchObject({ active: 0, inactive: 3 })
  })

  it('leave the count they were in', () => {
    bind(destination, 2)
    destination.moveActivity(true)
    destination.unbind(false, false)
    expect(destination).toMatchObject({ active: 0, inactive: 1 })
    destination.unbind(false, true)
    expect(destination).toMatchObject({ active: 0, inactive: 0 })
  })

  it('do not include persistence templates, which yet keep the destination in use', () => {
    destination.bind(true)
    expect(destination).toMatchObject({ active: 0, inactive: 0, persistent: 1, connections: 0 })
    expect(destination.isReferenced).toBe(true)
    destination.unbind(true, false)
    expect(destination.isReferenced).toBe(false)
  })
})

describe('the upper threshold', () => {
  it('of 2 lets exactly 2 connections in', () => {
    const destination = destinationWith({ upperThreshold: 2 })
    bind(destination, 1)
    expect(isEligible(destination)).toBe(true)
    bind(destination, 1)
    expect(isEligible(destination)).toBe(false)
  })

  it('of 0 is none', () => {
    const destination = destinationWith({})
    bind(destination, 10_000)
    expect(isEligible(destination)).toBe(true)
  })

  it('counts active and inactive connections together', () => {
    const destination = destinationWith({ upperThreshold: 2 })
    bind(destination, 1)
    destination.moveActivity(true)
    bind(destination, 1)
    expect(destination.isOverloaded).toBe(true)
  })

  it('alone, is forgotten again below three quarters of it', () => {
    const destination = destinationWith({ upperThreshold: 8 })
    bind(destination, 8)
    unbind(destination, 2) // 6 is three quarters exactly
    expect(destination.isOverloaded).toBe(true)
    unbind(destination, 1)
    expect(destination.isOverloaded).toBe(false)
  })

  it('with a lower threshold, is forgotten below that: hysteresis, not flapping', () => {
    const destination = destinationWith({ upperThreshold: 8, lowerThreshold: 3 })
    bind(destination, 8)
    for (let connections = 7; connections >= 3; connections--) {
      unbind(destination, 1)
      expect(destination.isOverloaded, `with ${connections} connections`).toBe(true)
    }
    unbind(destination, 1)
    expect(destination.isOverloaded).toBe(false)
    bind(destination, 5)
    expect(destination.isOverloaded, 'with 7 connections on the way up').toBe(false)
    bind(destination, 1)
    expect(destination.isOverloaded, 'with 8 connections').toBe(true)
  })
})

describe('an edit', () => {
  const overloaded = (): Destination => {
    const destination = destinationWith({ upperThreshold: 4 })
    bind(destination, 4)
    expect(destination.isOverloaded).toBe(true)
    return destination
  }

  it.each([
    ['lifts the overload when the threshold goes', 0, false],
    ['lifts the overload when the threshold rises', 5, false],
    ['keeps the overload when the threshold stays', 4, true],
    ['keeps the overload when the threshold falls', 3, true],
  ])('%s', (_name, upperThreshold, isOverloaded) => {
    const destination = overloaded()
    destination.edit(settingsOf({ upperThreshold }))
    expect(destination.isOverloaded).toBe(isOverloaded)
  })

  it('never sets the overload: the next connection does', () => {
    const destination = destinationWith({})
    bind(destination, 10)
    destination.edit(settingsOf({ upperThreshold: 5 }))
    expect(destination.isOverloaded).toBe(false)
    bind(destination, 1)
    expect(destination.isOverloaded).toBe(true)
  })

  it('replaces every setting, and remembers the last weight that was not 0', () => {
    const destination = destinationWith({ weight: 7 })
    destination.edit({ method: 'gatewaying', weight: 0, upperThreshold: 9, lowerThreshold: 2 })
    expect(destination).toMatchObject({
      method: 'gatewaying',
      weight: 0,
      lastWeight: 7,
      upperThreshold: 9,
      lowerThreshold: 2,
    })
    destination.edit(settingsOf({ weight: 3 }))
    expect(destination).toMatchObject({ weight: 3, lastWeight: 3 })
  })
})
