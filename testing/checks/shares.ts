/** How a scheduler shares the clients out. */

import type { Family } from '../../lib/bytes/address.ts'
import { formatEndpoint } from '../../lib/service/key.ts'
import { expect } from '../broken-promise.ts'
import { Rig, type Subject } from '../rig.ts'

const CLIENTS = 4000
/** How far from its due a destination's share may be, as a part of that due. */
export const EQUAL_TOLERANCE = 0.2
export const WEIGHTED_TOLERANCE = 0.25

export function equalShares(subject: Subject): void {
  for (const family of [4, 6] as const) expectShares(subject, family, [1, 1, 1, 1], EQUAL_TOLERANCE)
}

export function weightedShares(subject: Subject): void {
  expectShares(subject, 4, [1, 2, 3, 4], WEIGHTED_TOLERANCE)
  expectShares(subject, 4, [30, 10, 20], WEIGHTED_TOLERANCE)
}

/** Every connection stays, so that schedulers which go by load have some to go by. */
function expectShares(subject: Subject, family: Family, weights: readonly number[], tolerance: number): void {
  const rig = new Rig(subject, family)
  const counts = new Map(weights.map((weight, index) => [rig.add(index + 1, { weight }), 0]))
  for (let client = 0; client < CLIENTS; client++) {
    const picked = rig.place(client)
    if (picked !== null) counts.set(picked, (counts.get(picked) ?? 0) + 1)
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  for (const [destination, count] of counts) {
    const due = (CLIENTS * destination.weight) / total
    const [least, most] = [due * (1 - tolerance), due * (1 + tolerance)].map(Math.round)
    expect(
      Math.abs(count - due) <= tolerance * due,
      () =>
        `${formatEndpoint(destination)} of weight ${destination.weight} got ${count} of ${CLIENTS} ` +
        `IPv${family} clients, expected ${least} to ${most}`,
    )
  }
}
