/** Which iptables works here. Several may be installed, and on some kernels only one of them reaches the kernel. */

import type { Family } from '../../lib/bytes/address.ts'
import { CommandError, runCommand } from './command.ts'

/** A working iptables: `program` is its name without `-restore` or `-save`. */
export interface IptablesVariant {
  readonly family: Family
  readonly program: string
  /** `nft` makes tables and base chains when they are first used and can delete them; `legacy` has fixed tables. */
  readonly backend: 'nft' | 'legacy'
  /** The `CT` target and the `addrtype` match can be used. */
  readonly notrack: boolean
  /** Later fragments can be told: by the `frag` match of IPv6. */
  readonly fragments: boolean
}

export interface VariantProbe {
  readonly variant: IptablesVariant | null
  /** The programs that were tried without success, and what each said. */
  readonly problems: readonly { readonly program: string; readonly problem: string }[]
}

/** Seconds to wait for another program's hold on the xtables lock. */
const LOCK_SECONDS = '5'

const CANDIDATES: Readonly<Record<Family, readonly string[]>> = {
  4: ['iptables', 'iptables-nft', 'iptables-legacy'],
  6: ['ip6tables', 'ip6tables-nft', 'ip6tables-legacy'],
}

/** What every version of the planned rules needs of the kernel. */
const QUEUE_TRIAL = [
  '*mangle',
  ':UIPVS-PROBE - [0:0]',
  '-A UIPVS-PROBE -p tcp -m tcp --dport 9 -j NFQUEUE --queue-num 65535',
  '-A UIPVS-PROBE -m mark --mark 0x1/0xffffffff -j NFQUEUE --queue-num 65535',
  'COMMIT\n',
].join('\n')

const NOTRACK_TRIAL = [
  '*raw',
  ':UIPVS-PROBE - [0:0]',
  '-A UIPVS-PROBE -p tcp -m tcp --sport 9 -m addrtype ! --dst-type LOCAL -j CT --notrack',
  'COMMIT\n',
].join('\n')

const FRAGMENT_TRIAL = {
  4: '-f',
  6: '-m frag',
} as const
const fragmentTrial = (family: Family): string =>
  [
    '*mangle',
    ':UIPVS-PROBE - [0:0]',
    `-A UIPVS-PROBE -p udp ${FRAGMENT_TRIAL[family]} -j NFQUEUE --queue-num 65535`,
    'COMMIT\n',
  ].join('\n')

/**
 * The first variant that takes our rules: the one that the host calls `iptables`, then the others by name.
 *
 * The trial is a real restore in a network namespace that ends with it, because `--test` asks the kernel
 * little; where such a namespace is not allowed (containers), `--test` in this one is the best there is.
 */
export async function probeIptables(family: Family): Promise<VariantProbe> {
  const problems: { program: string; problem: string }[] = []
  for (const program of CANDIDATES[family]) {
    const problem = await trial(program, QUEUE_TRIAL)
    if (problem === null) {
      const backend = (await runCommand(program, ['--version'])).includes('nf_tables') ? 'nft' : 'legacy'
      const notrack = (await trial(program, NOTRACK_TRIAL)) === null
      const fragments = (await trial(program, fragmentTrial(family))) === null
      return { variant: { family, program, backend, notrack, fragments }, problems }
    }
    problems.push({ program, problem })
  }
  return { variant: null, problems }
}

/** Restores without flushing what `input` does not name. One transaction for each table in it. */
export async function restore({ program }: IptablesVariant, input: string): Promise<void> {
  await runCommand(`${program}-restore`, ['--noflush', '-w', LOCK_SECONDS], { input })
}

/** Why `program` would not take `input`, or null when it would. */
async function trial(program: string, input: string): Promise<string | null> {
  const restoreArgs = [`${program}-restore`, '--noflush', '-w', LOCK_SECONDS]
  try {
    await runCommand('unshare', ['--net', '--', ...restoreArgs], { input })
    return null
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    // Only unshare itself begins a line with its name: then it was the namespace that failed, not the rules.
    if (error.flaw !== 'missing' && !/^unshare: unshare failed/m.test(error.stderr)) return problemOf(error)
  }
  try {
    await runCommand(`${program}-restore`, ['--test', ...restoreArgs.slice(1)], { input })
    return null
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return problemOf(error)
  }
}

const problemOf = (error: CommandError): string =>
  /^unshare: failed to execute/m.test(error.stderr) ? 'not installed' : error.message
