/** Pools of destinations, and everything that can happen to one. */

import fc from 'fast-check'

export interface PoolMember {
  readonly weight: number
  readonly isOverloaded: boolean
  readonly active: number
  readonly inactive: number
}

/** Ordinary weights mostly; 0, shared divisors and huge ones often enough. */
export const weight = (): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 10 }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 2, 4, 6, 12, 100, 300) },
  )

export const hugeWeight = (): fc.Arbitrary<number> =>
  fc.oneof(weight(), fc.integer({ min: 0, max: 0x7fff_ffff }), fc.constantFrom(0x7fff_ffff, 0x4000_0000))

export const members = (of: fc.Arbitrary<number> = weight()): fc.Arbitrary<PoolMember[]> =>
  fc.array(
    fc.record({
      weight: of,
      isOverloaded: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.boolean()),
      active: fc.integer({ min: 0, max: 50 }),
      inactive: fc.integer({ min: 0, max: 500 }),
    }),
    { minLength: 1, maxLength: 6 },
  )

/** What can happen to a pool between two picks: a member's overload changes, one is edited, joins or leaves. */
export type PoolEvent =
  | { readonly kind: 'pick' }
  | { readonly kind: 'overload'; readonly at: number; readonly isOverloaded: boolean }
  | { readonly kind: 'edit'; readonly at: number; readonly weight: number }
  | { readonly kind: 'add'; readonly weight: number }
  | { readonly kind: 'remove'; readonly at: number }

export const poolEvents = (): fc.Arbitrary<PoolEvent[]> => {
  const at = fc.nat({ max: 5 })
  return fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant({ kind: 'pick' as const }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('overload' as const), at, isOverloaded: fc.boolean() }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('edit' as const), at, weight: weight() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('add' as const), weight: weight() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), at }) },
    ),
    { maxLength: 60 },
  )
}
