/**
 * What `npm pack` and `npm publish` do first: builds into an empty folder, so that the package holds what the
 * sources are now and nothing that an earlier build left.
 */

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const compiler = join(root, 'node_modules', '.bin', 'tsc')

rmSync(join(root, 'dist'), { recursive: true, force: true })
// npm reads its own standard output: what the compiler says goes to standard error.
const { status, error } = spawnSync(compiler, ['-p', join(root, 'tsconfig.build.json')], {
  stdio: ['ignore', 2, 2],
})
if (error !== undefined) console.error(`prepack: cannot run ${compiler}: ${error.message}`)
process.exitCode = status ?? 1
