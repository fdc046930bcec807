/** Whom a scheduler may pick, and when it must. */

import type { Destination } from '../../lib/service/destination.ts'
import { formatEndpoint } from '../../lib/service/key.ts'
import { expect } from '../broken-promise.ts'
import { live, type Moment } from '../life.ts'
import { Rig, type Subject } from '../rig.ts'

const SEEDS = [1, 2, 3, 4, 5]

export function emptyPool(subject: Subject): void {
  expectNobody(new Rig(subject).pick(1), 'an empty pool')
}

export function nobodyEligible(subject: Subject): void {
  const rig = new Rig(subject)
  rig.add(1, { weight: 0 })
  rig.addOverloaded(2)
  for (let client = 0; client < 50; client++) {
    expectNobody(rig.pick(client), 'a pool of a quiesced and an overloaded destination')
  }
}

export function onlyEligible(subject: Subject): void {
  everyMoment(subject, ({ picked, eligible }) => {
    if (picked === null) return
    expect(eligible.includes(picked), () => `picked ${stateOf(picked)}, expected one of: ${listOf(eligible)}`)
  })
}

export function findsEligible(subject: Subject): void {
  everyMoment(subject, ({ picked, eligible }) => {
    expect(picked !== null || eligible.length === 0, () => `picked nobody of: ${listOf(eligible)}`)
  })
}

export function onlyDestination(subject: Subject): void {
  const rig = new Rig(subject)
  const only = rig.add(1, { weight: 3 })
  for (let client = 0; client < 50; client++) expectPicked(rig.pick(client), only)
}

export function refill(subject: Subject): void {
  const rig = new Rig(subject)
  for (let round = 0; round < 3; round++) {
    const destinations = [rig.add(1), rig.add(2)]
    expectOneOf(rig.pick(round), destinations)
    rig.remove(1)
    rig.remove(2)
    expectNobody(rig.pick(round), 'a pool that has become empty')
  }
}

export function attachedPool(subject: Subject): void {
  const rig = new Rig(subject)
  const destinations: Destination[] = []
  rig.whileUnscheduled(() => destinations.push(rig.add(1), rig.add(2)))
  expectOneOf(rig.pick(1), destinations)
}

export function weightReturns(subject: Subject): void {
  const rig = new Rig(subject)
  const only = rig.add(1)
  rig.edit(1, { weight: 0 })
  expectNobody(rig.pick(1), 'a pool whose only destination was quiesced')
  rig.edit(1, { weight: 2 })
  expectPicked(rig.pick(1), only)
}

function everyMoment(subject: Subject, check: (moment: Moment) => void): void {
  for (const seed of SEEDS) for (const moment of live(new Rig(subject), seed)) check(moment)
}

function expectNobody(picked: Destination | null, pool: string): void {
  expect(picked === null, () => `picked ${stateOf(picked)} from ${pool}, expected null`)
}

function expectPicked(picked: Destination | null, wanted: Destination): void {
  expect(picked === wanted, () => `picked ${stateOf(picked)}, expected ${stateOf(wanted)}`)
}

function expectOneOf(picked: Destination | null, wanted: readonly Destination[]): void {
  expect(
    picked !== null && wanted.includes(picked),
    () => `picked ${stateOf(picked)}, expected one of: ${listOf(wanted)}`,
  )
}

/** A destination with what decides about it. */
function stateOf(destination: Destination | null): string {
  if (destination === null) return 'nobody'
  const { weight, isOverloaded, isAvailable } = destination
  const state = [isOverloaded ? ', overloaded' : '', isAvailable ? '' : ', removed'].join('')
  return `${formatEndpoint(destination)} (weight ${weight}${state})`
}

const listOf = (destinations: readonly Destination[]): string =>
  destinations.length === 0 ? 'nobody' : destinations.map(stateOf).join(' ')
