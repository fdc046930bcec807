/** `uipvs config`: the whole configuration in force, as `uipvs apply` takes it. */

import { Command } from 'commander'
import type { ConfigurationControl } from '../../control/index.ts'

export interface ConfigWorld {
  readonly stdout: { write(text: string): unknown }
  /** Where the control socket is unless `--socket` says otherwise. */
  readonly socketPath: string
  connect(socketPath: string): Pick<ConfigurationControl, 'configuration'>
}

/** The command. */
export const configCommand = ({ stdout, socketPath, connect }: ConfigWorld): Command =>
  new Command('config')
    .summary('print the whole configuration as JSON')
    .description('print the whole configuration as JSON, for `uipvs apply` to put in force again')
    .option('--revision', 'print its revision instead')
    .option('--socket <path>', 'control socket', socketPath)
    .action(async (options: { revision?: true; socket: string }) => {
      const { revision, configuration } = await connect(options.socket).configuration()
      stdout.write(options.revision ? `${revision}\n` : `${JSON.stringify(configuration, null, 2)}\n`)
    })
