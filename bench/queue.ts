/**
 * The whole path through a real kernel: client, director and real server in network namespaces, joined by veth
 * pairs. Contestants take turns within every round, so that the machine's moods meet them alike, and each turn has
 * namespaces of its own, so that none inherits another's hooks.
 */

import { Lab } from '../test/support/lab/lab.ts'
import { CONTESTANTS, type Contestant } from './contestants.ts'
import { DATAGRAM_BYTES, measureTcp, measureUdp } from './measure.ts'

export interface QueueOptions {
  /** Length of each measurement, 1 to 60. */
  readonly seconds: number
  /** Turns of each contestant, 1 to 100. */
  readonly rounds: number
  /** Names of contestants; default all. */
  readonly only?: readonly string[]
  /** Told before each turn. */
  readonly onTurn?: (turn: { readonly round: number; readonly label: string }) => void
}

export interface QueueFigure {
  readonly name: string
  readonly label: string
  /** Delivered 64-byte datagrams in thousands a second, one value a round; empty where it does not carry UDP. */
  readonly udpKpps: readonly number[]
  /** What was sent meanwhile. */
  readonly offeredKpps: readonly number[]
  /** Gbit/s of one TCP stream, one value a round. */
  readonly tcpGbps: readonly number[]
  /** What went wrong in turns that brought no value. */
  readonly failures: readonly string[]
}

/** Runs all rounds. A contestant that fails in a turn loses that value; the others go on. */
export async function runQueue(options: QueueOptions): Promise<QueueFigure[]> {
  const { seconds, rounds, only, onTurn } = options
  for (const [name, value, max] of [
    ['seconds', seconds, 60],
    ['rounds', rounds, 100],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < 1 || value > max) {
      throw new RangeError(`${name} ${value}: expected 1 to ${max}`)
    }
  }
  const contestants = chosen(only)
  const samples = contestants.map(() => ({
    udpKpps: [] as number[],
    offeredKpps: [] as number[],
    tcpGbps: [] as number[],
    failures: [] as string[],
  }))
  for (let round = 1; round <= rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      onTurn?.({ round, label: contestant.label })
      const sample = samples[index]!
      try {
        await turn(contestant, seconds, sample)
      } catch (error) {
        sample.failures.push(`round ${round}: ${(error as Error).message}`)
      }
    }
  }
  return contestants.map(({ name, label }, index) => ({ name, label, ...samples[index]! }))
}

interface Sample {
  readonly udpKpps: number[]
  readonly offeredKpps: number[]
  readonly tcpGbps: number[]
}

async function turn(contestant: Contestant, seconds: number, sample: Sample): Promise<void> {
  const lab = await Lab.create({ prefix: 'uipvsbench', direct: true })
  try {
    const stop = await contestant.start(lab)
    if (contestant.transports.includes('udp')) {
      const { deliveredKpps, offeredKpps } = await measureUdp(lab, contestant, seconds)
      sample.udpKpps.push(deliveredKpps)
      sample.offeredKpps.push(offeredKpps)
    }
    sample.tcpGbps.push(await measureTcp(lab, contestant, seconds))
    await stop()
  } finally {
    await lab.destroy()
  }
}

function chosen(only: readonly string[] | undefined): readonly Contestant[] {
  const names = CONTESTANTS.map(({ name }) => name)
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw new RangeError(`contestant '${unknown}': expected one of ${names.join(', ')}`)
  return CONTESTANTS.filter(({ name }) => only === undefined || only.includes(name))
}

/** The middle value, or NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]!
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** Medians, extremes and ratios, aligned; failures below. */
export function formatQueue(figures: readonly QueueFigure[]): string {
  const of = (name: string, key: 'udpKpps' | 'tcpGbps') =>
    median(figures.find((figure) => figure.name === name)?.[key] ?? [])
  const cells = (values: readonly number[], key: 'udpKpps' | 'tcpGbps', digits: number): string => {
    const middle = median(values)
    const range =
      values.length === 0
        ? '–'
        : `${fixed(Math.min(...values), digits)}–${fixed(Math.max(...values), digits)}`
    const ratios = [of('plain', key), of('c-gso', key)].map((base) => fixed(middle / base, 2).padStart(6))
    return `${fixed(middle, digits).padStart(8)} ${range.padStart(11)} ${ratios.join(' ')}`
  }
  const columns = `${'median'.padStart(8)} ${'range'.padStart(11)} ${'/plain'.padStart(6)} ${'/C gso'.padStart(6)}`
  const rows = figures.map(
    ({ label, udpKpps, tcpGbps }) =>
      `${label.padEnd(30)}${cells(udpKpps, 'udpKpps', 0)}  ${cells(tcpGbps, 'tcpGbps', 2)}`,
  )
  const title = `UDP ${DATAGRAM_BYTES} B payload, kpps delivered`
  return [
    `${''.padEnd(30)}${title.padStart(columns.length)}  ${'one TCP stream, Gbit/s'.padStart(columns.length)}`,
    `${''.padEnd(30)}${columns}  ${columns}`,
    ...rows,
    ...figures.flatMap(({ label, failures }) => failures.map((failure) => `FAILED: ${label}, ${failure}`)),
  ].join('\n')
}

const fixed = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits) : '–'
