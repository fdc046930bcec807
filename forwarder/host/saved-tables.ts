/** What iptables-save prints, read as far as we need it. Pure. */

import { CHAINS } from './rules.ts'

export interface SavedTable {
  readonly name: string
  /** Chains that somebody made; built-in chains are not among them. */
  readonly userChains: readonly string[]
  /** The rules as printed: `-A CHAIN …`. */
  readonly rules: readonly string[]
  /** No rules, no user chains, and every policy is ACCEPT. */
  readonly isUntouched: boolean
}

export function parseSave(text: string): ReadonlyMap<string, SavedTable> {
  const tables = new Map<string, SavedTable>()
  for (const section of text.split(/^\*/m).slice(1)) {
    const lines = section.split('\n')
    const chains = lines.filter((line) => line.startsWith(':')).map((line) => line.slice(1).split(' '))
    const name = lines[0] as string
    const userChains = chains.filter(([, policy]) => policy === '-').map(([chain]) => chain as string)
    const rules = lines.filter((line) => line.startsWith('-A '))
    const accepts = chains.every(([, policy]) => policy === 'ACCEPT')
    tables.set(name, { name, userChains, rules, isUntouched: accepts && rules.length === 0 })
  }
  return tables
}

const OUR_NAMES: ReadonlySet<string> = new Set(CHAINS.map((chain) => chain.name))

/** Whether any table has a chain of our names. */
export const listsOurChains = (tables: ReadonlyMap<string, SavedTable>): boolean =>
  [...tables.values()].some((table) => table.userChains.some((chain) => OUR_NAMES.has(chain)))

/**
 * Input for `iptables-restore --noflush` that removes every jump to our chains, wherever somebody put one, and
 * then the chains; empty when there are none.
 */
export function removalScript(tables: ReadonlyMap<string, SavedTable>): string {
  return [...tables.values()]
    .map(({ name, userChains, rules }) => {
      const chains = userChains.filter((chain) => OUR_NAMES.has(chain))
      if (chains.length === 0) return ''
      const jumps = rules.filter((rule) => {
        const [, from, to] = /^-A (\S+) .*-[jg] (\S+)$/.exec(rule) ?? []
        return from !== undefined && to !== undefined && !OUR_NAMES.has(from) && OUR_NAMES.has(to)
      })
      const lines = [
        ...jumps.map((rule) => `-D ${rule.slice('-A '.length)}`),
        ...chains.map((chain) => `-F ${chain}`),
        ...chains.map((chain) => `-X ${chain}`),
      ]
      return `*${name}\n${lines.join('\n')}\nCOMMIT\n`
    })
    .join('')
}
