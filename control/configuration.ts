/**
 * The whole configuration as one value, and what can be different between two of them. Everything that changes
 * a director's configuration is one or more of these changes, whoever asked for it and however.
 */

import * as z from 'zod'
import { KnobValue } from './knobs.ts'
import { DestinationConfig, KnobChanges, Knobs, ServiceConfig, Timeouts } from './schema.ts'

const destinations = z
  .array(DestinationConfig)
  .default([])
  .describe('In the order in which they were added; schedulers look at the newest first.')

/** A service, and all the real servers that it has. */
export const ConfiguredService = z.union([
  ServiceConfig.options[0].extend({ destinations }),
  ServiceConfig.options[1].extend({ destinations }),
])
export type ConfiguredService = z.infer<typeof ConfiguredService>

/** Everything that can be configured while the daemon runs. */
export const Configuration = z.strictObject({
  services: z.array(ConfiguredService),
  timeouts: Timeouts,
  knobs: Knobs,
})
export type Configuration = z.infer<typeof Configuration>

/**
 * What the configuration is to become: these services and no others. Timeouts and knobs that are left out stay as
 * they are, and so does a timeout of 0.
 */
export const WantedConfiguration = z.strictObject({
  services: z.array(ConfiguredService),
  timeouts: Timeouts.optional(),
  knobs: KnobChanges.optional(),
})
export type WantedConfiguration = z.infer<typeof WantedConfiguration>

const service = z.string().describe('The id of the service, as tcp:10.0.0.1:80')
const endpoint = z.string().describe('The real server, as 192.168.1.1:80')

/** One difference. What was added has no `before`, what was removed no `after`. */
export const Change = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('service-added'), service, after: ServiceConfig }),
  z.object({ kind: z.literal('service-edited'), service, before: ServiceConfig, after: ServiceConfig }),
  z.object({ kind: z.literal('service-removed'), service, before: ServiceConfig }),
  z.object({ kind: z.literal('destination-added'), service, endpoint, after: DestinationConfig }),
  z.object({
    kind: z.literal('destination-edited'),
    service,
    endpoint,
    before: DestinationConfig,
    after: DestinationConfig,
  }),
  z.object({ kind: z.literal('destination-removed'), service, endpoint, before: DestinationConfig }),
  z.object({ kind: z.literal('timeouts-changed'), before: Timeouts, after: Timeouts }),
  z.object({ kind: z.literal('knob-changed'), knob: z.string(), before: KnobValue, after: KnobValue }),
])
export type Change = z.infer<typeof Change>

const revision = z.string().describe('Names a configuration in force, in one life of the daemon')

/** What replacing the configuration has done: nothing, where there was no difference. */
export const Replacement = z.object({
  revision,
  changes: z.array(Change),
})
export type Replacement = z.infer<typeof Replacement>

/**
 * The data of an event in the stream of changes: at first which revision is in force, then each change with the revision
 * that it led to, which changes made at once share. `cut` is the last: the reader was too slow, and has to begin anew.
 */
export const ChangeEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('in-force'), revision }),
  z.object({ kind: z.literal('change'), revision, change: Change }),
  z.object({ kind: z.literal('cut'), message: z.string() }),
])
export type ChangeEvent = z.infer<typeof ChangeEvent>
