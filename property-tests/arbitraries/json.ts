/** JSON values that were in order, but for one place. */

import * as fc from 'fast-check'

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** What does not belong where it is put. */
const strange: fc.Arbitrary<Json | undefined> = fc.oneof(
  fc.constantFrom<(Json | undefined)[]>(
    undefined,
    null,
    true,
    -1,
    0,
    1.5,
    65_536,
    2 ** 31,
    2 ** 53,
    '',
    ' ',
    '0',
    [],
    {},
  ),
  fc.string(),
  fc.constantFrom('10.0.0.1', '::1', '255.0.255.0', 'tcp', '__proto__', 'x'.repeat(300)),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
)

/** The value with one place in it replaced, taken away (where it is undefined), or joined by a key that it has not. */
export function spoiled(value: unknown): fc.Arbitrary<unknown> {
  const paths = pathsOf(value as Json)
  return fc
    .tuple(
      fc.constantFrom(...paths),
      strange,
      fc.boolean(),
      fc.constantFrom('colour', 'constructor', '__proto__'),
    )
    .map(([path, other, isAdded, key]) => replacedAt(value as Json, isAdded ? [...path, key] : path, other))
}

/** Every place in the value, itself included. */
function pathsOf(value: Json): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [[]]
  const inner = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return [[], ...inner.flatMap(([key, each]) => pathsOf(each as Json).map((path) => [key, ...path]))]
}

function replacedAt(
  value: Json,
  [key, ...rest]: readonly (string | number)[],
  other: Json | undefined,
): unknown {
  if (key === undefined) return other ?? null
  if (typeof value !== 'object' || value === null) return other ?? null
  if (Array.isArray(value)) {
    return value.map((each, index) => (index === key ? replacedAt(each as Json, rest, other) : each))
  }
  const own = Object.entries(value).filter(([name]) => name !== key)
  const former = Object.hasOwn(value, key) ? (value as Record<string, Json>)[key] : null
  const inner = rest.length === 0 ? other : replacedAt(former as Json, rest, other)
  return Object.fromEntries(inner === undefined ? own : [...own, [key, inner]])
}
