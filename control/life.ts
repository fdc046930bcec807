/** What of the daemon's own life can be asked and told: its log, its configuration file, and the way each service takes. */

import * as z from 'zod'
import { Replacement } from './configuration.ts'
import { forwardingMethods } from './schema.ts'

/** What is logged: this and what is graver. */
export const LogLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace'])
export type LogLevel = z.infer<typeof LogLevel>

export const LogSettings = z.strictObject({ level: LogLevel })
export type LogSettings = z.infer<typeof LogSettings>

/** What reading the configuration file again has done. */
export const Reload = Replacement.extend({
  needsRestart: z
    .array(z.string())
    .describe('Settings that differ from those in force, and are only read at the start'),
})
export type Reload = z.infer<typeof Reload>

export const DestinationReport = z.object({
  endpoint: z.string(),
  method: z.enum(forwardingMethods),
  path: z.string().describe('How its packets leave'),
  via: z
    .string()
    .nullable()
    .describe('Device, and gateway where there is one; null where no route leads there'),
  mtuBytes: z.number().nullable(),
})
export type DestinationReport = z.infer<typeof DestinationReport>

/** The way that a service's packets take. */
export const ServiceReport = z.object({
  service: z.string(),
  requests: z.string().describe('Where they are taken from the kernel'),
  replies: z.string().describe("Where real servers' answers are, or why they are not"),
  queue: z.number(),
  superPackets: z.boolean().describe('Whether the kernel leaves segmented packets whole for us'),
  why: z.string().describe('Why this queue'),
  destinations: z.array(DestinationReport),
})
export type ServiceReport = z.infer<typeof ServiceReport>

export const Report = z.object({
  host: z
    .array(z.string())
    .describe('What was found of the host that matters for every service, a sentence each'),
  services: z.array(ServiceReport),
})
export type Report = z.infer<typeof Report>
