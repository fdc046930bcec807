/** The control socket's other end: HTTP over a Unix socket, every reply validated before it is believed. */

import { request as httpRequest } from 'node:http'
import * as z from 'zod'
import { type DestinationKey, formatEndpoint, formatServiceKey, type ServiceKey } from '../lib/service/key.ts'
import { ApiError, type Control, NotRunningError } from './control.ts'
import {
  API_VERSION,
  Connection,
  DEFAULT_SOCKET_PATH,
  Destination,
  type DestinationConfig,
  type DestinationSettings,
  ErrorBody,
  Info,
  type KnobChanges,
  Knobs,
  Service,
  type ServiceConfig,
  type ServiceSettings,
  Timeouts,
} from './schema.ts'

/** Longest wait for the daemon to say anything more. */
const SILENCE_LIMIT_MS = 30_000

/** Room for a million connections, and far below the longest string that Node can hold. */
const REPLY_LIMIT_BYTES = 256 * 1024 * 1024

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

interface Reply {
  readonly status: number
  readonly body: string
}

const Services = z.object({ services: z.array(Service) })
const Connections = z.object({ connections: z.array(Connection) })

const servicePath = (key: ServiceKey): string => `services/${encodeURIComponent(formatServiceKey(key))}`
const destinationPath = (key: ServiceKey, endpoint: DestinationKey): string =>
  `${servicePath(key)}/destinations/${encodeURIComponent(formatEndpoint(endpoint))}`

/** A client of the daemon whose control socket is at `socketPath`. Holds no connection between requests. */
export class ControlClient implements Control {
  readonly socketPath: string

  constructor(socketPath: string = DEFAULT_SOCKET_PATH) {
    this.socketPath = socketPath
  }

  async services(): Promise<Service[]> {
    return (await this.#ask('GET', 'services', Services)).services
  }

  service(key: ServiceKey): Promise<Service> {
    return this.#ask('GET', servicePath(key), Service)
  }

  addService(config: z.input<typeof ServiceConfig>): Promise<Service> {
    return this.#ask('POST', 'services', Service, config)
  }

  editService(key: ServiceKey, settings: z.input<typeof ServiceSettings>): Promise<Service> {
    return this.#ask('PUT', servicePath(key), Service, settings)
  }

  deleteService(key: ServiceKey): Promise<void> {
    return this.#tell('DELETE', servicePath(key))
  }

  flush(): Promise<void> {
    return this.#tell('DELETE', 'services')
  }

  zeroService(key: ServiceKey): Promise<void> {
    return this.#tell('POST', `${servicePath(key)}/zero`)
  }

  addDestination(key: ServiceKey, config: z.input<typeof DestinationConfig>): Promise<Destination> {
    return this.#ask('POST', `${servicePath(key)}/destinations`, Destination, config)
  }

  editDestination(
    key: ServiceKey,
    endpoint: DestinationKey,
    settings: z.input<typeof DestinationSettings>,
  ): Promise<Destination> {
    return this.#ask('PUT', destinationPath(key, endpoint), Destination, settings)
  }

  deleteDestination(key: ServiceKey, endpoint: DestinationKey): Promise<void> {
    return this.#tell('DELETE', destinationPath(key, endpoint))
  }

  zeroAll(): Promise<void> {
    return this.#tell('POST', 'zero')
  }

  async connections(): Promise<Connection[]> {
    return (await this.#ask('GET', 'connections', Connections)).connections
  }

  timeouts(): Promise<Timeouts> {
    return this.#ask('GET', 'timeouts', Timeouts)
  }

  setTimeouts(timeouts: Timeouts): Promise<Timeouts> {
    return this.#ask('PUT', 'timeouts', Timeouts, timeouts)
  }

  knobs(): Promise<Knobs> {
    return this.#ask('GET', 'knobs', Knobs)
  }

  setKnobs(changes: KnobChanges): Promise<Knobs> {
    return this.#ask('PUT', 'knobs', Knobs, changes)
  }

  info(): Promise<Info> {
    return this.#ask('GET', 'info', Info)
  }

  async #ask<T>(method: Method, path: string, shape: z.ZodType<T>, body?: unknown): Promise<T> {
    const reply = await this.#exchange(method, path, body)
    const parsed = shape.safeParse(jsonOf(reply.body))
    if (parsed.success) return parsed.data
    throw this.#unintelligible(method, path, reply, z.prettifyError(parsed.error))
  }

  async #tell(method: Method, path: string): Promise<void> {
    await this.#exchange(method, path)
  }

  /** One request and its reply; every status other than 2xx is thrown as the error that it carries. */
  async #exchange(method: Method, path: string, body?: unknown): Promise<Reply> {
    const reply = await this.#send(method, path, body)
    if (reply.status >= 200 && reply.status < 300) return reply
    const refusal = ErrorBody.safeParse(jsonOf(reply.body))
    if (refusal.success) throw new ApiError(reply.status, refusal.data.error)
    throw this.#unintelligible(method, path, reply, 'not an error of this API')
  }

  #send(method: Method, path: string, body: unknown): Promise<Reply> {
    const content = body === undefined ? '' : JSON.stringify(body)
    const options = {
      socketPath: this.socketPath,
      method,
      path: `/${API_VERSION}/${path}`,
      // No agent: one connection a request, closed after it, so that a short-lived tool ends when it is done.
      agent: false,
      timeout: SILENCE_LIMIT_MS,
      headers:
        body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) },
    } as const
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(this.#asNotRunning(error))
      const outgoing = httpRequest(options, (incoming) => {
        const chunks: Buffer[] = []
        let receivedBytes = 0
        incoming.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          receivedBytes += chunk.length
          if (receivedBytes > REPLY_LIMIT_BYTES)
            outgoing.destroy(new Error(`the reply has more than ${REPLY_LIMIT_BYTES} bytes`))
        })
        incoming.on('error', fail)
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        )
      })
      outgoing.on('error', fail)
      outgoing.on('timeout', () =>
        outgoing.destroy(new Error(`no answer for ${SILENCE_LIMIT_MS / 1000} seconds`)),
      )
      outgoing.end(content)
    })
  }

  /** A connection that could not be made is a daemon that is not there; anything else is a failure of its own. */
  #asNotRunning(cause: NodeJS.ErrnoException): Error {
    const running = "Are you sure that 'uipvs run' is running?"
    switch (cause.code) {
      case 'ENOENT':
        return new NotRunningError(`There is no control socket ${this.socketPath}`, running, { cause })
      case 'ECONNREFUSED':
        return new NotRunningError(`Nobody answers at ${this.socketPath}`, running, { cause })
      case 'EACCES':
      case 'EPERM':
        return new NotRunningError(
          `Permission denied (you must be root): ${this.socketPath}`,
          'Are you sure that you may write to this socket?',
          { cause },
        )
      default:
        return new Error(`Control socket ${this.socketPath}: ${cause.message}`, { cause })
    }
  }

  #unintelligible(method: Method, path: string, { status, body }: Reply, flaw: string): Error {
    const start = body.length > 80 ? `${body.slice(0, 80)}…` : body
    return new Error(
      `Control socket ${this.socketPath}: ${method} /${API_VERSION}/${path} was answered with ${status} '${start}': ${flaw}`,
    )
  }
}

/** The value of a JSON text, or undefined, which no shape of the API accepts. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
