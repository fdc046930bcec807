/**
 * `npm run fuzz [-- --seconds 30 --runs N --seed N --only director|wire|reassembling|ftp --path P]`: mutated packets against
 * the library, for about half a minute. Needs no privileges; sets up and builds what is missing first.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setUp } from './setup.mjs'

// Whatever is lacking of the machine, the library can be fuzzed; what cannot be built stops it.
await setUp({ for: 'fuzz' }).catch((error) => {
  console.error(`fuzz: ${error.message}`)
  process.exit(2)
})

const main = fileURLToPath(new URL('../dist/fuzz/run.js', import.meta.url))
const child = spawn(process.execPath, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
const [status] = await once(child, 'exit')
process.exitCode = status ?? 1
