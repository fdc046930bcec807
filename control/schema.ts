/**
 * The control API's shapes, version 1: what travels as JSON over the control socket and what a configuration
 * file holds. One definition gives the validation, the TypeScript types and the JSON Schema.
 * What can be asked, and what is answered with which of them, is the table in requests.ts.
 */

import * as z from 'zod'
import { parseAddress } from '../lib/bytes/address.ts'
import { KNOB_SCHEMAS, KnobValue, valueFlaw } from './knobs.ts'

export const API_VERSION = 'v1'
export const DEFAULT_SOCKET_PATH = '/run/uipvs/control.sock'

/** Whatever way it is written in, it is kept in the one that addresses are printed in. */
const address = z
  .string()
  .describe('An IPv4 or IPv6 address')
  .refine((text) => parseAddress(text) !== null, {
    error: (issue) => `'${String(issue.input)}' is not an IPv4 or IPv6 address`,
  })
  .overwrite((text) => parseAddress(text)?.toString() ?? text)
const port = z.int().min(0).max(65_535)
const int31 = z.int().min(0).max(2_147_483_647)
const counter = z.number().min(0)

export const forwardingMethods = ['masquerading', 'gatewaying', 'ipip'] as const

/** 31 days, in seconds: the longest that ipvsadm lets a client be remembered. */
const PERSISTENT_MAX_SECONDS = 2_678_400

/** Which clients are one to persistence: an IPv4 mask as dotted quad, or the bits of an IPv6 prefix. */
const netmask = z.union([z.string(), z.number()]).refine(isNetmask, {
  error: ({ input }) =>
    `'${String(input)}' is neither a mask like 255.255.255.0 nor a prefix length of 1 to 128`,
})

/** What an edit replaces as a whole: whatever is left out returns to its default, as with `ipvsadm -E`. */
export const ServiceSettings = z.strictObject({
  scheduler: z.string().max(15).default('wlc'),
  schedulerFlags: z
    .array(z.enum(['flag-1', 'flag-2', 'flag-3']))
    .overwrite((flags) => [...new Set(flags)].sort())
    .default([]),
  /** How long a client stays with its real server after its last new connection; null: it does not. */
  persistentSeconds: z.int().min(1).max(PERSISTENT_MAX_SECONDS).nullable().default(null),
  /** Null tells every client apart. Counts with persistence only, as does the engine. */
  netmask: netmask.nullable().default(null),
  /** The persistence engine, which tells clients apart by what their packets say too. */
  engine: z.string().min(1).max(15).nullable().default(null),
  /** Every datagram is scheduled by itself; UDP only. */
  onePacket: z.boolean().default(false),
})
export type ServiceSettings = z.infer<typeof ServiceSettings>

const addressIdentity = { protocol: z.enum(['tcp', 'udp', 'sctp']), address, port }
const fwmarkIdentity = {
  fwmark: z.int().min(1).max(0xffff_ffff),
  family: z.enum(['ipv4', 'ipv6']).default('ipv4'),
}

export const ServiceConfig = z.union([
  z.strictObject({ ...addressIdentity, ...ServiceSettings.shape }),
  z.strictObject({ ...fwmarkIdentity, ...ServiceSettings.shape }),
])
export type ServiceConfig = z.infer<typeof ServiceConfig>

/** Which checksums each type of tunnel can have. */
const TUNNEL_CHECKSUMS = {
  ipip: ['none'],
  gue: ['none', 'full', 'remote'],
  gre: ['none', 'full'],
} as const

/** The tunnel that `ipip` leads through; counts with that method only. */
export const TunnelSettings = z
  .strictObject({
    type: z.enum(['ipip', 'gue', 'gre']).default('ipip'),
    /** GUE's UDP port. */
    port: port.default(0),
    /** `remote`: what is left to finish of a packet's own checksum is left to the real server. */
    checksum: z.enum(['none', 'full', 'remote']).default('none'),
  })
  .refine(({ type, checksum }) => (TUNNEL_CHECKSUMS[type] as readonly string[]).includes(checksum), {
    error: ({ input }) => {
      const { type, checksum } = input as { type: keyof typeof TUNNEL_CHECKSUMS; checksum: string }
      return `'${checksum}' is not a checksum of ${type} tunnels, which is one of: ${TUNNEL_CHECKSUMS[type].join(' ')}`
    },
  })
export type TunnelSettings = z.infer<typeof TunnelSettings>

export const DestinationSettings = z.strictObject({
  method: z.enum(forwardingMethods).default('gatewaying'),
  weight: int31.default(1),
  /** Connections at which the server counts as overloaded, and below which no longer; 0 is none. */
  upperThreshold: int31.default(0),
  lowerThreshold: int31.default(0),
  tunnel: TunnelSettings.prefault({}),
})
export type DestinationSettings = z.infer<typeof DestinationSettings>

export const DestinationConfig = z.strictObject({ address, port, ...DestinationSettings.shape })
export type DestinationConfig = z.infer<typeof DestinationConfig>

