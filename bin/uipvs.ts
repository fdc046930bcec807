#!/usr/bin/env node
/** `uipvs`: the daemon and everything newer than ipvsadm. The only reader of its argv. */

import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { DEFAULT_SOCKET_PATH } from '../control/schema.ts'
import { UsageError } from '../forwarder/config.ts'
import { run } from '../forwarder/daemon.ts'
import { doctor, formatReport } from '../forwarder/doctor/index.ts'

/** As ipvsadm's: 2 for what could not be initialised or understood. */
const USAGE_STATUS = 2

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('uipvs')
  .description('IPVS, the Linux Virtual Server, in userspace')
  .version(version)
  .showHelpAfterError('(uipvs --help shows what there is)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE_STATUS))

program
  .command('run')
  .description('balance: take packets from the kernel, until SIGTERM or SIGINT')
  .option('--config <file>', 'configuration, as JSON')
  .option('--socket <path>', 'control socket', process.env['UIPVS_SOCKET'] ?? DEFAULT_SOCKET_PATH)
  .action(async ({ config, socket }: { config?: string; socket: string }) => {
    await run({ configPath: config, socketPath: socket, version })
  })

program
  .command('doctor')
  .description('say what this kernel and these privileges can do, and what to do about what is missing')
  .option('--json', 'for machines')
  .action(async ({ json }: { json?: boolean }) => {
    const report = await doctor()
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report))
    process.exitCode = report.isReady ? 0 : 1
  })

try {
  await program.parseAsync()
} catch (error) {
  const isUsage = error instanceof UsageError
  process.stderr.write(`uipvs: ${isUsage ? error.message : ((error as Error).stack ?? String(error))}\n`)
  process.exitCode = isUsage ? USAGE_STATUS : 1
}
// Everything is undone by now, but drivers that are npm packages would keep the event loop alive for ever. Output is
// written: on Linux, standard streams are synchronous.
process.exit()
