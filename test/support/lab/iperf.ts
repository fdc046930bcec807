/** iperf3: how much one TCP stream carries. */

import type { Host } from './addresses.ts'
import type { Lab } from './lab.ts'
import { listening } from './listening.ts'
import type { Program } from './process.ts'

/** Room for start-up and end beside the seconds that are measured. */
const PATIENCE_MS = 15_000

/** A server for one test, after which it ends. */
export async function startIperf(lab: Lab, host: Host, port: number): Promise<Program> {
  const server = lab.spawn(host, ['iperf3', '--server', '--one-off', '--port', String(port)])
  await listening(server, { protocol: 'tcp', port })
  return server
}

export interface IperfOptions {
  readonly address: string
  readonly port: number
  readonly seconds: number
  /** Seconds before those, which do not count; default 0. */
  readonly omittedSeconds?: number
}

export interface IperfResult {
  /** Payload received by the server, in bits. */
  readonly gigabitsPerSec: number
  readonly retransmits: number
}

/** Sends for that long from a host. Throws when no connection comes about or nothing arrives. */
export async function iperf(lab: Lab, host: Host, options: IperfOptions): Promise<IperfResult> {
  const { address, port, seconds, omittedSeconds = 0 } = options
  const target = ['--client', address, '--port', String(port), '--connect-timeout', '3000']
  const time = ['--time', String(seconds), '--omit', String(omittedSeconds)]
  const timeoutMs = (seconds + omittedSeconds) * 1000 + PATIENCE_MS
  const { stdout } = await lab.exec(host, ['iperf3', ...target, ...time, '--json'], { timeoutMs })
  const { end } = JSON.parse(stdout) as Report
  const bitsPerSec = end?.sum_received?.bits_per_second ?? 0
  if (bitsPerSec === 0) throw new Error(`iperf3 reports no throughput: ${stdout}`)
  return { gigabitsPerSec: bitsPerSec / 1e9, retransmits: end?.sum_sent?.retransmits ?? 0 }
}

/** The part of iperf3's report that is read here; an interrupted test has an empty `end`. */
interface Report {
  readonly end?: {
    readonly sum_received?: { readonly bits_per_second?: number }
    readonly sum_sent?: { readonly retransmits?: number }
  }
}
