/** The daemon's configuration file: JSON, validated whole before anything is touched. */

import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { DestinationConfig, KnobChanges, ServiceConfig, Timeouts } from '../control/schema.ts'
import { DEFAULT_CONNECTION_LIMIT } from '../lib/director/director.ts'

const withDestinations = { destinations: z.array(DestinationConfig).default([]) }

export const DaemonConfig = z.strictObject({
  /** The first of the two queue numbers taken; they must be free in this network namespace. */
  firstQueue: z.int().min(0).max(65_534).default(7000),
  queueDriver: z.enum(['netlink', 'nfqueue']).default('netlink'),
  /** Packets that may wait in each queue; longer only adds latency. */
  queueLength: z.int().min(64).max(65_536).default(8192),
  /** How packets leave for direct routing. */
  egressDriver: z.enum(['route', 'frame', 'cap']).default('route'),
  /** Bits of packet marks that direct routing may use: contiguous, and used by nobody else. */
  markMask: z
    .int()
    .min(1)
    .max(0xffff_ffff)
    .refine(isContiguous, { error: 'the bits of a mark mask must be contiguous' })
    .default(0x0fff_0000),
  connectionLimit: z.int().min(1024).max(16_777_215).default(DEFAULT_CONNECTION_LIMIT),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  timeouts: Timeouts.default({ tcp: 0, tcpFin: 0, udp: 0 }),
  knobs: KnobChanges.default({}),
  services: z
    .array(
      z.union([
        ServiceConfig.options[0].extend(withDestinations),
        ServiceConfig.options[1].extend(withDestinations),
      ]),
    )
    .default([]),
})
export type DaemonConfig = z.infer<typeof DaemonConfig>

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

/** The first flaw of a validation, with the path to the value: `services[0].port: expected number, received string`. */
export function describeIssues(error: z.ZodError): string {
  const issue = deepest(error.issues[0] as z.core.$ZodIssue)
  const path = issue.path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : `${text}${text === '' ? '' : '.'}${String(key)}`,
    '',
  )
  const message = issue.message.replace(/^Invalid input: /, '')
  return path === '' ? message : `${path}: ${message}`
}

/** Of a union's failure, the branch that came farthest says most. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue
  const branches = [...issue.errors].sort((a, b) => a.length - b.length || depth(b) - depth(a))
  const inner = branches[0]?.[0]
  return inner === undefined ? issue : deepest({ ...inner, path: [...issue.path, ...inner.path] })
}

const depth = (issues: readonly z.core.$ZodIssue[]): number =>
  Math.max(0, ...issues.map(({ path }) => path.length))

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