/** Counters since the last zero. */
export const Counters = z.object({
  connections: counter,
  inPackets: counter,
  outPackets: counter,
  inBytes: counter,
  outBytes: counter,
})
export type Counters = z.infer<typeof Counters>

/** The same five as estimated rates a second, whole numbers; bytes are bytes, not bits. */
export const Rates = z.object({
  connectionsPerSec: counter,
  inPacketsPerSec: counter,
  outPacketsPerSec: counter,
  inBytesPerSec: counter,
  outBytesPerSec: counter,
})
export type Rates = z.infer<typeof Rates>

export const Destination = z.object({
  ...DestinationConfig.shape,
  activeConnections: counter,
  inactiveConnections: counter,
  persistentConnections: counter,
  overloaded: z.boolean(),
  counters: Counters,
  rates: Rates,
})
export type Destination = z.infer<typeof Destination>

const serviceState = {
  id: z.string(),
  /** Newest first, the order in which schedulers look at them. */
  destinations: z.array(Destination),
  counters: Counters,
  rates: Rates,
}
export const Service = z.union([
  z.object({ ...addressIdentity, ...ServiceSettings.shape, ...serviceState }),
  z.object({ ...fwmarkIdentity, ...ServiceSettings.shape, ...serviceState }),
])
export type Service = z.infer<typeof Service>

export const Connection = z.object({
  /** `TCP`, `UDP`, `SCTP`, or `IP` for templates of firewall-mark services. */
  protocol: z.string(),
  /** Endpoints as `10.0.0.1:80` or `[fd00::1]:80`. */
  client: z.string(),
  virtual: z.string(),
  destination: z.string(),
  state: z.string(),
  /** Whole seconds left, rounded down. */
  expiresSeconds: z.number(),
  /** A template made by a persistence engine: the engine, and what it knows the client by. */
  engine: z.string().optional(),
  engineData: z.string().optional(),
})
export type Connection = z.infer<typeof Connection>

/** Seconds; 0 in a request leaves a value as it is. */
export const Timeouts = z.strictObject({ tcp: int31, tcpFin: int31, udp: int31 })
export type Timeouts = z.infer<typeof Timeouts>

/** Every setting of IPVS's that there is, by the kernel's name under `net.ipv4.vs`. */
export const Knobs = z.record(z.string(), KnobValue)
export type Knobs = z.infer<typeof Knobs>

/** Those to change; the others stay as they are. */
export const KnobChanges = Knobs.refine((changes) => changesFlaw(changes) === null, {
  error: ({ input }) => changesFlaw(input as Knobs) ?? undefined,
}).meta({ properties: KNOB_SCHEMAS, additionalProperties: false })
export type KnobChanges = z.infer<typeof KnobChanges>

export const Info = z.object({
  /** The version of uipvs, and the IPVS version whose tools' output it prints. */
  version: z.string(),
  ipvsVersion: z.string(),
  connectionTableSize: z.number(),
  connectionLimit: z.number(),
  connections: z.number(),
  pid: z.number(),
  uptimeSeconds: z.number(),
  totals: Counters,
  /** The whole director's rates. */
  rates: Rates,
  /** What was counted since the start, whatever has been zeroed, as of this moment. */
  counted: Counters,
  /** Protocols whose text announces connections, and the connections that are read for it. */
  applications: z.array(
    z.object({
      name: z.string(),
      transport: z.enum(['tcp', 'udp']),
      port: z.number(),
      connections: z.number(),
    }),
  ),
  /** Packets that were not forwarded, by reason. */
  dropped: z.record(z.string(), z.number()),
  /** Packets that were left to the kernel, by reason. */
  passed: z.record(z.string(), z.number()),
  /** Each kernel queue: messages received, verdicts refused, buffer overruns, messages not understood. */
  queues: z.array(
    z.object({
      number: z.number(),
      received: counter,
      verdictErrors: counter,
      overruns: counter,
      malformed: counter,
    }),
  ),
})
export type Info = z.infer<typeof Info>

/** `code` is stable; `errno` is the kernel's name for the same refusal, by which ipvsadm's texts are chosen. */
export const ErrorBody = z.object({
  error: z.object({
    code: z.string(),
    errno: z.string(),
    message: z.string(),
    /** Where in the request's body the fault is, where it can be said: `['services', 2, 'port']`. */
    path: z.array(z.union([z.string(), z.number()])).optional(),
  }),
})
export type ErrorBody = z.infer<typeof ErrorBody>

function isNetmask(value: string | number): boolean {
  if (typeof value === 'string') return parseAddress(value)?.family === 4
  return Number.isInteger(value) && value >= 1 && value <= 128
}

/** What is wrong with the first faulty change, naming it and what it may be; null when all are in order. */
function changesFlaw(changes: Knobs): string | null {
  for (const [name, value] of Object.entries(changes)) {
    const flaw = valueFlaw(name, value)
    if (flaw !== null) return flaw
  }
  return null
}
