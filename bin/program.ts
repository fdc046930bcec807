/**
 * The grammar of `uipvs`: its commands. Nothing is read or run before one of them is, and the forwarder is loaded only
 * for those that need it.
 */

import { Command } from 'commander'
import { completionCommand } from '../cli/commands/completion.ts'
import { configCommand } from '../cli/commands/config.ts'
import { lifeCommands } from '../cli/commands/daemon-life.ts'
import { eventsCommand } from '../cli/commands/events.ts'
import { applyCommand, planCommand } from '../cli/commands/plan.ts'
import { procCommand } from '../cli/commands/proc.ts'
import { rootHelp } from '../cli/commands/root-help.ts'
import { sysctlCommand } from '../cli/commands/sysctl.ts'
import { readText } from '../cli/configuration/read-text.ts'
import { systemNames } from '../cli/names.ts'
import { ControlClient, DEFAULT_SOCKET_PATH } from '../control/index.ts'
import { runCommand, undoCommand } from './run-command.ts'

export interface ProgramWorld {
  readonly version: string
  readonly stdout: { write(text: string): unknown }
  /** Where the control socket is, if it is not where it usually is: `UIPVS_SOCKET`. */
  readonly socketPath?: string | undefined
  setExitStatus(status: number): void
}

/** The whole program. Parsing throws commander's errors, whose text has been printed by then. */
export function uipvsProgram({ version, stdout, socketPath, setExitStatus }: ProgramWorld): Command {
  const socket = socketPath || DEFAULT_SOCKET_PATH
  const program = new Command('uipvs')
    .description('IPVS, the Linux Virtual Server, in userspace')
    .version(version)
    .showHelpAfterError('(uipvs --help shows what there is)')
    .exitOverride()

  program.helpInformation = () => rootHelp(program)

  program.addCommand(
    runCommand({ version, stdout, socketPath: socket, environment: process.env }).copyInheritedSettings(
      program,
    ),
  )

  program
    .command('doctor')
    .summary('say what this kernel and these privileges allow')
    .description('say what this kernel and these privileges can do, and what to do about what is missing')
    .option('--json', 'for machines')
    .action(async ({ json }: { json?: boolean }) => {
      const { doctor, formatReport } = await import('../forwarder/doctor/index.ts')
      const report = await doctor()
      stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report))
      setExitStatus(report.isReady ? 0 : 1)
    })

  const connect = (path: string) => new ControlClient(path)
  // Those that live in files of their own; one line each.
  const ofDaemon = { stdout, socketPath: socket, connect }
  const ofFiles = {
    ...ofDaemon,
    readText: (file: string) => readText(file, process.stdin),
    names: () => systemNames(),
  }
  const commands = [
    configCommand(ofDaemon),
    planCommand(ofFiles),
    applyCommand(ofFiles),
    eventsCommand(ofDaemon),
    ...lifeCommands(ofDaemon),
    undoCommand(ofDaemon),
    sysctlCommand({ ...ofDaemon, stderr: process.stderr }),
    procCommand(ofDaemon),
    completionCommand({ stdout }),
  ]
  for (const command of commands) program.addCommand(command.copyInheritedSettings(program))
  return program
}
