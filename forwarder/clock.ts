/** The real clock: milliseconds that never go back. */
export const monotonicMs = (): number => performance.now()
