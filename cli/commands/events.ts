/** `uipvs events`: every change of the configuration, as it is made. */

import { Command } from 'commander'
import type { ChangeEvent, ConfigurationControl } from '../../control/index.ts'
import { formatChange } from '../configuration/format-changes.ts'
import { CommandError } from './command-error.ts'

export interface EventsWorld {
  readonly stdout: { write(text: string): unknown }
  /** Where the control socket is unless `--socket` says otherwise. */
  readonly socketPath: string
  connect(socketPath: string): Pick<ConfigurationControl, 'events'>
}

/** The command, which ends when the daemon does, or cuts it for reading too slowly. */
export const eventsCommand = ({ stdout, socketPath, connect }: EventsWorld): Command =>
  new Command('events')
    .summary('print every change of the configuration from now on')
    .description('print every change of the configuration from now on, however it is made')
    .option('--json', 'a JSON value a line')
    .option('--socket <path>', 'control socket', socketPath)
    .action(async ({ json, socket }: { json?: true; socket: string }) => {
      let isListening = false
      try {
        for await (const event of connect(socket).events()) {
          isListening = true
          stdout.write(json ? `${JSON.stringify(event)}\n` : formatEvent(event))
        }
      } catch (error) {
        if (!isListening) throw error
        throw new CommandError((error as Error).message, 1, { cause: error })
      }
    })

function formatEvent(event: ChangeEvent): string {
  switch (event.kind) {
    case 'in-force':
      return `revision ${event.revision} is in force\n`
    case 'change':
      return `${event.revision} ${formatChange(event.change, null)}`
    case 'cut':
      return `cut: ${event.message}\n`
  }
}
