/** `uipvs reload`, `uipvs log-level` and `uipvs status`: what a running daemon can be told and asked about itself. */

import { Argument, Command } from 'commander'
import type { ControlClient } from '../../control/index.ts'
import { LogLevel } from '../../control/life.ts'
import { formatReload, formatReport } from '../format-life.ts'

export interface LifeWorld {
  readonly stdout: { write(text: string): unknown }
  /** Where the control socket is unless `--socket` says otherwise. */
  readonly socketPath: string
  connect(socketPath: string): Pick<ControlClient, 'ask'>
}

interface LifeOptions {
  readonly socket: string
  readonly json?: true
}

/** The commands; each asks the daemon once. */
export const lifeCommands = ({ stdout, socketPath, connect }: LifeWorld): readonly Command[] => {
  const command = (name: string, description: string) =>
    new Command(name).description(description).option('--socket <path>', 'control socket', socketPath)
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
  return [
    command('reload', 'have the daemon read its configuration file again, connections staying as they are')
      .summary('have the daemon read its configuration again')
      .option('--json', 'print every change')
      .action(async (options: LifeOptions) => {
        const reload = await connect(options.socket).ask('reload')
        stdout.write(options.json ? json(reload) : formatReload(reload))
      }),
    command('log-level', "show what the daemon's log tells, or change it")
      .addArgument(new Argument('[level]', 'this and what is graver').choices(LogLevel.options))
      .action(async (level: LogLevel | undefined, options: LifeOptions) => {
        const client = connect(options.socket)
        const settings =
          level === undefined
            ? await client.ask('logSettings')
            : await client.ask('setLogSettings', { body: { level } })
        stdout.write(`${settings.level}\n`)
      }),
    command('status', 'say which way the packets of each service take, and why')
      .summary('say which way the packets of each service take')
      .option('--json', 'for machines')
      .action(async (options: LifeOptions) => {
        const client = connect(options.socket)
        const [info, report] = [await client.ask('info'), await client.ask('report')]
        stdout.write(options.json ? json({ info, report }) : formatReport(info, report))
      }),
  ]
}
