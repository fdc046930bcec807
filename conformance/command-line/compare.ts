/** Two plays of one script, side by side. */

import { type Outcome, type PlayedScript, typed } from './script.ts'

export interface Difference {
  readonly script: string
  /** The command line as one types it. */
  readonly line: string
  /** Which of the script's lines it is, from 1. */
  readonly number: number
  readonly expected: Outcome
  readonly actual: Outcome
}

/** Where two plays of the same scripts come out differently, byte for byte, after {@link canonical}. */
export function differences(
  expected: readonly PlayedScript[],
  actual: readonly PlayedScript[],
): Difference[] {
  const byName = new Map(actual.map((script) => [script.name, script]))
  return expected.flatMap(({ name, lines }) =>
    lines.flatMap((line, index) => {
      const other = byName.get(name)?.lines[index]
      if (other === undefined || typed(line) !== typed(other))
        throw new Error(`'${name}' has other lines here than there, from line ${index + 1} on`)
      const [left, right] = [canonical(line), canonical(other)]
      if (left.stdout === right.stdout && left.stderr === right.stderr && left.status === right.status)
        return []
      return [{ script: name, line: typed(line), number: index + 1, expected: left, actual: right }]
    }),
  )
}

/** An outcome without what depends on the installation: the size of the connection table. */
const canonical = ({ stdout, stderr, status }: Outcome): Outcome => ({
  stdout: stdout.replace(/^(IP Virtual Server version 1\.2\.1) \(size=\d+\)$/m, '$1 (size=N)'),
  stderr,
  status,
})

/**
 * Whether the same lines were printed in another order. That of services whose addresses are far apart is no more than
 * chance with ipvsadm: its comparison wraps, so that it orders them in a circle, and the kernel's hash table decides.
 */
export const isOnlyOrder = ({ expected, actual }: Difference): boolean =>
  sortedLines(expected.stdout) === sortedLines(actual.stdout) &&
  expected.stderr === actual.stderr &&
  expected.status === actual.status

/** How the kernel's play has changed from an earlier one of its own. */
export const drift = (before: readonly PlayedScript[], now: readonly PlayedScript[]): Difference[] =>
  differences(before, now).filter((difference) => !isOnlyOrder(difference))

const sortedLines = (text: string): string => text.split('\n').sort().join('\n')

/** A difference in a few lines of text: those of the output that only one side has. */
export function describeDifference({ script, line, number, expected, actual }: Difference): string {
  const linesOnly = (sign: string, { stdout, stderr }: Outcome, other: Outcome): string[] => {
    const others = new Set(`${other.stdout}${other.stderr}`.split('\n'))
    const lines = `${stdout}${stderr}`.split('\n').filter((each) => !others.has(each))
    return lines.map((each) => `  ${sign} ${each}`)
  }
  const ends = expected.status === actual.status ? '' : `: status ${expected.status}, here ${actual.status}`
  const lines = linesOnly('-', expected, actual).concat(linesOnly('+', actual, expected))
  const rest = lines.length === 0 && ends === '' ? ['  (the same lines in another order)'] : lines
  return [`${script}, line ${number}: ${line}${ends}`, ...rest].join('\n')
}
