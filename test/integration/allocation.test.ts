/** What a packet costs that nobody measures in nanoseconds: garbage. On the built code, as an optimising compiler sees it. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const CHILD = fileURLToPath(new URL('../../dist/test/support/allocation-child.js', import.meta.url))

interface Result {
  readonly name: string
  readonly collections: readonly number[]
}

it('packets of established connections put nothing on the heap, by whatever method they are forwarded', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--max-semi-space-size=1', CHILD])
  const results: Result[] = JSON.parse(stdout)
  expect(results).toHaveLength(12)
  const median = ({ collections }: Result) => collections.toSorted((a, b) => a - b)[collections.length >> 1]
  expect(results.filter((result) => median(result) !== 0)).toEqual([])
})
