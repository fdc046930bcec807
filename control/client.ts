/** The control socket's other end: every request of the table, every reply validated before it is believed. */

import * as z from 'zod'
import { type DestinationKey, formatEndpoint, formatServiceKey, type ServiceKey } from '../lib/service/key.ts'
import { ChangeEvent, type Replacement, type WantedConfiguration } from './configuration.ts'
import { ApiError, type ConfigurationControl, type Control, type RevisedConfiguration } from './control.ts'
import { eventsOf } from './events.ts'
import {
  type AnswerOf,
  BODY_LIMIT_BYTES,
  type BodyInputOf,
  REQUESTS,
  type RequestName,
  type RequestRow,
} from './requests.ts'
import {
  type Connection,
  DEFAULT_SOCKET_PATH,
  type Destination,
  type DestinationConfig,
  type DestinationSettings,
  ErrorBody,
  type Info,
  type KnobChanges,
  type Knobs,
  type Service,
  type ServiceConfig,
  type ServiceSettings,
  type Timeouts,
} from './schema.ts'
import { type Outgoing, type Reply, Transport } from './transport.ts'

/** What a request is about: the service and real server in its path, its body, the revision it is made for. */
export interface About<N extends RequestName> {
  readonly service?: ServiceKey
  readonly endpoint?: DestinationKey
  readonly body?: BodyInputOf<N>
  readonly ifRevision?: string
}

/** A client of the daemon whose control socket is at `socketPath`. Holds no connection between requests. */
export class ControlClient implements Control, ConfigurationControl {
  readonly socketPath: string
  readonly #transport: Transport

  constructor(socketPath: string = DEFAULT_SOCKET_PATH) {
    this.socketPath = socketPath
    this.#transport = new Transport(socketPath)
  }

  async services(): Promise<Service[]> {
    return (await this.ask('services')).services
  }

  service(service: ServiceKey): Promise<Service> {
    return this.ask('service', { service })
  }

  addService(body: z.input<typeof ServiceConfig>): Promise<Service> {
    return this.ask('addService', { body })
  }

  editService(service: ServiceKey, body: z.input<typeof ServiceSettings>): Promise<Service> {
    return this.ask('editService', { service, body })
  }

  deleteService(service: ServiceKey): Promise<void> {
    return this.ask('deleteService', { service })
  }

  flush(): Promise<void> {
    return this.ask('flush')
  }

  zeroService(service: ServiceKey): Promise<void> {
    return this.ask('zeroService', { service })
  }

  addDestination(service: ServiceKey, body: z.input<typeof DestinationConfig>): Promise<Destination> {
    return this.ask('addDestination', { service, body })
  }

  editDestination(
    service: ServiceKey,
    endpoint: DestinationKey,
    body: z.input<typeof DestinationSettings>,
  ): Promise<Destination> {
    return this.ask('editDestination', { service, endpoint, body })
  }

  deleteDestination(service: ServiceKey, endpoint: DestinationKey): Promise<void> {
    return this.ask('deleteDestination', { service, endpoint })
  }

  zeroAll(): Promise<void> {
    return this.ask('zeroAll')
  }

  async connections(): Promise<Connection[]> {
    return (await this.ask('connections')).connections
  }

  timeouts(): Promise<Timeouts> {
    return this.ask('timeouts')
  }

  setTimeouts(body: Timeouts): Promise<Timeouts> {
    return this.ask('setTimeouts', { body })
  }

  knobs(): Promise<Knobs> {
    return this.ask('knobs')
  }

  setKnobs(body: KnobChanges): Promise<Knobs> {
    return this.ask('setKnobs', { body })
  }

  async configuration(): Promise<RevisedConfiguration> {
    const [configuration, etag] = await this.#revised('configuration', {})
    return { revision: revisionOf(etag), configuration }
  }

  replaceConfiguration(body: z.input<typeof WantedConfiguration>, ifRevision: string): Promise<Replacement> {
    return this.ask('replaceConfiguration', { body, ifRevision })
  }

  async *events(): AsyncGenerator<ChangeEvent> {
    const outgoing = { method: 'GET', path: REQUESTS.events.path }
    const incoming = await this.#transport.open(outgoing)
    if (incoming.statusCode !== 200) {
      const body = await this.#transport.textOf(incoming)
      throw this.#failure(outgoing, { status: incoming.statusCode ?? 0, etag: undefined, body })
    }
    try {
      for await (const data of eventsOf(incoming)) {
        const event = ChangeEvent.safeParse(jsonOf(data))
        if (!event.success) throw new Error(`an event that is none: ${data.slice(0, 80)}`)
        yield event.data
      }
    } catch (error) {
      throw this.#transport.asNotRunning(error as Error)
    } finally {
      incoming.destroy()
    }
  }

  info(): Promise<Info> {
    return this.ask('info')
  }

  /** Any request of the table, by its name. */
  async ask<N extends RequestName>(name: N, about: About<N> = {}): Promise<AnswerOf<N>> {
    return (await this.#revised(name, about))[0]
  }

  /** The answer, and its ETag where it has one. */
  async #revised<N extends RequestName>(
    name: N,
    about: About<N>,
  ): Promise<[answer: AnswerOf<N>, etag: string | undefined]> {
    const row: RequestRow = REQUESTS[name]
    const outgoing = outgoingOf(row, about)
    const reply = await this.#transport.exchange(outgoing)
    if (reply.status < 200 || reply.status >= 300) throw this.#failure(outgoing, reply)
    if (row.answer === undefined) return [undefined as AnswerOf<N>, reply.etag]
    const parsed = row.answer.safeParse(jsonOf(reply.body))
    if (!parsed.success) throw this.#unintelligible(outgoing, reply, z.prettifyError(parsed.error))
    return [parsed.data as AnswerOf<N>, reply.etag]
  }

  /** The error that a reply carries. */
  #failure(outgoing: Outgoing, reply: Reply): Error {
    const refusal = ErrorBody.safeParse(jsonOf(reply.body))
    if (refusal.success) return new ApiError(reply.status, refusal.data.error)
    return this.#unintelligible(outgoing, reply, 'not an error of this API')
  }

  #unintelligible({ method, path }: Outgoing, { status, body }: Reply, flaw: string): Error {
    const start = body.length > 80 ? `${body.slice(0, 80)}…` : body
    return new Error(
      `Control socket ${this.socketPath}: ${method} ${path} was answered with ${status} '${start}': ${flaw}`,
    )
  }
}

function outgoingOf(
  { method, path, bodyLimitBytes = BODY_LIMIT_BYTES }: RequestRow,
  { service, endpoint, body, ifRevision }: About<RequestName>,
): Outgoing {
  const content = body === undefined ? undefined : JSON.stringify(body)
  if (content !== undefined && Buffer.byteLength(content) > bodyLimitBytes)
    throw new Error(`${method} ${path} takes a body of at most ${bodyLimitBytes} bytes`)
  const inPath: Readonly<Record<string, string | undefined>> = {
    service: service && formatServiceKey(service),
    endpoint: endpoint && formatEndpoint(endpoint),
  }
  return {
    method,
    path: path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(inPath[name] ?? '')),
    headers: ifRevision === undefined ? {} : { 'if-match': ifRevision === '*' ? '*' : `"${ifRevision}"` },
    content,
  }
}

const revisionOf = (etag: string | undefined): string => /^"(.*)"$/.exec(etag ?? '')?.[1] ?? ''

/** The value of a JSON text, or undefined, which no shape of the API accepts. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
