/** What a pick may cost, counted in what it reads: a clock would tell of the machine. */

import type { DestinationSettings } from '../../lib/service/destination.ts'
import { expect } from '../broken-promise.ts'
import { Rig, type Subject } from '../rig.ts'

/**
 * Of places and properties: so many for each destination of the pool, and so many for the probing of a table.
 */
export const READS_PER_DESTINATION = 16
export const READS_BESIDES = 16_384

const HOSTS = 1000
const HEAVIEST = 0x7fff_ffff
const HUGE_POOL = 150_000

/** Who can be picked of a pool: by a destination's place, its settings, and whether it is overloaded. */
const POOLS: readonly ((index: number) => Partial<DestinationSettings> & { readonly overloaded?: true })[] = [
  () => ({}),
  (index) => ({ weight: 1 + ((index * 7919) % 1000) }),
  (index) => ({ weight: index === 0 ? 1 : 0 }),
  (index) => (index === 0 ? {} : { overloaded: true }),
  () => ({ overloaded: true }),
]

export function linearCost(subject: Subject): void {
  for (const settingsOf of POOLS) {
    const rig = new Rig(subject)
    rig.whileUnscheduled(() => {
      for (let index = 0; index < HOSTS; index++) {
        const { overloaded, ...settings } = settingsOf(index)
        if (overloaded) rig.addOverloaded(index + 1, settings)
        else rig.add(index + 1, settings)
      }
    })
    for (let client = 0; client < 10; client++) pickWithin(rig, client, HOSTS)
  }
}

export function extremeWeights(subject: Subject): void {
  const rig = new Rig(subject)
  const light = rig.add(1, { weight: 1 })
  rig.addOverloaded(2, { weight: HEAVIEST })
  for (let client = 0; client < 100; client++) {
    const picked = pickWithin(rig, client, 2)
    expect(picked === light || picked === null, () => `picked the heaviest destination, which is overloaded`)
  }
}

export function hugePool(subject: Subject): void {
  const rig = new Rig(subject)
  const pool = new Array(HUGE_POOL).fill(rig.add(1, { weight: 2 }))
  rig.scheduler.poolChanged?.(pool, { kind: 'attached' })
  const picked = rig.scheduler.pick(rig.flow(1), pool)
  expect(picked !== null, () => `picked nobody of ${HUGE_POOL} destinations`)
}

/** A connection placed, within the reads that a pool of `hosts` allows. */
function pickWithin(rig: Rig, client: number, hosts: number) {
  rig.guard.reads = 0
  rig.guard.readsMax = READS_PER_DESTINATION * hosts + READS_BESIDES
  return rig.place(client)
}
