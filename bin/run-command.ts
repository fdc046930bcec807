/** `uipvs run`: the daemon; or what it would do, or the schema of its configuration file. */

import { Command, Option } from 'commander'

export interface RunWorld {
  readonly version: string
  readonly stdout: { write(text: string): unknown }
  /** The control socket unless `--socket` says otherwise. */
  readonly socketPath: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

interface RunCommandOptions {
  readonly config?: string
  readonly socket: string
  readonly check?: true
  readonly schema?: true
  readonly state?: string
  readonly restore?: true
  readonly discardDamagedState?: true
  readonly hold?: true
}

export const runCommand = ({ version, stdout, socketPath, environment }: RunWorld): Command =>
  new Command('run')
    .summary('take packets from the kernel and balance them')
    .description(
      'take packets from the kernel and balance them, until SIGTERM or SIGINT; SIGHUP reads the configuration again',
    )
    .option('--config <file>', 'configuration, as JSON')
    .option('--socket <path>', 'control socket', socketPath)
    .option(
      '--restore',
      'begin with the configuration and connections of the run before, from the state file',
    )
    .option('--state <file>', 'keep the state there; with --restore only, beside the socket')
    .option(
      '--discard-damaged-state',
      'put a state file aside that cannot be used, instead of refusing to start',
    )
    .option(
      '--hold',
      'at the end leave the rules: packets of services wait for the next run, or for `uipvs undo`',
    )
    .addOption(
      new Option('--check', 'examine the configuration, say what would be done, touch nothing').conflicts([
        'restore',
        'state',
        'schema',
      ]),
    )
    .addOption(new Option('--schema', 'print the JSON Schema of the configuration file').conflicts('config'))
    .action(async (options: RunCommandOptions) => {
      if (options.schema) {
        const { configurationSchema } = await import('../forwarder/config.ts')
        stdout.write(`${JSON.stringify(configurationSchema(), null, 2)}\n`)
      } else if (options.check) {
        const { checkConfiguration } = await import('../forwarder/life/check.ts')
        stdout.write(checkConfiguration(options.config))
      } else {
        const { run } = await import('../forwarder/daemon.ts')
        await run({
          configPath: options.config,
          socketPath: options.socket,
          version,
          statePath: options.state,
          restores: options.restore,
          discardsDamagedState: options.discardDamagedState,
          holds: options.hold,
          environment,
        })
      }
    })

export const undoCommand = ({ stdout, socketPath }: Pick<RunWorld, 'stdout' | 'socketPath'>): Command =>
  new Command('undo')
    .summary('put back what a run that was killed has left')
    .description('put the host back as it was before a run that was killed, or that ended with --hold')
    .option('--socket <path>', 'its control socket', socketPath)
    .action(async ({ socket }: { socket: string }) => {
      const { undoLeftovers } = await import('../forwarder/daemon.ts')
      stdout.write(`${await undoLeftovers(socket)}\n`)
    })
