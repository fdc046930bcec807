/** One daemon a control socket. */

import { ControlClient } from '../../control/client.ts'
import { NotRunningError } from '../../control/control.ts'
import { UsageError } from '../config.ts'

/**
 * Throws {@link UsageError}, naming the process, where a daemon answers at the socket. Its journal tells sooner, but may
 * have been deleted. A socket that nobody listens to any more is no daemon.
 */
export async function refuseSecond(socketPath: string): Promise<void> {
  let pid: number
  try {
    pid = (await new ControlClient(socketPath).info()).pid
  } catch (error) {
    if (error instanceof NotRunningError) return
    throw new UsageError(`the control socket ${socketPath} is in use: ${(error as Error).message}`, {
      cause: error,
    })
  }
  throw new UsageError(`uipvs is running already, as process ${pid} (it answers at ${socketPath})`)
}
