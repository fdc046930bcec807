/** `uipvs proc`: what the kernel's files under /proc/net would say. */

import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import type { Control } from '../../control/index.ts'
import {
  formatApplicationFile,
  formatConnectionFile,
  formatServiceFile,
  formatSyncFile,
} from '../format-proc.ts'
import { formatTotals, formatTotalsByCpu } from '../format-totals.ts'

export interface ProcWorld {
  readonly stdout: { write(text: string): unknown }
  /** Where the control socket is unless `--socket` says otherwise. */
  readonly socketPath: string
  connect(socketPath: string): Control
}

interface ProcOptions {
  readonly socket: string
  readonly hz: number
}

/** The command, which writes nothing before the daemon has answered. */
export const procCommand = ({ stdout, socketPath, connect }: ProcWorld): Command =>
  new Command('proc')
    .description('print what the kernel would have in /proc/net; byte for byte, for tools that read that')
    .addArgument(new Argument('<file>', 'its name there').choices(Object.keys(FILES)))
    .addOption(
      new Option('--hz <ticks>', 'clock ticks a second, in which ip_vs has timeouts')
        .default(DEFAULT_HZ)
        .argParser(parseHz),
    )
    .option('--socket <path>', 'control socket', socketPath)
    .action(async (file: FileName, { socket, hz }: ProcOptions) => {
      stdout.write(await FILES[file](connect(socket), hz))
    })

/** CONFIG_HZ, of which kernels have 100, 250, 300 or 1000. */
const DEFAULT_HZ = 100
const MAX_HZ = 1_000_000

function parseHz(text: string): number {
  const hz = /^\d{1,7}$/.test(text) ? Number(text) : 0
  if (hz < 1 || hz > MAX_HZ)
    throw new InvalidArgumentError(`A whole number from 1 to ${MAX_HZ} was expected.`)
  return hz
}

const FILES = {
  ip_vs: async (client: Control, hz: number) =>
    formatServiceFile(await client.services(), await client.info(), { hz }),
  ip_vs_conn: async (client: Control) => formatConnectionFile(await client.connections()),
  ip_vs_conn_sync: async (client: Control) => formatSyncFile(await client.connections()),
  ip_vs_app: async (client: Control) => formatApplicationFile(await client.info()),
  ip_vs_stats: async (client: Control) => formatTotals(await client.info(), 16),
  ip_vs_stats_percpu: async (client: Control) => formatTotalsByCpu(await client.info()),
} as const

type FileName = keyof typeof FILES
