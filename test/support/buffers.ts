/** Buffers that show who wrote what: filled with garbage, with guard octets around. */

import { expect } from 'vitest'

const GUARD_BYTES = 16

/**
 * What `emit` writes into `length` octets, having shown that it writes every one of them and none around: it runs
 * over two kinds of garbage, which may show neither in the result nor be missing at the edges.
 * @param emit writes at `at` and answers where it stopped
 */
export function emitted(length: number, emit: (bytes: Uint8Array, at: number) => number): Uint8Array {
  const over = (garbage: number): Uint8Array => {
    const bytes = new Uint8Array(length + 2 * GUARD_BYTES).fill(garbage)
    const end = emit(bytes, GUARD_BYTES)
    expect(end, 'where emitting stopped').toBe(GUARD_BYTES + length)
    expectGuards(bytes, garbage, length)
    return bytes.slice(GUARD_BYTES, end)
  }
  const result = over(0xa5)
  expect(over(0x5a), 'octets that nobody wrote').toEqual(result)
  return result
}

function expectGuards(bytes: Uint8Array, garbage: number, length: number): void {
  const guards = [...bytes.subarray(0, GUARD_BYTES), ...bytes.subarray(GUARD_BYTES + length)]
  expect(
    guards.every((octet) => octet === garbage),
    'octets written out of bounds',
  ).toBe(true)
}

/** Every proper prefix of `bytes`, the empty one first. */
export function* prefixes(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length)
}

/** A copy of `bytes` with the octet at `at` set to `value`. */
export function withOctet(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = value
  return copy
}
