/** Puts a data path together from its settings: drivers, director, and what answers control requests. */

import { Director } from '../../lib/director/director.ts'
import { monotonicMs } from '../clock.ts'
import { tuneCompiler } from '../compiler.ts'
import { EGRESS_DRIVERS } from '../egress/index.ts'
import { openRawSink } from '../egress/raw.ts'
import { availablePages } from '../memory.ts'
import { QUEUE_DRIVERS } from '../queue/index.ts'
import type { PacketQueue } from '../queue/packet-queue.ts'
import { Dataplane } from './dataplane.ts'
import { Engine } from './engine.ts'
import type { DataplaneSettings } from './messages.ts'

export interface AssembledDataplane {
  readonly dataplane: Dataplane
  readonly engine: Engine
  readonly queues: readonly PacketQueue[]
  close(): void
}

/** Opens everything, or throws an Error that names what could not be opened, with the rest closed again; see `startDataplane`. */
export function assemble(settings: DataplaneSettings, tell: (notice: string) => void): AssembledDataplane {
  const opened: { close(): void }[] = []
  const close = () => {
    for (const each of opened.reverse()) each.close()
    opened.length = 0
  }
  try {
    tuneCompiler()
    const egress = EGRESS_DRIVERS[settings.egressDriver]({ markMask: settings.markMask, nowMs: monotonicMs })
    opened.push(egress)
    const sink = openRawSink()
    opened.push(sink)
    const director = new Director({
      nowMs: monotonicMs(),
      random: Math.random,
      connectionLimit: settings.connectionLimit,
      availablePages,
      answersEcho: settings.answersEcho,
      notice: tell,
      kernelForwards: { masquerading: true, gatewaying: egress.kernelForwards },
    })
    const dataplane = new Dataplane(director, { egress, sink, markMask: settings.markMask, now: monotonicMs })
    const open = QUEUE_DRIVERS[settings.queueDriver]
    const queues = settings.queues.map((each) => {
      const queue = open(each, dataplane.handle, dataplane.foresight)
      opened.push(queue)
      return queue
    })
    return { dataplane, engine: new Engine(dataplane, queues, monotonicMs), queues, close }
  } catch (error) {
    close()
    throw error
  }
}
