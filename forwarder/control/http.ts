/** The control API over HTTP: requests read within bounds, answered by their rows, and every failure told in one shape. */

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { BODY_LIMIT_BYTES } from '../../control/requests.ts'
import type { ErrorBody } from '../../control/schema.ts'
import type { Administration } from '../administration.ts'
import { readJson } from './body.ts'
import { EventStreams, type StreamLimits } from './event-stream.ts'
import { RequestError } from './request-error.ts'
import { type Answer, answer, routeOf } from './routes.ts'

export interface HttpLimits {
  /** How long a request, head and body, may take to arrive; and how long a client may read nothing of its answer. */
  readonly patienceMs: number
  /** Connections at a time; one more is closed at once. */
  readonly connections: number
  readonly headerBytes: number
  readonly streams: Partial<StreamLimits>
}

const LIMITS: HttpLimits = { patienceMs: 10_000, connections: 64, headerBytes: 16_384, streams: {} }

/** Node looks every half minute for those who are too slow unless told otherwise. */
const TIMEOUT_CHECK_MS = 1_000

/** A server that is not listening yet. */
export function createHttpServer(
  administration: Administration,
  log: Pick<Logger, 'error'>,
  overrides: Partial<HttpLimits> = {},
): Server {
  const limits = { ...LIMITS, ...overrides }
  const streams = new EventStreams(administration.ledger, limits.streams)
  /** By connection: the answer that is due on it. */
  const due = new WeakMap<Duplex, ServerResponse>()
  const server = createServer({
    requestTimeout: limits.patienceMs,
    headersTimeout: limits.patienceMs,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, limits.patienceMs),
    maxHeaderSize: limits.headerBytes,
  })
  server.maxConnections = limits.connections
  server.on('request', (request, response) => {
    due.set(request.socket, response)
    respond(request, response, { administration, streams, patienceMs: limits.patienceMs }).catch(
      (error: Error) => {
        // A client that went away, or was cut, while it was being read: nobody is there to be told.
        if (response.destroyed || response.writableEnded) return
        log.error({ err: error, method: request.method, url: request.url }, 'a control request failed')
        sendError(response, new RequestError('internal', error.message))
      },
    )
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (socket.writable && due.get(socket)?.headersSent !== true) socket.write(rawAnswer(flawOf(error)))
    socket.destroy()
  })
  return server
}

interface World {
  readonly administration: Administration
  readonly streams: EventStreams
  readonly patienceMs: number
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { administration, streams, patienceMs }: World,
): Promise<void> {
  try {
    const route = routeOf(request.method ?? 'GET', request.url ?? '/')
    const body = await readJson(request, route.row.bodyLimitBytes ?? BODY_LIMIT_BYTES)
    if (route.row.stream !== undefined) {
      streams.open(response)
      return
    }
    send(response, await answer(route, { body, ifMatch: request.headers['if-match'] }, administration))
  } catch (error) {
    if (!(error instanceof RequestError)) throw error
    sendError(response, error)
  }
  // From here on it is for the client to read.
  request.socket.setTimeout(patienceMs)
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  if (body === undefined) {
    response.writeHead(status, headers).end()
    return
  }
  const text = `${JSON.stringify(body)}\n`
  const ofBody = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  response.writeHead(status, { ...headers, ...ofBody }).end(text)
}

function sendError(response: ServerResponse, error: RequestError): void {
  if (response.headersSent) return
  // What follows on the connection may be the rest of a body that nobody wants.
  if (!response.req.complete) response.shouldKeepAlive = false
  send(response, { status: error.status, headers: {}, body: errorBody(error) })
}

const errorBody = ({ code, errno, message, path }: RequestError): ErrorBody => ({
  error: { code, errno, message, ...(path === undefined ? {} : { path: [...path] }) },
})

/** What Node's parser found wrong with what a client sent. */
function flawOf({ code, message }: NodeJS.ErrnoException): RequestError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new RequestError('too-slow', 'the request did not arrive in time')
    case 'HPE_HEADER_OVERFLOW':
      return new RequestError('headers-too-large', 'the headers are longer than is allowed')
    default:
      return new RequestError('malformed-request', `this is not HTTP/1.1: ${message}`)
  }
}

/** An answer to what never became a request. */
function rawAnswer(error: RequestError): string {
  const body = `${JSON.stringify(errorBody(error))}\n`
  return [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
