/** How a check fails. */

/**
 * A promise that the scheduler under test does not keep; the message says what it did, and what was expected.
 */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

/** Fails the check unless `isKept`. The message is a function, for it is seldom needed. */
export function expect(isKept: boolean, message: () => string): asserts isKept {
  if (!isKept) throw new BrokenPromise(message())
}
