/** Waiting for a server to listen, by looking where the kernel lists its sockets: no trial connections, no fixed sleeps. */

import { readFile, readlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Program } from './process.ts'

/** Socket states in /proc/net/tcp and /proc/net/udp (include/net/tcp_states.h): listening, and unconnected. */
const WAITING_STATE = { tcp: '0A', udp: '07' } as const

/**
 * Resolves once `count` sockets of the program's network namespace wait for clients on the port; throws when
 * the program ends first or after `timeoutMs`.
 */
export async function listening(
  program: Program,
  { protocol, port, count = 1, timeoutMs = 5000 }: ListeningOptions,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while ((await waitingSockets(program.pid, protocol, port)) < count) {
    if (!program.isRunning) throw new Error(`server for ${protocol} port ${port} ended: ${program.epitaph()}`)
    if (performance.now() > deadlineMs) {
      throw new Error(`nobody listens on ${protocol} port ${port} after ${timeoutMs} ms\n${program.stderr}`)
    }
    await sleep(5)
  }
}

export interface ListeningOptions {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  /** How many sockets: one for each address or family the server binds. */
  readonly count?: number
  readonly timeoutMs?: number
}

async function waitingSockets(pid: number, protocol: 'tcp' | 'udp', port: number): Promise<number> {
  if (!(await isInside(pid))) return 0
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  let count = 0
  for (const table of [protocol, `${protocol}6`]) {
    for (const line of (await readTable(pid, table)).split('\n').slice(1)) {
      const [, local = '', , state] = line.trim().split(/\s+/)
      if (local.endsWith(suffix) && state === WAITING_STATE[protocol]) count++
    }
  }
  return count
}

/** Whether the process has entered its namespace: a moment after the start it is still in ours. */
async function isInside(pid: number): Promise<boolean> {
  const [theirs, ours] = await Promise.all([
    ifThere(readlink(`/proc/${pid}/ns/net`)),
    readlink('/proc/self/ns/net'),
  ])
  return theirs !== '' && theirs !== ours
}

const readTable = (pid: number, table: string): Promise<string> =>
  ifThere(readFile(`/proc/${pid}/net/${table}`, 'utf8'))

/** What was read of a process, or nothing when the process has just gone. */
async function ifThere(reading: Promise<string>): Promise<string> {
  try {
    return await reading
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EINVAL') return ''
    throw error
  }
}
