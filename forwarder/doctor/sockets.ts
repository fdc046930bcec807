/** Probes of the native addon and of what it opens. */

import { fileURLToPath } from 'node:url'
import { loadSeam } from '../native/seam.ts'
import { once, type Probe, type Result } from './probe.ts'
import type { QueueTrial } from './queue-trial.ts'
import { runInScratch } from './scratch.ts'

const BUILD_REMEDY =
  "npm rebuild uipvs, or 'node scripts/build-native.mjs' in its directory (needs gcc and libc6-dev)"

/** `tryOut` opens queue and sockets somewhere harmless. */
export function socketProbes(tryOut: () => Promise<QueueTrial> = tryInScratch): readonly Probe[] {
  const trial = once(tryOut)
  return [
    { name: 'native-addon', run: probeAddon },
    { name: 'nfqueue', run: async () => judgeQueue(await trial()) },
    {
      name: 'raw-socket',
      run: async () => judgeSocket((await trial()).rawSocket, 'tunnel packets can be sent'),
    },
    {
      name: 'packet-socket',
      run: async () => judgeSocket((await trial()).packetSocket, 'frames can be sent (egressDriver frame)'),
    },
  ]
}

function probeAddon(): Result {
  try {
    loadSeam()
    return { status: 'ok', found: 'built and loaded' }
  } catch (error) {
    return { status: 'missing', found: (error as Error).message, remedy: BUILD_REMEDY }
  }
}

export function judgeQueue({ queue, gso }: QueueTrial): Result {
  if (queue !== null) {
    const remedy = 'a kernel with CONFIG_NETFILTER_NETLINK_QUEUE, and CAP_NET_ADMIN'
    return { status: 'missing', found: queue, remedy }
  }
  if (gso === null) return { status: 'ok', found: 'a queue can be bound, super-packets (GSO) too' }
  return { status: 'degraded', found: `a queue can be bound, but without super-packets, so slowly: ${gso}` }
}

const judgeSocket = (problem: string | null, ok: string): Result =>
  problem === null
    ? { status: 'ok', found: ok }
    : { status: 'missing', found: problem, remedy: 'give it CAP_NET_RAW' }

/** A path as it is once built: Node 20 cannot run the source. */
async function tryInScratch(): Promise<QueueTrial> {
  const program = fileURLToPath(new URL('./queue-trial.js', import.meta.url))
  return JSON.parse(await runInScratch(process.execPath, [program])) as QueueTrial
}
