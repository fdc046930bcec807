/** The examples as a user runs them: with Node, importing the built package by its name. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from './lab/compile.ts'
import { type RunResult, run } from './lab/process.ts'

/** The argument array that runs an example; throws where the package has not been built. */
export function exampleArgv(name: string, argv: readonly string[] = []): string[] {
  const library = join(PACKAGE_ROOT, 'dist', 'testing', 'index.js')
  if (!existsSync(library)) throw new Error(`${library} does not exist: npm run build makes it`)
  return [process.execPath, join(PACKAGE_ROOT, 'examples', name), ...argv]
}

/** Runs an example to its end, whatever its exit status. */
export const runExample = (name: string, argv: readonly string[] = []): Promise<RunResult> =>
  run(exampleArgv(name, argv), { mayFail: true })
