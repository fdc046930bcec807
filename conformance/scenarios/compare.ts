/** What was seen of a scenario on two sides, step by step. */

import type { StepResult } from '../uml/uml.ts'
import type { Seen } from './play.ts'
import type { Scenario } from './scenario.ts'

/**
 * Where the sides differ, a text each; none where they do not. Expiry times may be some seconds apart, and connections
 * may be listed in any order, which is the kernel's hash table's; everything else is compared byte for byte.
 */
export function disagreements(
  { steps }: Scenario,
  kernel: readonly Seen[],
  uipvs: readonly Seen[],
): string[] {
  return steps.flatMap(({ text }, index) => {
    const [left, right] = [canonical(kernel[index]), canonical(uipvs[index])]
    const isEqual =
      left.length === right.length && left.every((line, at) => isAlike(line, right[at] as string))
    if (isEqual) return []
    const unlike = (sign: string, lines: readonly string[], others: readonly string[]) =>
      lines
        .filter((line, at) => others[at] === undefined || !isAlike(line, others[at]))
        .map((line) => `  ${sign} ${line}`)
    return [[text, ...unlike('kernel', left, right), ...unlike('uipvs ', right, left)].join('\n')]
  })
}

/** Expiry times are read at different moments. */
const EXPIRY_SECONDS_APART = 20

/** Of a connection: in what `-Lc` prints, minutes and seconds; in /proc/net/ip_vs_conn, seconds before the engine's data. */
const EXPIRIES = [
  {
    pattern: /^(\S+ +)(\d\d:\d\d)( .*)$/,
    seconds: (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)),
  },
  { pattern: /^((?:\S+ +){7}\S+ +(?:(?:LOCAL|SYNC) +)?)(\d+)((?: .*)?)$/, seconds: Number },
]
const CONNECTION_TITLE = /^(?:IPVS connection entries$|Pro FromIP )/

function isAlike(left: string, right: string): boolean {
  const [ours, theirs] = [expiryOf(left), expiryOf(right)]
  if (ours === null || theirs === null) return left === right
  return Math.abs(ours.seconds - theirs.seconds) <= EXPIRY_SECONDS_APART && ours.rest === theirs.rest
}

/** When the connection of this line expires, and the line without that; null where it is none. */
function expiryOf(line: string): { readonly seconds: number; readonly rest: string } | null {
  for (const { pattern, seconds } of EXPIRIES) {
    const [, before, expiry, after] = pattern.exec(line) ?? []
    if (expiry !== undefined) return { seconds: seconds(expiry), rest: `${before}${after}` }
  }
  return null
}

/** As lines to compare one by one. */
function canonical(seen: Seen | undefined): string[] {
  if (seen === undefined) return ['(not seen)']
  if (typeof seen === 'string') return [seen]
  if (!('status' in seen)) return seen.map((answer, index) => `${index + 1}: ${answer}`)
  const { stdout, stderr, status } = seen as StepResult
  const lines = `${stdout}${stderr}`.replace(/\(size=\d+\)/, '(size=N)').split('\n')
  const isConnections = CONNECTION_TITLE.test(lines[0] ?? '')
  const sorted = isConnections ? lines.sort(byConnection) : lines
  return [`status ${status}`, ...sorted]
}

/** By everything but the expiry time; titles, which have none, come first. */
const byConnection = (left: string, right: string): number => {
  const [a, b] = [expiryOf(left)?.rest ?? '', expiryOf(right)?.rest ?? '']
  return a < b ? -1 : a > b ? 1 : 0
}
