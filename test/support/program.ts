/** The `uipvs` program in memory, of which nothing can be heard but what it writes. */

import type { CommanderError } from 'commander'
import { uipvsProgram } from '../../bin/program.ts'

export interface Heard {
  readonly stdout: string
  readonly stderr: string
  /** Of a command line that was refused or asked for help, commander's; of any other, what the command set. */
  readonly status: number
}

/** The program, as it is installed. */
export const program = (stdout = { write: (_text: string): unknown => undefined }) =>
  uipvsProgram({ version: '0.0.0', stdout, setExitStatus: () => {} })

/** Runs `uipvs` with these words. Commands that start a daemon or look at the host are not for this. */
export async function runUipvs(...argv: string[]): Promise<Heard> {
  let stdout = ''
  let stderr = ''
  const uipvs = program({ write: (text) => (stdout += text) })
  for (const each of [uipvs, ...uipvs.commands])
    each.configureOutput({ writeOut: (text) => (stdout += text), writeErr: (text) => (stderr += text) })
  try {
    await uipvs.parseAsync(argv, { from: 'user' })
    return { stdout, stderr, status: 0 }
  } catch (error) {
    if (!(error instanceof Error && 'exitCode' in error)) throw error
    return { stdout, stderr, status: (error as CommanderError).exitCode }
  }
}
