/**
 * `npm run conformance`: uipvs beside the kernel's own IPVS, in user-mode-linux. `-- --record` writes down anew what the
 * kernel does; other arguments go to vitest.
 */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT, setUp } from './setup.mjs'

const lacking = await setUp({ for: 'test' })
for (const sentence of lacking) process.stdout.write(`lacking: ${sentence}\n`)

const args = process.argv.slice(2)
const isRecording = args.includes('--record')
const { status } = spawnSync(
  join(ROOT, 'node_modules', '.bin', 'vitest'),
  ['run', '--config', 'conformance/vitest.config.ts', ...args.filter((arg) => arg !== '--record')],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...(isRecording ? { UIPVS_RECORD: '1' } : {}) } },
)
process.exitCode = status ?? 1
