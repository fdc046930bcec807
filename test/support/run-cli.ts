/** Runs the command line's programs in memory. */

import { type Io, uipvsadm } from '../../cli/run.ts'
import { uipvsadmRestore, uipvsadmSave, type WrapperIo } from '../../cli/wrappers.ts'
import { FakeControl } from './fake-control.ts'
import { fakeNames } from './fake-names.ts'

export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly status: number
}

type World = Partial<Io> & { readonly input?: string }

/** The words of `line`, split at blanks, go to `uipvsadm`; what it wrote and how it ended come back. */
export const runCli = (line: string | readonly string[], world: World = {}): Promise<Ran> =>
  run(uipvsadm, typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line, world)

/** The same for `uipvsadm-save` and `uipvsadm-restore`. */
export const runSave = (argv: readonly string[], world: World = {}): Promise<Ran> =>
  run(uipvsadmSave, argv, world)
export const runRestore = (argv: readonly string[], world: World = {}): Promise<Ran> =>
  run(uipvsadmRestore, argv, world)

async function run(
  program: (argv: readonly string[], io: WrapperIo) => Promise<number>,
  argv: readonly string[],
  { client = new FakeControl(), names = fakeNames(), input = '', stdin = oneChunk(input) }: World,
): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  const status = await program(argv, {
    stdin,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    client,
    names,
    program: 'uipvsadm-save',
  })
  return { stdout, stderr, status }
}

async function* oneChunk(text: string): AsyncGenerator<string> {
  yield text
}
