/**
 * `npm run bench [-- table|library|queue] [--connections 1000000] [--seconds 3] [--rounds 5] [--only plain,uipvs]
 * [--json FILE]`: measures the connection table, the library alone, and the whole path through a real kernel. Sets up and
 * builds what is missing first.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setUp } from './setup.mjs'

// What is lacking need not stop the library's part: it is told, and the rest says so itself.
const lacking = await setUp({ for: 'bench' }).catch((error) => {
  console.error(`bench: ${error.message}`)
  process.exit(2)
})
for (const sentence of lacking) console.error(`bench: ${sentence}`)

const main = fileURLToPath(new URL('../dist/bench/run.js', import.meta.url))
// Memory is measured right after a collection, which has to be asked for.
const child = spawn(process.execPath, ['--expose-gc', main, ...process.argv.slice(2)], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
const [status] = await once(child, 'exit')
process.exitCode = status ?? 1
