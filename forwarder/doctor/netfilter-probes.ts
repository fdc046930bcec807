/** Probes of netfilter: rules, connection tracking, and the kernel's own IPVS. */

import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { Family } from '../../lib/bytes/address.ts'
import { CommandError } from '../host/command.ts'
import { probeIptables, type VariantProbe } from '../host/iptables.ts'
import { once, type Probe, type Result } from './probe.ts'
import { runInScratch } from './scratch.ts'

export function netfilterProbes(): readonly Probe[] {
  const variants = { 4: once(() => probeIptables(4)), 6: once(() => probeIptables(6)) }
  return [
    { name: 'iptables-ipv4', run: async () => judgeVariant(4, await variants[4]()) },
    { name: 'iptables-ipv6', run: async () => judgeVariant(6, await variants[6]()) },
    { name: 'conntrack', run: async () => judgeConntrack(trackedConnections(), await variants[4]()) },
    { name: 'nft-queue', run: probeNftQueue },
    { name: 'kernel-ipvs', run: probeKernelIpvs },
  ]
}

export function judgeVariant(family: Family, { variant, problems }: VariantProbe): Result {
  if (variant !== null) {
    const found = `${variant.program} (${variant.backend}) takes NFQUEUE rules`
    if (variant.notrack) return { status: 'ok', found: `${found} and leaves traffic untracked` }
    const remedy = 'a kernel with CONFIG_NETFILTER_XT_TARGET_CT and CONFIG_NETFILTER_XT_MATCH_ADDRTYPE'
    return { status: 'degraded', found: `${found}, but cannot leave traffic untracked`, remedy }
  }
  const isInstalled = problems.some(({ problem }) => problem !== 'not installed')
  const why = problems.find(({ problem }) => problem !== 'not installed') ?? problems[0]
  const remedy = isInstalled
    ? `run as root, on a kernel with CONFIG_NETFILTER_XT_TARGET_NFQUEUE${family === 6 ? ' and IPv6' : ''}`
    : 'install iptables (apt-get install iptables)'
  const consequence = family === 6 ? '; IPv6 services are refused' : ''
  return { status: 'missing', found: `${why?.program}: ${why?.problem}${consequence}`, remedy }
}

/** @param tracked number of tracked connections, null where the kernel does not track */
export function judgeConntrack(tracked: number | null, { variant }: VariantProbe): Result {
  if (tracked === null) return { status: 'ok', found: 'not in this kernel: fragments come one by one' }
  if (tracked === 0) return { status: 'ok', found: 'in the kernel, tracks nothing in this namespace' }
  const found = `active: ${tracked} connections; fragments come reassembled`
  if (variant === null || variant.notrack) return { status: 'ok', found: `${found}, services stay untracked` }
  const remedy = 'without the CT target: drop no packets as INVALID'
  return { status: 'degraded', found: `${found}, and rewritten packets look INVALID to it`, remedy }
}

/** Connections that the kernel tracks in this namespace, null where it does not track any. */
export function trackedConnections(): number | null {
  const path = '/proc/sys/net/netfilter/nf_conntrack_count'
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : null
}

async function probeNftQueue(): Promise<Result> {
  const rules =
    'table ip uipvs_probe { chain c { type filter hook prerouting priority -150; queue num 65535; } }\n'
  try {
    await runInScratch('nft', ['-f', '-'], { input: rules })
    return { status: 'ok', found: 'in the kernel (not used)' }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    const isThere = !/failed to execute/.test(error.stderr)
    return {
      status: 'missing',
      found: `${isThere ? 'not in this kernel' : 'nft is not installed'}; iptables is used`,
    }
  }
}

function probeKernelIpvs(): Result {
  if (existsSync('/proc/net/ip_vs'))
    return { status: 'ok', found: "loaded: the kernel's own IPVS could do this (ipvsadm)" }
  const lists = ['modules.dep', 'modules.builtin'].map((name) => `/lib/modules/${release()}/${name}`)
  const isOffered = lists.some((path) => existsSync(path) && readFileSync(path, 'utf8').includes('/ip_vs.ko'))
  if (isOffered)
    return { status: 'ok', found: "not loaded, but 'modprobe ip_vs' would bring the kernel's own IPVS" }
  return { status: 'ok', found: 'not in this kernel: this is what uipvs is for' }
}
