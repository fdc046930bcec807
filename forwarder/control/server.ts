/** The control socket: HTTP with JSON on a Unix socket that only root can open. */

import { chmodSync, existsSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import type { Logger } from 'pino'
import type { Administration } from '../administration.ts'
import { UsageError } from '../config.ts'
import { createHttpServer } from './http.ts'

/** Listens at a path whose directory is there; throws {@link UsageError} when another daemon does already or the path cannot be used. */
export async function listen(path: string, administration: Administration, log: Logger): Promise<Server> {
  await clearStale(path)
  const server = createHttpServer(administration, log)
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
