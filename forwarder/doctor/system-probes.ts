/** Probes of privileges, installed programs and kernel settings. */

import { closeSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Family } from '../../lib/bytes/address.ts'
import { CommandError, runCommand } from '../host/command.ts'
import { listDevices } from '../host/iproute.ts'
import { procSys } from '../host/sysctls.ts'
import { effectiveCapabilities, missingCapabilities } from '../privileges.ts'
import { SOCKET_BUFFER_BYTES } from '../queue/netlink-setup.ts'
import type { Probe, Result } from './probe.ts'
import { runInScratch } from './scratch.ts'

export const systemProbes = (): readonly Probe[] => [
  { name: 'capabilities', run: () => judgeCapabilities(effectiveCapabilities(), process.getuid?.() ?? 0) },
  { name: 'tools', run: probeTools },
  { name: 'policy-routing', run: probePolicyRouting },
  { name: 'ipv4-forwarding', run: () => probeForwarding(4) },
  { name: 'ipv6-forwarding', run: () => probeForwarding(6) },
  { name: 'source-checks', run: probeSourceChecks },
  { name: 'socket-buffers', run: probeSocketBuffers },
  { name: 'mtu', run: async () => describeMtus(await listDevices()) },
  { name: 'npm-nfqueue', run: () => probePackage('nfqueue', 'queueDriver') },
  { name: 'npm-cap', run: () => probePackage('cap', 'egressDriver') },
]

export function judgeCapabilities(effective: bigint, uid: number): Result {
  const missing = missingCapabilities(effective)
  if (missing.length === 0) return { status: 'ok', found: `CAP_NET_ADMIN and CAP_NET_RAW, as user ${uid}` }
  const remedy = `run as root, or with AmbientCapabilities=${missing.join(' ')} (systemd), --cap-add (containers)`
  return { status: 'missing', found: `user ${uid} has no ${missing.join(' and no ')}`, remedy }
}

async function probeTools(): Promise<Result> {
  const versions: string[] = []
  const absent: string[] = []
  for (const [program, flag] of [
    ['ip', '-V'],
    ['iptables', '--version'],
    ['nft', '--version'],
    ['unshare', '--version'],
  ] as const) {
    try {
      const said = await runCommand(program, [flag])
      versions.push(`${program} ${/\d+(\.\d+)+/.exec(said)?.[0] ?? '?'}`)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      absent.push(program)
    }
  }
  if (absent.length === 0) return { status: 'ok', found: versions.join(', ') }
  // Without nft and unshare everything works, only that some leftovers cannot be told from what was there before.
  const isEssential = absent.includes('ip') || absent.includes('iptables')
  const remedy = 'apt-get install iproute2 iptables nftables util-linux'
  return {
    status: isEssential ? 'missing' : 'degraded',
    found: `without ${absent.join(', ')}; ${versions.join(', ')}`,
    remedy,
  }
}

async function probePolicyRouting(): Promise<Result> {
  const rule = ['rule', 'add', 'pref', '1', 'fwmark', '0x1/0x1', 'protocol', '117', 'lookup', '7860001']
  try {
    await runInScratch('ip', rule)
    return { status: 'ok', found: 'marks choose routes (egressDriver route)' }
  } catch (error) {
    const remedy = 'a kernel with CONFIG_IP_MULTIPLE_TABLES, or egressDriver frame'
    return { status: 'missing', found: (error as Error).message, remedy }
  }
}

function probeForwarding(family: Family): Result {
  const name = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding'
  return judgeForwarding(name, procSys.read(name), isWritable(name))
}

export function judgeForwarding(name: string, value: string | null, canBeSet: boolean): Result {
  const shown = name.replaceAll('/', '.')
  if (value === null)
    return { status: 'missing', found: `${shown} does not exist: the kernel lacks this family` }
  if (value === '1') return { status: 'ok', found: `${shown} is 1 already` }
  if (canBeSet)
    return { status: 'ok', found: `${shown} is ${value}; set while there are services, then put back` }
  const remedy = `set it from outside: sysctl -w ${shown}=1 (docker run --sysctl ${shown}=1)`
  return { status: 'missing', found: `${shown} is ${value} and cannot be set from here`, remedy }
}

function isWritable(name: string): boolean {
  try {
    // Opening asks for the capabilities in effect; access(2) would forget them for other users than root.
    closeSync(openSync(`/proc/sys/${name}`, 'r+'))
    return true
  } catch (error) {
    if (['EACCES', 'EROFS', 'ENOENT', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return false
    throw error
  }
}

function probeSourceChecks(): Result {
  const values = ['rp_filter', 'accept_local'].map((name) => {
    const devices = procSys.list('net/ipv4/conf').filter((device) => device !== 'default')
    const held = devices.map((device) => Number(procSys.read(`net/ipv4/conf/${device}/${name}`) ?? 0))
    return `${name} ${Math.max(...held)}`
  })
  return {
    status: 'ok',
    found: `at most ${values.join(', ')}: left as they are, nothing here needs them changed`,
  }
}

function probeSocketBuffers(): Result {
  const limits = ['rmem_max', 'wmem_max'].map((name) => Number(procSys.read(`net/core/${name}`) ?? 0))
  return judgeSocketBuffers(limits, missingCapabilities(effectiveCapabilities()).includes('CAP_NET_ADMIN'))
}

export function judgeSocketBuffers(limits: readonly number[], isBoundByThem: boolean): Result {
  const [rmem, wmem] = limits
  const found = `rmem_max ${rmem}, wmem_max ${wmem} bytes; ${SOCKET_BUFFER_BYTES} are used`
  if (limits.every((limit) => limit >= SOCKET_BUFFER_BYTES)) return { status: 'ok', found }
  if (!isBoundByThem) return { status: 'ok', found: `${found}, forced beyond the limits` }
  const remedy = `sysctl -w net.core.rmem_max=${SOCKET_BUFFER_BYTES} net.core.wmem_max=${SOCKET_BUFFER_BYTES}`
  return { status: 'degraded', found, remedy }
}

/** Devices that a line has room for. */
const DEVICES_SHOWN = 4

/** A tunnel takes 20 bytes of each packet for an outer IPv4 header, 40 for IPv6. */
export function describeMtus(
  devices: readonly { readonly name: string; readonly mtuBytes: number }[],
): Result {
  const others = devices.filter(({ name }) => name !== 'lo')
  if (others.length === 0) return { status: 'degraded', found: 'there is no network device but lo' }
  const shown = others
    .slice(0, DEVICES_SHOWN)
    .map(({ name, mtuBytes }) => `${name} ${mtuBytes} (ipip ${mtuBytes - 20}, over IPv6 ${mtuBytes - 40})`)
  const more = others.length > DEVICES_SHOWN ? `, ${others.length - DEVICES_SHOWN} more` : ''
  return { status: 'ok', found: `${shown.join(', ')}${more}` }
}

/** Loaded in a process of its own: an addon built for another Node may take the process with it. */
async function probePackage(name: 'nfqueue' | 'cap', option: string): Promise<Result> {
  const remedy = `npm install ${name}, if ${option} ${name} is wanted`
  let path: string
  try {
    path = createRequire(import.meta.url).resolve(name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    return { status: 'missing', found: 'not installed; optional', remedy }
  }
  try {
    await runCommand(process.execPath, ['-e', 'require(process.argv[1])', path])
    return { status: 'ok', found: `can be loaded (${option} ${name}); optional` }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    const why = /^(?:\w*Error): .*$/m.exec(error.stderr)?.[0] ?? error.message
    return { status: 'missing', found: `cannot be loaded: ${why}; optional`, remedy }
  }
}
