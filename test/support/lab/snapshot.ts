/**
 * All that a director may change on its host, as text that is equal exactly when nothing was left behind.
 *
 * Left out, because they differ without anybody's doing: counters and comments of the rule listings, and the
 * sysctls in {@link RESTLESS_SYSCTLS}. Left out too are tables whose only content is empty base chains that
 * accept: iptables makes them at its first use and never takes them away, and they do nothing.
 */

import type { Host } from './addresses.ts'
import type { Lab } from './lab.ts'

/** Settings of `net.*` that are really readings. */
export const RESTLESS_SYSCTLS: readonly string[] = ['net.netfilter.nf_conntrack_count']

/** Section titles and what fills them. */
const SECTIONS: readonly { readonly argv: readonly string[]; readonly tidy?: (text: string) => string }[] = [
  { argv: ['iptables-save'], tidy: withoutIdleSavedTables },
  { argv: ['ip6tables-save'], tidy: withoutIdleSavedTables },
  { argv: ['nft', '--stateless', 'list', 'ruleset'], tidy: withoutIdleTables },
  { argv: ['ip', '-4', 'rule'] },
  { argv: ['ip', '-6', 'rule'] },
  { argv: ['ip', '-4', 'route', 'show', 'table', 'all'] },
  { argv: ['ip', '-6', 'route', 'show', 'table', 'all'] },
  { argv: ['ip', '-oneline', 'address'] },
  { argv: ['sysctl', '-a', '--ignore', '--pattern', '^net\\.'], tidy: withoutRestless },
]

/** The host's rules, routes, addresses and settings. */
export async function snapshot(lab: Lab, host: Host): Promise<string> {
  const sections = await Promise.all(
    SECTIONS.map(async ({ argv, tidy = (text) => text }) => {
      const { stdout } = await lab.exec(host, argv)
      return `== ${argv.join(' ')}\n${tidy(stdout).trim()}\n`
    }),
  )
  return sections.join('\n')
}

/** From `*table` to `COMMIT`; kept where a rule, a chain of one's own or a policy but ACCEPT is in it. */
function withoutIdleSavedTables(text: string): string {
  const plain = text.replaceAll(/^#.*\n/gm, '').replaceAll(/ \[\d+:\d+\]$/gm, '')
  return plain.replaceAll(/^\*\w+\n(?::\w+ ACCEPT\n)*COMMIT\n/gm, '')
}

function withoutIdleTables(text: string): string {
  const plain = text.replaceAll(/^#.*\n/gm, '').replaceAll(/counter packets \d+ bytes \d+ ?/g, '')
  return plain.replaceAll(
    /^table \w+ \w+ \{\n(?:\tchain \w+ \{\n\t\ttype .*policy accept;\n\t\}\n|\n)*\}\n/gm,
    '',
  )
}

function withoutRestless(text: string): string {
  const isRestless = (line: string) => RESTLESS_SYSCTLS.some((name) => line.startsWith(`${name} `))
  return text
    .split('\n')
    .filter((line) => !isRestless(line))
    .join('\n')
}
