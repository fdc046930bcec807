/** Small C programs of the laboratory and the benchmarks, compiled when first needed. */

import { existsSync } from 'node:fs'
import { mkdir, rename, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './process.ts'

/** The package's folder, from sources and from the build alike. */
export const PACKAGE_ROOT: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
})()

/**
 * Compiles one C file, given by its path in the package, unless that has been done since it last changed.
 * Returns the program's path. Throws an Error with the compiler's words when it does not compile.
 */
export function compile(source: string): Promise<string> {
  const begun = compiling.get(source) ?? compileChanged(source)
  compiling.set(source, begun)
  return begun
}

/** Several real servers ask for the same program at once. */
const compiling = new Map<string, Promise<string>>()

async function compileChanged(source: string): Promise<string> {
  const from = join(PACKAGE_ROOT, source)
  const folder = join(PACKAGE_ROOT, 'native/build/programs')
  const to = join(folder, basename(source, '.c'))
  if ((await changedMs(to)) >= (await changedMs(from))) return to
  await mkdir(folder, { recursive: true })
  // Renamed when complete, so that two processes compiling at once never run half a program.
  const half = `${to}.${process.pid}`
  await run(['cc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-o', half, from], { timeoutMs: 60_000 })
  await rename(half, to)
  return to
}

/** When the file was last written, 0 where it is not there. */
async function changedMs(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}
