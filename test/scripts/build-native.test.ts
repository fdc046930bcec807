import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const SCRIPT = fileURLToPath(new URL('../../scripts/build-native.mjs', import.meta.url))

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'build-native-'))
})

afterAll(() => rmSync(directory, { recursive: true }))

const build = (environment: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, [SCRIPT, directory], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  })

describe('build-native', () => {
  it('says in one line what is missing where there is no compiler, and leaves nothing behind', () => {
    const { status, stderr } = build({ CC: 'no-such-compiler' })
    expect(status).toBe(1)
    expect(stderr).toBe(
      "build-native: there is no C compiler 'no-such-compiler' (on Debian and Ubuntu: apt-get install gcc libc6-dev)\n",
    )
    expect(readdirSync(directory)).toEqual([])
  })

  it('compiles the addon, and does nothing when it is up to date', () => {
    expect(build().status).toBe(0)
    expect(readdirSync(directory)).toEqual(['seam.node'])
    const builtMs = statSync(join(directory, 'seam.node')).mtimeMs
    expect(build({ CC: 'no-such-compiler' })).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(statSync(join(directory, 'seam.node')).mtimeMs).toBe(builtMs)
  })
})
