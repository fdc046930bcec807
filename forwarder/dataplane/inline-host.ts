/**
 * A data path on the daemon's own event loop, for drivers that work nowhere else. Slower and less even than a thread:
 * packets wait while the control side works.
 */

import type { Refusal } from '../../lib/service/refusal.ts'
import { monotonicMs } from '../clock.ts'
import { assemble } from './assembly.ts'
import type { DataplaneHost } from './host.ts'
import type { AnswerTo, DataplaneSettings, Request } from './messages.ts'

const TICK_MS = 100
/** How long to leave an idle queue alone; queues with descriptors are polled, since nothing else watches them here. */
const IDLE_MS = 1

export async function startInline(
  settings: DataplaneSettings,
  tell: (notice: string) => void,
): Promise<DataplaneHost> {
  const { dataplane, engine, queues, close } = assemble(settings, tell)
  let isStopped = false
  let fail: (error: Error) => void = () => {}
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject
  })
  failed.catch(() => {})

  const turn = (): void => {
    if (isStopped) return
    try {
      let answered = 0
      if (!engine.isPaused) for (const queue of queues) answered += queue.turn()
      dataplane.flush()
      if (answered > 0) setImmediate(turn)
      else setTimeout(turn, IDLE_MS)
    } catch (error) {
      fail(error as Error)
    }
  }
  turn()
  const ticking = setInterval(() => dataplane.director.passTime(monotonicMs()), TICK_MS)

  return {
    ask: <R extends Request>(request: R) =>
      Promise.resolve(engine.answer(request) as AnswerTo<R['kind']> | Refusal),
    stop() {
      isStopped = true
      clearInterval(ticking)
      close()
      return Promise.resolve()
    },
    failed,
  }
}
