/** A long random life of a service, the same for every run of a seed. */

import type { Destination, DestinationSettings } from '../lib/service/destination.ts'
import { isEligible } from '../lib/service/scheduler.ts'
import { dice } from './dice.ts'
import type { Rig } from './rig.ts'

/** One pick, and which destinations were eligible for it. */
export interface Moment {
  readonly picked: Destination | null
  readonly eligible: readonly Destination[]
}

const STEPS = 2000
const HOSTS = 6
const CLIENTS = 1000
const LONGEST_PAUSE_MS = 120_000

/**
 * Destinations come, go, and change weights and thresholds; connections come and go; time passes. Yields
 * after every pick, so that lives can be lived side by side.
 */
export function* live(rig: Rig, seed: number): Generator<Moment, void> {
  const next = dice(seed)
  const upTo = (bound: number): number => Math.floor(next() * bound)
  const hosts = new Set<number>()
  const placed: Destination[] = []
  const settings = (): Partial<DestinationSettings> => ({
    weight: Math.floor(next() ** 3 * 300),
    upperThreshold: next() < 0.3 ? 1 + upTo(5) : 0,
  })
  for (let step = 0; step < STEPS; step++) {
    const host = 1 + upTo(HOSTS)
    const isThere = hosts.has(host)
    const what = next()
    if (what < 0.05 && isThere) {
      rig.remove(host)
      hosts.delete(host)
    } else if (what < 0.12 && !isThere) {
      rig.add(host, settings())
      hosts.add(host)
    } else if (what < 0.2 && isThere) rig.edit(host, settings())
    else if (what < 0.22) rig.passTime(upTo(LONGEST_PAUSE_MS))
    else if (what < 0.5 && placed.length > 0) placed.splice(upTo(placed.length), 1)[0]?.unbind(false, false)
    else {
      const eligible = rig.pool.filter(isEligible)
      const picked = rig.place(upTo(CLIENTS))
      if (picked !== null) placed.push(picked)
      yield { picked, eligible }
    }
  }
}
