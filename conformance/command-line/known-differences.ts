/**
 * Where uipvsadm's outcome is not ipvsadm's, and why it is not going to be. Each row must still be needed: a row that no
 * difference matches any more is a failure of the test, as is a difference that no row matches.
 */

import { type Difference, describeDifference, isOnlyOrder } from './compare.ts'

export interface KnownDifference {
  readonly why: string
  readonly script: RegExp
  readonly line: RegExp
  /** The lines of the output are the same, in another order. */
  readonly onlyOrder?: true
}

const LISTING = /^-(?:L|l|S|-save)/

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    why: 'addresses are ordered by unsigned value; ipvsadm subtracts them, and the difference wraps',
    script: /^(?:addresses|names|odd addresses for services|services that are there|the order of listings)/,
    line: LISTING,
    onlyOrder: true,
  },
  {
    why: 'marks are unsigned; ipvsadm prints those from 2^31 on as negative numbers, which it cannot restore',
    script: /^large marks$/,
    line: LISTING,
  },
  {
    why: 'thresholds are saved, lest a restore lose them; ipvsadm reads what is written, but does not write it',
    script: /^(?:thresholds|servers: methods, ports and weights|odd numbers for --[ul]-threshold)$/,
    line: /^-Sn$/,
  },
  {
    why: 'ipvsadm ends with a segmentation fault',
    script: /^scheduler flags$/,
    line: / -b ,$/,
  },
  {
    why: 'every flag of sh and mh has a name; ipvsadm prints (), and saves an empty list that it cannot restore',
    script: /^scheduler flags$/,
    line: LISTING,
  },
  {
    why: 'Debian builds this kernel without the scheduler twos',
    script: /^schedulers$/,
    line: /twos$|^-[LS]n/,
  },
  {
    why: 'there are no sync daemons yet',
    script: /^sync daemons$/,
    line: /-daemon/,
  },
]

/** What a test shows: the differences that no row explains, and the rows that explain none, as text. */
export function judge(found: readonly Difference[]): {
  readonly unexplained: readonly string[]
  readonly idle: readonly string[]
} {
  const explains = (row: KnownDifference, difference: Difference): boolean =>
    row.script.test(difference.script) &&
    row.line.test(difference.line) &&
    (row.onlyOrder !== true || isOnlyOrder(difference))
  return {
    unexplained: found
      .filter((each) => !KNOWN_DIFFERENCES.some((row) => explains(row, each)))
      .map(describeDifference),
    idle: KNOWN_DIFFERENCES.filter((row) => !found.some((each) => explains(row, each))).map(({ why }) => why),
  }
}
