/**
 * Opens what the data path opens, and closes it again. Run as a program of its own, in a throw-away network
 * namespace: prints a {@link QueueTrial} as JSON.
 */

import { openFrameEgress } from '../egress/frame.ts'
import { openRawSink } from '../egress/raw.ts'
import { openNetlinkQueue } from '../queue/netlink-queue.ts'

/** What could be opened: null, or why not. */
export interface QueueTrial {
  readonly queue: string | null
  /** A queue that delivers super-packets whole. */
  readonly gso: string | null
  readonly rawSocket: string | null
  readonly packetSocket: string | null
}

const settings = { number: 65_535, copyBytes: 0xffff, lengthPackets: 1024 }
const drop = () =>
  ({ kind: 'drop', bytes: new Uint8Array(0), start: 0, end: 0, setsMark: false, mark: 0 }) as const

function attempt(open: () => { close(): void }): string | null {
  try {
    open().close()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

const trial: QueueTrial = {
  queue: attempt(() => openNetlinkQueue({ ...settings, gso: false }, drop)),
  gso: attempt(() => openNetlinkQueue({ ...settings, gso: true }, drop)),
  rawSocket: attempt(() => openRawSink()),
  packetSocket: attempt(() => openFrameEgress({ markMask: 1, nowMs: () => performance.now() })),
}
process.stdout.write(JSON.stringify(trial))
