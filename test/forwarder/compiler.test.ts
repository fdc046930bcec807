import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { COMPILER_FLAGS } from '../../forwarder/compiler.ts'

it('V8 knows each of the flags: one that it did not know would be passed over with a word on stderr', () => {
  const script = 'process.argv.slice(1).forEach(require("v8").setFlagsFromString)'
  const { status, stderr } = spawnSync(process.execPath, ['-e', script, '--', ...COMPILER_FLAGS], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})
