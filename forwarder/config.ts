/** The daemon's configuration file: JSON, validated whole before anything is touched. */

import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { ConfiguredService } from '../control/configuration.ts'
import { firstFlaw } from '../control/issues.ts'
import { LogLevel } from '../control/life.ts'
import { KnobChanges, Timeouts } from '../control/schema.ts'
import { DEFAULT_CONNECTION_LIMIT } from '../lib/director/options.ts'

export const DaemonConfig = z.strictObject({
  $schema: z.string().optional().describe('For editors: where the schema of this file is.'),
  firstQueue: z
    .int()
    .min(0)
    .max(65_534)
    .default(7000)
    .describe('The first of the two queue numbers taken; they must be free in this network namespace.'),
  queueDriver: z
    .enum(['netlink', 'nfqueue'])
    .default('netlink')
    .describe("What reads the queues: uipvs's own addon, or the npm package nfqueue, which is slower."),
  queueLength: z
    .int()
    .min(64)
    .max(65_536)
    .default(8192)
    .describe('Packets that may wait in each queue; longer only adds latency.'),
  egressDriver: z
    .enum(['route', 'frame', 'cap'])
    .default('route')
    .describe('How packets leave for direct routing: by a mark and the kernel’s routes, or as frames.'),
  markMask: z
    .int()
    .min(1)
    .max(0xffff_ffff)
    .refine(isContiguous, { error: 'the bits of a mark mask must be contiguous' })
    .default(0x0fff_0000)
    .describe('Bits of packet marks that direct routing may use: contiguous, and used by nobody else.'),
  connectionLimit: z
    .int()
    .min(1024)
    .max(16_777_215)
    .default(DEFAULT_CONNECTION_LIMIT)
    .describe('The most connections there can be; 128 bytes of memory each, as they come.'),
  answersEcho: z
    .boolean()
    .default(false)
    .describe('Pings of virtual addresses are answered: for addresses that this host does not have.'),
  stateEverySeconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(30)
    .describe('How often the state file is written, where one is kept; it is also written at the end.'),
  logLevel: LogLevel.default('info').describe('What is logged: this and what is graver.'),
  timeouts: Timeouts.default({ tcp: 0, tcpFin: 0, udp: 0 }).describe(
    'In seconds, as ipvsadm --set has them; 0 is the default.',
  ),
  knobs: KnobChanges.default({}).describe(
    'Settings that the kernel has under net.ipv4.vs; others are as there.',
  ),
  services: z.array(ConfiguredService).default([]),
})
export type DaemonConfig = z.infer<typeof DaemonConfig>

/** The file's JSON Schema (2020-12): for editors, and for whoever writes such files by program. */
export const configurationSchema = (): Record<string, unknown> => ({
  title: 'uipvs run --config',
  ...z.toJSONSchema(DaemonConfig, { io: 'input' }),
})

/** A mistake of the operator's: told in one line, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The configuration in the file, or the defaults without one. Throws {@link UsageError}, naming file and value. */
export function readConfig(path: string | undefined): DaemonConfig {
  if (path === undefined) return DaemonConfig.parse({})
  const text = attemptTo(`cannot read the configuration file ${path}`, () => readFileSync(path, 'utf8'))
  const json = attemptTo(`the configuration file ${path} is not JSON`, () => JSON.parse(text) as unknown)
  const result = DaemonConfig.safeParse(json)
  if (result.success) return result.data
  throw new UsageError(`the configuration file ${path} is refused: ${describeIssues(result.error)}`)
}

/** The first flaw of a validation, in one line that names the value. */
export const describeIssues = (error: z.ZodError): string => firstFlaw(error).message

function isContiguous(mask: number): boolean {
  const lowest = (mask & -mask) >>> 0
  return Number.isInteger(Math.log2(mask / lowest + 1))
}

function attemptTo<T>(failure: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw new UsageError(`${failure}: ${(error as Error).message}`, { cause: error })
  }
}
