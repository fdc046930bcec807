/** Runs one uipvsadm command line in memory. */

import { type Io, uipvsadm } from '../../cli/run.ts'
import { FakeControl } from './fake-control.ts'
import { fakeNames } from './fake-names.ts'

export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly status: number
}

/** The words of `line`, split at blanks, go to `uipvsadm`; what it wrote and how it ended come back. */
export async function runCli(
  line: string | readonly string[],
  { client = new FakeControl(), names = fakeNames(), input = '' }: Partial<Io> & { input?: string } = {},
): Promise<Ran> {
  const argv = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line
  let stdout = ''
  let stderr = ''
  const status = await uipvsadm(argv, {
    stdin: (async function* () {
      yield input
    })(),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    client,
    names,
  })
  return { stdout, stderr, status }
}
