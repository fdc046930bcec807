/** HTTP over the control socket: one connection a request, closed after it. */

import { request as httpRequest, type IncomingMessage } from 'node:http'
import { NotRunningError } from './control.ts'

/** Longest wait for the daemon to say anything more. */
const SILENCE_LIMIT_MS = 30_000

/** Room for a million connections, and far below the longest string that Node can hold. */
const REPLY_LIMIT_BYTES = 256 * 1024 * 1024

export interface Outgoing {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** JSON text. */
  readonly content?: string | undefined
}

export interface Reply {
  readonly status: number
  readonly etag: string | undefined
  readonly body: string
}

export class Transport {
  readonly socketPath: string

  constructor(socketPath: string) {
    this.socketPath = socketPath
  }

  /** The whole reply. Rejects with {@link NotRunningError} when nobody is there to give it. */
  async exchange(outgoing: Outgoing): Promise<Reply> {
    const incoming = await this.open(outgoing)
    return {
      status: incoming.statusCode ?? 0,
      etag: incoming.headers.etag,
      body: await this.textOf(incoming),
    }
  }

  /** The reply's head, its body still to be read; destroying it ends the connection. */
  open({ method, path, headers = {}, content }: Outgoing): Promise<IncomingMessage> {
    const ofContent =
      content === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }
    return new Promise((resolve, reject) => {
      const options = {
        socketPath: this.socketPath,
        method,
        path,
        // No agent, so that a short-lived tool ends when it is done.
        agent: false,
        timeout: SILENCE_LIMIT_MS,
        headers: { ...headers, ...ofContent },
      } as const
      const outgoing = httpRequest(options, resolve)
      outgoing.on('error', (error) => reject(this.asNotRunning(error)))
      outgoing.on('timeout', () =>
        outgoing.destroy(new Error(`no answer for ${SILENCE_LIMIT_MS / 1000} seconds`)),
      )
      outgoing.end(content)
    })
  }

  async textOf(incoming: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = []
    let receivedBytes = 0
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        chunks.push(chunk)
        receivedBytes += chunk.length
        if (receivedBytes > REPLY_LIMIT_BYTES)
          throw new Error(`the reply has more than ${REPLY_LIMIT_BYTES} bytes`)
      }
    } catch (error) {
      throw this.asNotRunning(error as Error)
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  /** A connection that could not be made is a daemon that is not there; anything else is a failure of its own. */
  asNotRunning(cause: NodeJS.ErrnoException): Error {
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
      case 'ECONNRESET':
        return new Error(`Control socket ${this.socketPath}: the daemon hung up`, { cause })
      default:
        return new Error(`Control socket ${this.socketPath}: ${cause.message}`, { cause })
    }
  }
}
