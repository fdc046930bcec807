/**
 * Every request of the control API, one row each. The server's validation and dispatch, the client and the OpenAPI
 * document are made from this table.
 *
 * `{service}` is `tcp:10.0.0.1:80`, `udp:[fd00::1]:53`, `fwmark:5` or `fwmark:5:ipv6`; `{endpoint}` is `192.168.1.1:80`
 * or `[fd01::1]:80`; both percent-encoded where a client insists.
 */

import * as z from 'zod'
import { ChangeEvent, Configuration, Replacement, WantedConfiguration } from './configuration.ts'
import type { ErrorCode } from './errors.ts'
import { LogSettings, Reload, Report } from './life.ts'
import {
  Connection,
  Destination,
  DestinationConfig,
  DestinationSettings,
  Info,
  KnobChanges,
  Knobs,
  Service,
  ServiceConfig,
  ServiceSettings,
  Timeouts,
} from './schema.ts'

export interface RequestRow {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  /** What it does or answers with, as a sentence. */
  readonly summary: string
  /** The JSON that must come with it; without it, a body is ignored. */
  readonly body?: z.ZodType
  /** How long that may be; {@link BODY_LIMIT_BYTES} unless said. */
  readonly bodyLimitBytes?: number
  /** The JSON of the answer; without it, and without `stream`, the answer is 204 and has no body. */
  readonly answer?: z.ZodType
  /** The answer is a stream of server-sent events, which ends when either side hangs up; the data of each. */
  readonly stream?: z.ZodType
  /** Its answer is what has been created by it: 201 rather than 200. */
  readonly creates?: true
  /** The answer's ETag is the configuration's revision. */
  readonly revised?: true
  /** It must say by `If-Match` which revision it was made for; `*` is any. */
  readonly conditional?: true
  /** Errors it can be answered with, beyond those that every request can. */
  readonly refusals: readonly ErrorCode[]
}

/** How long a request's body may be, where its row says nothing else: every object by itself is far below. */
export const BODY_LIMIT_BYTES = 1024 * 1024

/** Room for a configuration of a hundred thousand real servers. */
const CONFIGURATION_LIMIT_BYTES = 16 * 1024 * 1024

const SERVICE_FLAWS = ['scheduler-not-found', 'engine-not-found', 'invalid-value'] as const
const SERVER_FLAWS = ['invalid-value', 'out-of-range', 'not-supported'] as const

