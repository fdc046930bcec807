/** Which process wrote a journal, told apart from a later one with the same number. */

import { readFileSync, readlinkSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** When the process started, in clock ticks since boot: a pid alone is given out again. */
  readonly startTicks: string
  readonly bootId: string
  /** The network namespace, such as `net:[4026531840]`. */
  readonly netNamespace: string
}

export const identifyThisProcess = (): ProcessIdentity => ({
  pid: process.pid,
  startTicks: startTicks(process.pid) as string,
  bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  netNamespace: readlinkSync('/proc/self/ns/net'),
})

/** Whether that very process is still running. */
export const isAlive = ({ pid, startTicks: started, bootId }: ProcessIdentity): boolean =>
  bootId === identifyThisProcess().bootId && startTicks(pid) === started

/** Field 22 of /proc/pid/stat (proc(5)), or null when there is no such process or only its corpse. */
function startTicks(pid: number): string | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
  // The second field is the program's name in parentheses and may hold anything, so count from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? null : (fields[19] ?? null)
}
