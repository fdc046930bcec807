/** The daemon's handle on its data path, wherever that runs. */

import { isRefusal, type Refusal } from '../../lib/service/refusal.ts'
import { startInline } from './inline-host.ts'
import type { AnswerTo, DataplaneSettings, Request } from './messages.ts'
import { startThread } from './thread-host.ts'

export interface DataplaneHost {
  /** Resolves to the answer or a refusal; rejects when the data path has ended. */
  ask<R extends Request>(request: R): Promise<AnswerTo<R['kind']> | Refusal>
  /** Ends the data path: queues closed, nothing sent any more. */
  stop(): Promise<void>
  /** Resolves never while all is well; rejects with the reason when the data path dies by itself. */
  readonly failed: Promise<never>
}

/**
 * A thread of its own, unless a chosen driver is an addon that only works on the main thread (the npm packages
 * `nfqueue` and `cap`): then the data path shares the daemon's event loop. `tell` is given what the kernel would write to
 * its log about schedulers.
 */
export const startDataplane = (
  settings: DataplaneSettings,
  tell: (notice: string) => void,
): Promise<DataplaneHost> =>
  settings.queueDriver === 'nfqueue' || settings.egressDriver === 'cap'
    ? startInline(settings, tell)
    : startThread(settings, tell)

/** An answer that must not be a refusal: for requests that cannot be refused. */
export function unrefused<T>(answer: T | Refusal): T {
  if (isRefusal(answer)) throw new Error(`the data path refused what it cannot refuse: ${answer.message}`)
  return answer
}
