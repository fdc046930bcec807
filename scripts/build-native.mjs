/**
 * Compiles native/seam.c into native/build/seam.node with the system's C compiler and the headers of the npm
 * package `node-api-headers`; no node-gyp, no Python. Does nothing when the result is newer than its sources.
 *
 *     node scripts/build-native.mjs [--if-possible] [output directory]
 *
 * `--if-possible` is for npm's install step: who only wants the library needs no compiler, so it is only told.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC']
const GET_COMPILER = 'on Debian and Ubuntu: apt-get install gcc libc6-dev'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'native', 'seam.c')
const words = process.argv.slice(2)
const isOptional = words[0] === '--if-possible'
if (isOptional) words.shift()
const directory = words[0] ?? join(root, 'native', 'build')
const target = join(directory, 'seam.node')

/** When a file was last changed, or -1 where there is none. */
const changedMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? -1

/** Ends the build with one line that says what is missing and how to get it. */
function fail(why) {
  console.error(`build-native: ${why}`)
  process.exit(isOptional ? 0 : 1)
}

function headersDirectory() {
  try {
    return createRequire(import.meta.url)('node-api-headers').include_dir
  } catch (cause) {
    return fail(`the npm package node-api-headers is missing (npm install node-api-headers): ${cause.code}`)
  }
}

function compile() {
  const compiler = process.env.CC || 'cc'
  const partial = `${target}.${process.pid}`
  mkdirSync(directory, { recursive: true })
  const run = spawnSync(compiler, [...FLAGS, `-I${headersDirectory()}`, '-o', partial, source], {
    encoding: 'utf8',
  })
  if (run.error?.code === 'ENOENT') fail(`there is no C compiler '${compiler}' (${GET_COMPILER})`)
  if (run.error) fail(`could not run '${compiler}': ${run.error.message}`)
  if (run.status !== 0) {
    rmSync(partial, { force: true })
    const missing = /fatal error: (\S+): No such file/.exec(run.stderr)
    if (missing) fail(`the C header ${missing[1]} is missing (${GET_COMPILER})`)
    fail(`'${compiler}' refused native/seam.c:\n${run.stderr.trim()}`)
  }
  // Renamed into place, so that a process loading it meanwhile never sees half a file.
  renameSync(partial, target)
  console.log(`built ${target}`)
}

const newestSourceMs = Math.max(changedMs(source), changedMs(fileURLToPath(import.meta.url)))
if (changedMs(target) < newestSourceMs) compile()
