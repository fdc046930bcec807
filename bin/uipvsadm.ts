#!/usr/bin/env node
/** uipvsadm: ipvsadm's command line for a running uipvs. The socket is UIPVS_SOCKET's, or the default. */

import { uipvsadm } from '../cli/run.ts'
import { ControlClient, DEFAULT_SOCKET_PATH } from '../control/index.ts'

// A reader that has seen enough, as `head` has, closes the pipe: that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const { argv, stdin, stdout, stderr } = process
const { UIPVS_SOCKET } = process.env
const client = new ControlClient(UIPVS_SOCKET || DEFAULT_SOCKET_PATH)
// Not process.exit: what was written may still be on its way.
process.exitCode = await uipvsadm(argv.slice(2), { stdin, stdout, stderr, client })
