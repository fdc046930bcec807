/**
 * The data path's own thread: a loop that waits for packets, has each batch judged, and now and then lets time pass and
 * answers the control side. Nothing else runs here, so that nothing else's garbage or work delays a packet.
 */

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { isRefusal } from '../../lib/service/refusal.ts'
import { monotonicMs } from '../clock.ts'
import { loadSeam } from '../native/seam.ts'
import { assemble } from './assembly.ts'
import type { DataplaneSettings, Numbered, Reply } from './messages.ts'

export interface ThreadData {
  readonly settings: DataplaneSettings
  /** Signalled when a message waits. */
  readonly wakeFd: number
}

/** Longest wait for packets, and so the grain in which connections expire. */
const WAIT_MS = 100
/** Batches taken from the queues before the control side is looked at again. */
const BATCHES_PER_ROUND = 32

function run({ settings, wakeFd }: ThreadData, port: MessagePort): void {
  const seam = loadSeam()
  const { dataplane, engine, queues, close } = assemble(settings, (notice) =>
    port.postMessage({ notice } satisfies Reply),
  )
  const fds = Int32Array.from([wakeFd, ...queues.map(({ fd }) => fd)])
  const ready = new Int32Array(fds.length)
  let nextTickMs = 0
  let isStopping = false

  port.postMessage({ id: 0, answer: undefined } satisfies Reply)
  while (!isStopping) {
    const nowMs = monotonicMs()
    if (nowMs >= nextTickMs && dataplane.director.passTime(nowMs)) nextTickMs = nowMs + WAIT_MS
    const waitMs = Math.max(0, Math.ceil(nextTickMs - nowMs))
    const watched = engine.isPaused ? 1 : fds.length
    if (seam.poll(fds, ready, watched, Math.min(waitMs, WAIT_MS)) <= 0) {
      // What waits for a neighbour's address is held, and has to be looked at again.
      dataplane.flush()
      continue
    }
    if (ready[0] !== 0) {
      seam.drain(wakeFd)
      isStopping = answerAll()
    }
    for (let batch = 0; batch < BATCHES_PER_ROUND && !engine.isPaused; batch++) {
      let answered = 0
      for (let index = 0; index < queues.length; index++) {
        answered += queues[index]!.turn()
        dataplane.flush()
      }
      if (answered === 0) break
    }
  }
  close()

  /** True once asked to stop. */
  function answerAll(): boolean {
    for (;;) {
      const received = receiveMessageOnPort(port) as { message: Numbered } | undefined
      if (received === undefined) return false
      const { id, request } = received.message
      const isStop = request.kind === 'stop'
      const answer = isStop ? undefined : engine.answer(request)
      port.postMessage((isRefusal(answer) ? { id, refusal: answer } : { id, answer }) satisfies Reply)
      if (isStop) return true
    }
  }
}

run(workerData as ThreadData, parentPort as MessagePort)
