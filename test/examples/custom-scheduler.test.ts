import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runExample } from '../support/examples.ts'
import { PACKAGE_ROOT } from '../support/lab/compile.ts'
import { run } from '../support/lab/process.ts'

describe('the example of a scheduler of one’s own', () => {
  it('leads every client to a server, and to the same in every run', async () => {
    const { status, stdout } = await runExample('custom-scheduler.mjs')
    expect(status).toBe(0)
    const servers = stdout
      .trim()
      .split('\n')
      .map((line) => /^10\.9\.0\.\d+ → (192\.168\.1\.[123]:80)$/.exec(line)?.[1])
    expect(servers).toHaveLength(12)
    expect(new Set(servers).size).toBe(3)
    expect((await runExample('custom-scheduler.mjs')).stdout).toBe(stdout)
  })

  it('is held to the conformance suite by the test beside it', async () => {
    const file = join(PACKAGE_ROOT, 'examples', 'custom-scheduler.test.mjs')
    const { stdout } = await run([process.execPath, '--test', '--test-reporter=tap', file], {
      timeoutMs: 30_000,
    })
    expect(stdout).toMatch(/^# fail 0$/m)
    expect(stdout).toMatch(/^# pass (1[5-9]|[2-9]\d)$/m)
  }, 40_000)
})
