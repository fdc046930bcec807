/** Two loads: small datagrams as fast as they go, and one TCP stream. */

import { compile } from '../test/support/lab/compile.ts'
import type { Lab } from '../test/support/lab/lab.ts'
import { type Contestant, REAL } from './contestants.ts'

/** Payload of each datagram; with its headers 106 bytes on Ethernet. */
export const DATAGRAM_BYTES = 64

/** Sockets that take turns in sending: so many connections. */
const FLOWS = 16

/** Room for start-up and end of a program beside the seconds it measures. */
const PATIENCE_MS = 15_000

export interface UdpSample {
  readonly offeredKpps: number
  /** What the sink read, over the time of sending. */
  readonly deliveredKpps: number
}

/** Throws when nothing arrives: a contestant that does not forward has no rate. */
export async function measureUdp(lab: Lab, contestant: Contestant, seconds: number): Promise<UdpSample> {
  const [blast, sink] = await Promise.all([compile('bench/c/udp-blast.c'), compile('bench/c/udp-sink.c')])
  const receiver = lab.spawn('rs1', [sink, String(REAL.port)])
  await receiver.until('ready', () => receiver.stdout.includes('ready\n'))
  const { address, port } = contestant.target
  const numbers = [port, DATAGRAM_BYTES, seconds, FLOWS].map(String)
  const { stdout } = await lab.exec('client', [blast, address, ...numbers], {
    timeoutMs: seconds * 1000 + PATIENCE_MS,
  })
  const sent = numbersIn(stdout, /sent (\d+) seconds ([\d.]+)/)
  await receiver.stop()
  const total = numbersIn(receiver.stdout, /total packets (\d+) bytes (\d+)/)
  if (total[0] === 0) throw new Error('no datagram arrived')
  if (total[1] !== total[0] * DATAGRAM_BYTES) throw new Error(`datagrams arrived damaged: ${receiver.stdout}`)
  return { offeredKpps: sent[0] / sent[1] / 1000, deliveredKpps: total[0] / sent[1] / 1000 }
}

/** Gbit/s of payload received by iperf3, after a first second that does not count. */
export async function measureTcp(lab: Lab, contestant: Contestant, seconds: number): Promise<number> {
  const server = await lab.iperfServer('rs1', REAL.port)
  const { gigabitsPerSec } = await lab.iperf('client', { ...contestant.target, seconds, omittedSeconds: 1 })
  await server.stop()
  return gigabitsPerSec
}

function numbersIn(text: string, pattern: RegExp): [number, number] {
  const match = pattern.exec(text)
  if (match === null) throw new Error(`no ${pattern.source} in '${text}'`)
  return [Number(match[1]), Number(match[2])]
}
