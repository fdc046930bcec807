/** What the programs of the command line have of their process: its streams, and the daemon's socket. */

import { basename } from 'node:path'
import { ControlClient, DEFAULT_SOCKET_PATH } from '../control/index.ts'

/** The socket is `UIPVS_SOCKET`'s, or the default; `program` is the name that was called. */
export function processIo() {
  endWithReader()
  const { stdin, stdout, stderr } = process
  const { UIPVS_SOCKET } = process.env
  const client = new ControlClient(UIPVS_SOCKET || DEFAULT_SOCKET_PATH)
  return { stdin, stdout, stderr, client, program: basename(process.argv[1] ?? '') }
}

/** A reader that has seen enough, as `head` has, closes the pipe: that is no failure of ours. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}
