#!/usr/bin/env node
/** `uipvs`: the daemon and everything newer than ipvsadm. The only reader of its argv; its commands are in program.ts. */

import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { CommandError } from '../cli/commands/command-error.ts'
import { ApiError, NotRunningError } from '../control/index.ts'
import { UsageError } from '../forwarder/config.ts'
import { endWithReader } from './process-io.ts'
import { uipvsProgram } from './program.ts'

/** As ipvsadm's: 2 for what could not be initialised or understood. */
const USAGE_STATUS = 2

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = uipvsProgram({
  version,
  stdout: process.stdout,
  socketPath: process.env['UIPVS_SOCKET'],
  setExitStatus: (status) => {
    process.exitCode = status
  },
})

// The daemon has a host to put in order first, and goes on without a reader.
program.hook('preAction', (_program, command) => {
  if (command.name() !== 'run') endWithReader()
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = statusOf(error)
}
// Everything is undone by now, but drivers that are npm packages would keep the event loop alive for ever. Output is
// written: on Linux, standard streams are synchronous.
process.exit()

/** Says what went wrong, unless commander has, and gives the exit status for it. */
function statusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_STATUS
  if (error instanceof NotRunningError) {
    process.stderr.write(`uipvs: ${error.message}\n${error.remedy}\n`)
    return USAGE_STATUS
  }
  if (error instanceof CommandError) {
    process.stderr.write(`uipvs: ${error.message}\n`)
    return error.exitStatus
  }
  if (error instanceof ApiError) {
    process.stderr.write(`uipvs: ${error.message}\n`)
    return 1
  }
  const isUsage = error instanceof UsageError
  process.stderr.write(`uipvs: ${isUsage ? error.message : ((error as Error).stack ?? String(error))}\n`)
  return isUsage ? USAGE_STATUS : 1
}
