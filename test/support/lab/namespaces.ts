/** Network namespaces by name: what they are called, whether this machine lets us make them, and how they go away. */

import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './process.ts'

/** Bits of `CapEff` in proc(5), numbered as in capabilities(7). */
const NEEDED_CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 } as const

/** What the laboratory runs, by the Debian package that brings it. */
const TOOLS = {
  ip: 'iproute2',
  sysctl: 'procps',
  iptables: 'iptables',
  nft: 'nftables',
  tcpdump: 'tcpdump',
  nginx: 'nginx',
  socat: 'socat',
  curl: 'curl',
  iperf3: 'iperf3',
  ethtool: 'ethtool',
  cc: 'gcc libc6-dev',
} as const

export type Tool = keyof typeof TOOLS

/**
 * Why no laboratory with these tools can be built here, as one line that says what to do about it; null where it can.
 * Namespaces and cables need `ip` and `sysctl`; without an argument all tools are looked for.
 */
export function labObstacle(tools: readonly Tool[] = Object.keys(TOOLS) as Tool[]): string | null {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  const missing = Object.entries(NEEDED_CAPABILITIES)
    .filter(([, bit]) => ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 0n)
    .map(([name]) => name)
  if (missing.length > 0) {
    return `network namespaces need root (missing: ${missing.join(', ')}); run it with sudo`
  }
  const absent = tools.filter((tool) => !isInstalled(tool))
  if (absent.length === 0) return null
  const packages = new Set(absent.map((tool) => TOOLS[tool]))
  return `missing programs: ${absent.join(', ')}; on Debian and Ubuntu: apt-get install ${[...packages].join(' ')}`
}

/** Whether a program is on PATH, or where administrators' programs live. */
export function isInstalled(tool: string): boolean {
  const { PATH = '' } = process.env
  const folders = [...PATH.split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK)
      return true
    } catch {
      return false // not in this folder: that is the answer, not a failure
    }
  })
}

/** The names of all namespaces that `ip netns` knows. */
export async function listNamespaces(): Promise<string[]> {
  const { stdout } = await run(['ip', 'netns', 'list'])
  return stdout
    .split('\n')
    .map((line) => line.split(' ')[0] as string)
    .filter((name) => name !== '')
}

/** Kills whatever still runs in the namespaces, then deletes them. A name that is already gone is no error. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  const present = await stillThere(names)
  if (present.length === 0) return
  // Another process may sweep the same leftovers: what counts is that they are gone in the end.
  const inhabitants = await Promise.all(
    present.map((name) => run(['ip', 'netns', 'pids', name], { mayFail: true })),
  )
  for (const pid of inhabitants.flatMap(({ stdout }) => stdout.split('\n')).filter((line) => line !== '')) {
    signal(Number(pid), 'SIGKILL')
  }
  const input = present.map((name) => `netns del ${name}\n`).join('')
  const { stderr } = await run(['ip', '-force', '-batch', '-'], { input, mayFail: true })
  const left = await stillThere(present)
  if (left.length > 0) throw new Error(`namespaces ${left.join(', ')} could not be deleted: ${stderr}`)
}

async function stillThere(names: readonly string[]): Promise<string[]> {
  const known = new Set(await listNamespaces())
  return names.filter((name) => known.has(name))
}

/** A namespace of a laboratory: `<prefix>-<pid>-<number>-<host>`. The process id tells living from left over. */
export const namespaceName = (prefix: string, serial: number, host: string): string =>
  `${prefix}-${process.pid}-${serial}-${host}`

/** Removes the namespaces of laboratories of this prefix whose process is dead; returns their names. */
export async function sweepNamespaces(prefix: string): Promise<string[]> {
  const pattern = new RegExp(`^${prefix}-(\\d+)-\\d+-(?:client|director|lan|rs[1-3])$`)
  const leftover = (await listNamespaces()).filter((name) => {
    const pid = pattern.exec(name)?.[1]
    return pid !== undefined && !isAlive(Number(pid))
  })
  await removeNamespaces(leftover)
  return leftover
}

const isAlive = (pid: number): boolean => signal(pid, 0)

/** Sends a signal, or with 0 only looks; false where the process does not exist (any more). */
function signal(pid: number, number: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, number)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
