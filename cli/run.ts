/** The whole tool: a command line in, text and an exit status out. It reads no global of the process. */

import { ApiError, type Control, NotRunningError } from '../control/index.ts'
import { execute } from './execute.ts'
import {
  cannotInitialize,
  daemonRefusal,
  isRefusal,
  kernelError,
  type Refusal,
  TRY_HELP,
  usageError,
} from './messages.ts'
import { type Names, systemNames } from './names.ts'
import { parse } from './parse.ts'
import type { Request } from './request.ts'
import { commandLines, LineTooLongError } from './restore.ts'

export interface Io {
  /** Read by `-R` only. */
  readonly stdin: AsyncIterable<string | Uint8Array>
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  readonly client: Control
  /** This machine's, unless given. */
  readonly names?: Names
}

/**
 * Runs one command line, `argv` being what follows the program's name, and resolves to the exit status:
 *
 * - 0: done
 * - 1: a listing failed
 * - 2: the command line is at fault, or no daemon is running
 * - 255: the daemon refused, or the command line cannot be read
 */
export async function uipvsadm(argv: readonly string[], io: Io): Promise<number> {
  const world: World = { ...io, names: io.names ?? systemNames() }
  const request = await parse(argv.length === 0 ? ['-L'] : argv, world.names)
  if (isRefusal(request)) return report(request, io)
  if (request.command !== 'restore') return report(await attempt(request, world), io)
  return restore(world)
}

type World = Io & { readonly names: Names }

/**
 * Runs each line of standard input. A line that is at fault ends the run; one that the daemon refuses does not.
 * The exit status is that of the last line.
 */
async function restore(world: World): Promise<number> {
  let status = 0
  try {
    for await (const argv of commandLines(world.stdin)) {
      const request = await parse(argv, world.names)
      const outcome = isRefusal(request) ? request : await attempt(request, world)
      status = report(outcome, world)
      if (endsRestore(request, outcome)) return status
    }
  } catch (error) {
    if (error instanceof LineTooLongError) return report(usageError(`uipvsadm: ${error.message}`), world)
    throw error
  }
  return status
}

const endsRestore = (request: Request | Refusal, outcome: string | Refusal): boolean =>
  typeof outcome === 'string'
    ? 'command' in request && (request.command === 'help' || request.command === 'version')
    : outcome.endsRestore

/** The request's outcome, where every way of failing has become a refusal. */
async function attempt(request: Request, world: World): Promise<string | Refusal> {
  // Only a line of a restore comes here with one: it would read its own input.
  if (request.command === 'restore') return TRY_HELP
  try {
    return await execute(request, world)
  } catch (error) {
    if (error instanceof ApiError) return daemonRefusal(request.command, error)
    if (error instanceof NotRunningError) return cannotInitialize(error.message, error.remedy)
    if (error instanceof Error) return kernelError(request.command, `uipvsadm: ${error.message}`)
    throw error
  }
}

/** Prints the outcome where it belongs and gives its exit status. */
function report(outcome: string | Refusal, { stdout, stderr }: Pick<Io, 'stdout' | 'stderr'>): number {
  if (typeof outcome !== 'string') {
    stderr.write(`${outcome.text}\n`)
    return outcome.exitStatus
  }
  if (outcome !== '') stdout.write(outcome)
  return 0
}
