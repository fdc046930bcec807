/** A data path in a worker thread, from the daemon's side. */

import { Worker } from 'node:worker_threads'
import type { Refusal } from '../../lib/service/refusal.ts'
import { attempt, loadSeam } from '../native/seam.ts'
import type { DataplaneHost } from './host.ts'
import type { AnswerTo, DataplaneSettings, Numbered, Reply, Request } from './messages.ts'
import type { ThreadData } from './thread.ts'

interface Waiting {
  resolve(answer: unknown): void
  reject(error: Error): void
}

export async function startThread(
  settings: DataplaneSettings,
  tell: (notice: string) => void,
): Promise<DataplaneHost> {
  const seam = loadSeam()
  const wakeFd = attempt('create an eventfd', seam.eventfd())
  const worker = new Worker(new URL('./thread.js', import.meta.url), {
    workerData: { settings, wakeFd } satisfies ThreadData,
    name: 'uipvs-dataplane',
  })
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let isStopping = false
  let ended: Error | null = null

  let fail: (error: Error) => void = () => {}
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject
  })
  failed.catch(() => {}) // whoever waits for it is told; nobody has to

  worker.on('message', (reply: Reply) => {
    if ('notice' in reply) {
      tell(reply.notice)
      return
    }
    const asker = waiting.get(reply.id)
    waiting.delete(reply.id)
    asker?.resolve('refusal' in reply ? reply.refusal : reply.answer)
  })
  worker.on('error', (error: Error) => end(error))
  worker.on('exit', (code) => {
    if (!isStopping) end(new Error(`the data path ended by itself with status ${code}`))
  })

  function end(error: Error): void {
    ended = error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    fail(error)
  }

  const send = (request: Numbered['request']): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (ended !== null) {
        reject(ended)
        return
      }
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      worker.postMessage({ id, request } satisfies Numbered)
      seam.signal(wakeFd)
    })

  // The thread answers number 0 by itself once everything is open.
  await new Promise((resolve, reject) => waiting.set(0, { resolve, reject }))
  return {
    ask: <R extends Request>(request: R) => send(request) as Promise<AnswerTo<R['kind']> | Refusal>,
    async stop() {
      isStopping = true
      if (ended !== null) return
      const exited = new Promise((resolve) => worker.once('exit', resolve))
      await send({ kind: 'stop' })
      await exited
      seam.close(wakeFd)
    },
    failed,
  }
}