export const REQUESTS = {
  services: {
    method: 'GET',
    path: '/v1/services',
    summary: 'Every service, with its real servers, counters and rates.',
    answer: z.object({ services: z.array(Service) }),
    refusals: [],
  },
  addService: {
    method: 'POST',
    path: '/v1/services',
    summary: 'Adds a service without real servers.',
    body: ServiceConfig,
    answer: Service,
    creates: true,
    refusals: ['service-exists', ...SERVICE_FLAWS, 'table-full', 'host'],
  },
  flush: {
    method: 'DELETE',
    path: '/v1/services',
    summary: 'Removes every service.',
    refusals: ['host'],
  },
  service: {
    method: 'GET',
    path: '/v1/services/{service}',
    summary: 'One service.',
    answer: Service,
    refusals: ['no-such-service'],
  },
  editService: {
    method: 'PUT',
    path: '/v1/services/{service}',
    summary: 'Replaces the settings of a service; what is left out returns to its default.',
    body: ServiceSettings,
    answer: Service,
    refusals: ['no-such-service', ...SERVICE_FLAWS, 'host'],
  },
  deleteService: {
    method: 'DELETE',
    path: '/v1/services/{service}',
    summary:
      'Removes a service with its real servers. Their connections are kept for a while, should they come back.',
    refusals: ['no-such-service', 'host'],
  },
  zeroService: {
    method: 'POST',
    path: '/v1/services/{service}/zero',
    summary: 'Zeroes the counters of a service and its real servers.',
    refusals: ['no-such-service'],
  },
  addDestination: {
    method: 'POST',
    path: '/v1/services/{service}/destinations',
    summary: 'Adds a real server to a service.',
    body: DestinationConfig,
    answer: Destination,
    creates: true,
    refusals: ['no-such-service', 'destination-exists', ...SERVER_FLAWS, 'table-full', 'host'],
  },
  editDestination: {
    method: 'PUT',
    path: '/v1/services/{service}/destinations/{endpoint}',
    summary: 'Replaces the settings of a real server; what is left out returns to its default.',
    body: DestinationSettings,
    answer: Destination,
    refusals: ['no-such-service', 'no-such-destination', ...SERVER_FLAWS, 'host'],
  },
  deleteDestination: {
    method: 'DELETE',
    path: '/v1/services/{service}/destinations/{endpoint}',
    summary: 'Removes a real server. Its connections are kept for a while, should it come back.',
    refusals: ['no-such-service', 'no-such-destination', 'host'],
  },
  zeroAll: {
    method: 'POST',
    path: '/v1/zero',
    summary: 'Zeroes the counters of every service and the totals.',
    refusals: [],
  },
  connections: {
    method: 'GET',
    path: '/v1/connections',
    summary: 'Every connection and persistence template.',
    answer: z.object({ connections: z.array(Connection) }),
    refusals: [],
  },
  timeouts: {
    method: 'GET',
    path: '/v1/timeouts',
    summary: 'The timeouts that --set changes, in seconds.',
    answer: Timeouts,
    refusals: [],
  },
  setTimeouts: {
    method: 'PUT',
    path: '/v1/timeouts',
    summary: 'Sets timeouts, 0 leaving one as it is; the answer is what is now in force.',
    body: Timeouts,
    answer: Timeouts,
    refusals: ['invalid-value'],
  },
  knobs: {
    method: 'GET',
    path: '/v1/knobs',
    summary: 'Every setting that the kernel has under net.ipv4.vs.',
    answer: Knobs,
    refusals: [],
  },
  setKnobs: {
    method: 'PUT',
    path: '/v1/knobs',
    summary: 'Changes some knobs, all of them or none; the answer is every knob.',
    body: KnobChanges,
    answer: Knobs,
    refusals: ['invalid-value'],
  },
  configuration: {
    method: 'GET',
    path: '/v1/config',
    summary: 'The whole configuration; its revision is the ETag.',
    answer: Configuration,
    revised: true,
    refusals: [],
  },
  replaceConfiguration: {
    method: 'PUT',
    path: '/v1/config',
    summary:
      'Makes the whole configuration what is wanted, by the smallest difference, all of it or nothing. Connections stay.',
    body: WantedConfiguration,
    bodyLimitBytes: CONFIGURATION_LIMIT_BYTES,
    answer: Replacement,
    revised: true,
    conditional: true,
    refusals: [
      'service-exists',
      'destination-exists',
      ...SERVICE_FLAWS,
      ...SERVER_FLAWS,
      'table-full',
      'host',
    ],
  },
  events: {
    method: 'GET',
    path: '/v1/events',
    summary:
      'Every change of the configuration from now on, however made. The first event says which revision is in force; one who reads too slowly is told so by a last event, and cut.',
    stream: ChangeEvent,
    refusals: ['too-many-listeners'],
  },
  reload: {
    method: 'POST',
    path: '/v1/reload',
    summary:
      'Reads the configuration file again and brings everything to what it says, by the smallest difference, all of it or nothing. Connections stay. SIGHUP does the same.',
    answer: Reload,
    refusals: [
      'service-exists',
      'destination-exists',
      ...SERVICE_FLAWS,
      ...SERVER_FLAWS,
      'table-full',
      'host',
    ],
  },
  logSettings: {
    method: 'GET',
    path: '/v1/log',
    summary: 'What is logged.',
    answer: LogSettings,
    refusals: [],
  },
  setLogSettings: {
    method: 'PUT',
    path: '/v1/log',
    summary: 'Changes what is logged, until the next start or reload.',
    body: LogSettings,
    answer: LogSettings,
    refusals: ['invalid-value'],
  },
  report: {
    method: 'GET',
    path: '/v1/report',
    summary: 'Which way the packets of each service take, and why.',
    answer: Report,
    refusals: [],
  },
  info: {
    method: 'GET',
    path: '/v1/info',
    summary: 'The daemon: its versions, limits, totals, and what it dropped.',
    answer: Info,
    refusals: [],
  },
  document: {
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document.',
    answer: z.looseObject({ openapi: z.string() }),
    refusals: [],
  },
} as const satisfies Record<string, RequestRow>

export type RequestName = keyof typeof REQUESTS
type Row<N extends RequestName> = (typeof REQUESTS)[N]

/** The body as it is after validation, defaults filled in. */
export type BodyOf<N extends RequestName> =
  Row<N> extends { body: infer S extends z.ZodType } ? z.output<S> : undefined

/** The body as a client may write it. */
export type BodyInputOf<N extends RequestName> =
  Row<N> extends { body: infer S extends z.ZodType } ? z.input<S> : undefined

/** The answer's JSON; undefined where it has none. */
export type AnswerOf<N extends RequestName> =
  Row<N> extends { answer: infer S extends z.ZodType } ? z.output<S> : undefined

/** The status of an answer that is no error. */
export function statusOf({ answer, stream, creates }: RequestRow): 200 | 201 | 204 {
  if (answer === undefined && stream === undefined) return 204
  return creates ? 201 : 200
}

/** What a request may be refused with on top of its own: what is wrong with the request itself. */
export function errorsOf(row: RequestRow): readonly ErrorCode[] {
  const ofBody = ['not-json', 'body-too-large', 'invalid-value'] as const
  const ofRevision = ['revision-required', 'stale-revision'] as const
  const codes: ErrorCode[] = [
    'malformed-request',
    'too-slow',
    'headers-too-large',
    'internal',
    ...(row.body === undefined ? [] : ofBody),
    ...(row.conditional === undefined ? [] : ofRevision),
    ...row.refusals,
  ]
  return [...new Set(codes)]
}
