/**
 * Sends packets through an egress driver or the raw sink, inside a network namespace, for the integration tests:
 *
 *     node egress-child.js '{"driver": "frame", "hop": {…}, "packets": ["45…"], "forMs": 300}'
 *
 * Flushes as the data path's loop would, and then prints the counters and what each packet's transmission returned.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { openCapEgress } from '../../forwarder/egress/cap.ts'
import type { Hop } from '../../forwarder/egress/egress.ts'
import { openFrameEgress } from '../../forwarder/egress/frame.ts'
import type { LinkCounters } from '../../forwarder/egress/link-egress.ts'
import { openRawSink, type RawSinkOptions, type SinkCounters } from '../../forwarder/egress/raw.ts'
import { HEADROOM_BYTES } from '../../forwarder/queue/packet-queue.ts'

export type EgressTask = {
  /** IP packets in hex. */
  readonly packets: readonly string[]
  readonly forMs: number
} & (
  | { readonly driver: 'frame' | 'cap'; readonly hop: Hop }
  | { readonly driver: 'raw'; readonly options: RawSinkOptions }
)

export interface EgressOutcome {
  readonly counters: SinkCounters | LinkCounters
  readonly returned: readonly boolean[]
}

function openSender(task: EgressTask) {
  if (task.driver === 'raw') return openRawSink(task.options)
  const open = task.driver === 'frame' ? openFrameEgress : openCapEgress
  const egress = open({ markMask: 0xff, nowMs: () => performance.now() })
  return {
    counters: egress.counters,
    send: (bytes: Uint8Array, start: number, end: number) => egress.transmit(task.hop, bytes, start, end),
    flush: () => egress.flush(),
    close: () => egress.close(),
  }
}

async function main(task: EgressTask): Promise<void> {
  const sender = openSender(task)
  const returned = task.packets.map((hex) => {
    const packet = Buffer.from(hex, 'hex')
    const area = new Uint8Array(HEADROOM_BYTES + packet.length)
    area.set(packet, HEADROOM_BYTES)
    const sent = sender.send(area, HEADROOM_BYTES, area.length)
    // The packet's bytes are not the driver's to keep.
    area.fill(0xa5)
    return sent
  })
  for (const endMs = performance.now() + task.forMs; performance.now() < endMs; await sleep(5)) sender.flush()
  sender.close()
  process.stdout.write(`${JSON.stringify({ counters: sender.counters, returned })}\n`)
}

await main(JSON.parse(process.argv[2] as string) as EgressTask)
