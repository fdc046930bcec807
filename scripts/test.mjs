/**
 * `npm test`: sets everything up, runs types, lint and every test, and ends with one line `N passed, N failed`. What could
 * not run on this machine is said aloud. Arguments go to vitest: `npm test -- --project unit`. Without any, too little
 * coverage of the library fails too (`vitest.config.ts`); `npm run coverage` shows what is not covered.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, setUp } from './setup.mjs'

const lacking = await setUp({ for: 'test' })
const args = process.argv.slice(2)
const canRunForReal = lacking.length === 0
const projects =
  canRunForReal || args.includes('--project') ? [] : ['--project', 'unit', '--project', 'property']

let failedChecks = 0
check('types', 'tsc', ['-p', 'tsconfig.json'])
check('lint', 'biome', ['check', '.'])

const directory = mkdtempSync(join(tmpdir(), 'uipvs-test-'))
const report = join(directory, 'report.json')
const status = run('vitest', [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...projects,
  ...(args.length === 0 ? ['--coverage'] : args),
])
const counts = countsOf(report)
rmSync(directory, { recursive: true, force: true })

for (const sentence of lacking) process.stdout.write(`NOT RUN: the tests on a real kernel: ${sentence}\n`)
if (counts.skipped > 0) process.stdout.write(`NOT RUN: ${counts.skipped} tests were skipped\n`)
const failed = counts.failed + failedChecks
// A run that broke down without a failing test is a failure all the same.
const broken = failed === 0 && status !== 0 ? 1 : 0
process.stdout.write(`${counts.passed} passed, ${failed + broken} failed\n`)
process.exitCode = failed + broken === 0 && counts.passed > 0 ? 0 : 1

function check(name, program, programArgs) {
  if (run(program, programArgs) === 0) return
  process.stdout.write(`FAILED: ${name}\n`)
  failedChecks++
}

function run(program, programArgs) {
  const { status: exit } = spawnSync(join(ROOT, 'node_modules', '.bin', program), programArgs, {
    cwd: ROOT,
    stdio: 'inherit',
  })
  return exit ?? 1
}

function countsOf(path) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
      readFileSync(path, 'utf8'),
    )
    return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests }
  } catch (error) {
    process.stderr.write(`the test report cannot be read: ${error.message}\n`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}
