/** Counters and rates as columns. */

/**
 * A number nine wide with a blank before it: up to eight digits in full, then in thousands (K), millions (M),
 * thousand millions (G) or million millions (T), rounded down.
 */
export function shortNumber(value: number): string {
  if (value < 1e8) return String(value).padStart(9)
  const [unit, letter] =
    value < 1e9 ? [1e3, 'K'] : value < 1e11 ? [1e6, 'M'] : value < 1e14 ? [1e9, 'G'] : [1e12, 'T']
  return `${Math.floor(value / unit)}`.padStart(8) + letter
}

/** The number in full behind a blank, at least nine wide. */
export const exactNumber = (value: number): string => ` ${String(value).padStart(8)}`
