/** The service manager that started the daemon, if one did: what it is told, and how often it wants to hear that all is well. */

import { UsageError } from '../config.ts'
import type { DataplaneHost } from '../dataplane/host.ts'
import { loadSeam } from '../native/seam.ts'
import { type Notifier, openNotifier, SILENT, watchdogPeriodMs } from './notify.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface ServiceManager {
  readonly notifier: Notifier
  /** Null where nobody waits for it. */
  readonly watchdogMs: number | null
}

/** As the environment says, see sd_notify(3); throws {@link UsageError} where that is not in order. */
export function openServiceManager(
  environment: Environment,
  warn: (message: string) => void,
): ServiceManager {
  const socket = environment['NOTIFY_SOCKET']
  if (socket === undefined || socket === '') return { notifier: SILENT, watchdogMs: null }
  try {
    return {
      notifier: openNotifier({ socket, seam: loadSeam(), warn }),
      watchdogMs: watchdogPeriodMs(environment, process.pid),
    }
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

/** Says again and again that all is well, for as long as the data path answers; returns how to end that. */
export function feedWatchdog(
  { notifier, watchdogMs }: ServiceManager,
  dataplane: Pick<DataplaneHost, 'ask'>,
): () => void {
  if (watchdogMs === null) return () => {}
  const feeding = setInterval(() => {
    // Where it has died, whoever waits for that knows better what to do.
    dataplane.ask({ kind: 'timeouts' }).then(
      () => notifier.alive(),
      () => {},
    )
  }, watchdogMs)
  return () => clearInterval(feeding)
}
