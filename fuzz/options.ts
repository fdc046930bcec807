/** The command line of a fuzz run. */

import { parseArgs } from 'node:util'
import { TARGETS } from './targets.ts'

export interface RunOptions {
  readonly seed: number
  readonly path: string | undefined
  readonly targets: readonly string[]
  /** For all targets together. */
  readonly timeMs: number
  /** For each target. */
  readonly cases: number
}

const DEFAULT_SECONDS = 30
/** As good as no bound, where time is the bound. */
const MANY_CASES = 2 ** 31 - 1

export const USAGE = `npm run fuzz -- [--seconds ${DEFAULT_SECONDS}] [--runs N] [--seed N] [--only ${Object.keys(TARGETS).join('|')}] [--path P]`

/** @param freshSeed taken where none is given. Throws an Error that names what is wrong. */
export function optionsFrom(argv: readonly string[], freshSeed: number): RunOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      seconds: { type: 'string' },
      runs: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string' },
      path: { type: 'string' },
    },
  })
  const { only, path } = values
  if (only !== undefined && !Object.hasOwn(TARGETS, only))
    throw new Error(`--only is one of ${Object.keys(TARGETS).join(', ')}, not '${only}'`)
  if (path !== undefined && !/^\d+(:\d+)*$/.test(path))
    throw new Error(`--path is what a find says, such as 41:3:0, not '${path}'`)
  if (path !== undefined && (only === undefined || values.seed === undefined))
    throw new Error('--path goes with --seed and --only: it leads through the cases of one target')
  const cases = wholeNumber('--runs', values.runs, { min: 1, max: MANY_CASES }) ?? MANY_CASES
  const seconds = wholeNumber('--seconds', values.seconds, { min: 1, max: 86_400 })
  return {
    seed: wholeNumber('--seed', values.seed, { min: 0, max: 2 ** 31 - 1 }) ?? freshSeed,
    path,
    targets: only === undefined ? Object.keys(TARGETS) : [only],
    cases,
    // Who asks for so many cases gets them, however long they take; who says both gets whatever is less.
    timeMs: (seconds ?? (cases === MANY_CASES ? DEFAULT_SECONDS : 86_400)) * 1000,
  }
}

function wholeNumber(
  option: string,
  text: string | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new Error(`${option} is a whole number from ${min} to ${max}, not '${text}'`)
}
