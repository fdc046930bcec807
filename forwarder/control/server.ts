/** The control socket: HTTP with JSON on a Unix socket that only root can open. */

import { chmodSync, existsSync, unlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Logger } from 'pino'
import type { ErrorBody } from '../../control/schema.ts'
import type { Administration } from '../administration.ts'
import { UsageError } from '../config.ts'
import { HttpError, route } from './routes.ts'

/** A request's body may be this long; every configuration of one object is far below. */
const BODY_LIMIT_BYTES = 1024 * 1024
const REQUEST_TIMEOUT_MS = 10_000
/** Node looks every half minute unless told otherwise. */
const TIMEOUT_CHECK_MS = 1_000
const CONNECTIONS_MAX = 64

/** Listens at a path whose directory is there; throws {@link UsageError} when another daemon does already or the path cannot be used. */
export async function listen(path: string, administration: Administration, log: Logger): Promise<Server> {
  await clearStale(path)
  const server = createServer({
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  })
  server.maxConnections = CONNECTIONS_MAX
  server.on('request', (request, response) => {
    respond(request, response, administration).catch((error: Error) => {
      log.error({ err: error, method: request.method, url: request.url }, 'a control request failed')
      send(response, 500, errorBody('internal', 'EIO', error.message))
    })
  })
  // Nobody but root may connect, not even between listen and chmod.
  const umask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
  } catch (error) {
    throw new UsageError(`cannot listen on the control socket ${path}: ${(error as Error).message}`, {
      cause: error,
    })
  } finally {
    process.umask(umask)
  }
  return server
}

/** Removes a socket that nobody answers any more. */
async function clearStale(path: string): Promise<void> {
  if (!existsSync(path)) return
  const isAlive = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
  if (isAlive)
    throw new UsageError(`a uipvs daemon is running on ${path} already; stop it, or choose another --socket`)
  unlinkSync(path)
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  administration: Administration,
): Promise<void> {
  try {
    const body = await readJson(request)
    const { status, body: answer } = await route(
      request.method ?? 'GET',
      request.url ?? '/',
      body,
      administration,
    )
    send(response, status, answer)
  } catch (error) {
    if (!(error instanceof HttpError)) throw error
    if (error.status === 413) response.setHeader('connection', 'close')
    send(response, error.status, errorBody(error.code, error.errno, error.message))
  }
}

const errorBody = (code: string, errno: string, message: string): ErrorBody => ({
  error: { code, errno, message },
})

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return
  response.statusCode = status
  if (body === undefined) {
    response.end()
    return
  }
  response.setHeader('content-type', 'application/json')
  response.end(`${JSON.stringify(body)}\n`)
}

/** The body as JSON; `undefined` where there is none. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_LIMIT_BYTES) {
      throw new HttpError(
        413,
        'body-too-large',
        'EMSGSIZE',
        `the body is longer than ${BODY_LIMIT_BYTES} bytes`,
      )
    }
    chunks.push(chunk)
  }
  if (length === 0) return undefined
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } catch (error) {
    throw new HttpError(400, 'not-json', 'EINVAL', `the body is not JSON: ${(error as Error).message}`)
  }
}
