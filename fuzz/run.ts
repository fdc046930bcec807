/**
 * The fuzz run's entry: `node dist/fuzz/run.js [--seconds N] [--runs N] [--seed N] [--only TARGET] [--path P]`. Exit status 1
 * when something was found, 2 when it could not run.
 */

import { randomInt } from 'node:crypto'
import { relative } from 'node:path'
import { PACKAGE_ROOT } from '../test/support/lab/compile.ts'
import { type Campaign, campaign } from './campaign.ts'
import { FINDS_FILE, keepFind } from './finds.ts'
import { optionsFrom, type RunOptions, USAGE } from './options.ts'
import { TARGETS } from './targets.ts'

/** Lines longer than this are of use to programs alone, which have the file. */
const LINE_MAX = 240

function main(options: RunOptions): void {
  const { seed, targets, cases, path } = options
  console.log(`fuzz: seed ${seed}; the same cases again: npm run fuzz -- --seed ${seed}`)
  const shares = targets.reduce((sum, name) => sum + TARGETS[name]!.share, 0)
  let found = 0
  for (const name of targets) {
    const target = TARGETS[name]!
    const timeMs = Math.ceil((options.timeMs * target.share) / shares)
    const result = campaign(target, { seed, cases, timeMs, ...(path === undefined ? {} : { path }) })
    console.log(`${name}: ${result.cases} cases of ${target.about}`)
    console.log(`  ${tallyLine(result)}`)
    if (result.find === null) continue
    found++
    report(name, seed, result.find)
  }
  console.log(found === 0 ? 'nothing found' : `${found} found`)
  if (found > 0) process.exitCode = 1
}

const tallyLine = ({ tally }: Campaign<unknown>): string =>
  [...tally.counts]
    .sort(([, one], [, other]) => other - one)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ')

function report(name: string, seed: number, find: NonNullable<Campaign<unknown>['find']>): void {
  const lines = [find.message, ...TARGETS[name]!.describe(find.case)]
  console.log(`FOUND in ${name}:`)
  for (const line of lines.flatMap((each) => each.split('\n')))
    console.log(`  ${line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}…` : line}`)
  keepFind({ target: name, message: find.message, case: find.case })
  console.log(`  kept in ${relative(PACKAGE_ROOT, FINDS_FILE)}, which the tests check`)
  console.log(`  again: npm run fuzz -- --seed ${seed} --only ${name} --path ${find.path}`)
}

try {
  main(optionsFrom(process.argv.slice(2), randomInt(2 ** 31)))
} catch (error) {
  console.error(`fuzz: ${(error as Error).message}\n${USAGE}`)
  process.exitCode = 2
}
