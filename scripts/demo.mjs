/**
 * `npm run demo [-- --keep]`: shows uipvs at work on this machine. Sets up and builds what is missing first.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setUp } from './setup.mjs'

const lacking = await setUp({ for: 'demo' }).catch((error) => [error.message])
if (lacking.length > 0) {
  for (const sentence of lacking) console.error(`demo: ${sentence}`)
  process.exit(2)
}

const main = fileURLToPath(new URL('../dist/test/support/demo/main.js', import.meta.url))
const child = spawn(process.execPath, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
// A terminal sends Ctrl-C to both of us; the demonstration cleans up, and its exit status is ours.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
const [status] = await once(child, 'exit')
process.exitCode = status ?? 1
