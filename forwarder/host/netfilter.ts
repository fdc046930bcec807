/** Our chains in the kernel: brought in, filled, and taken away so that nothing shows that they were there. */

import type { Family } from '../../lib/bytes/address.ts'
import { CommandError, runCommand } from './command.ts'
import { type IptablesVariant, probeIptables, restore, type VariantProbe } from './iptables.ts'
import { CHAINS, type RuleText } from './rules.ts'
import { listsOurChains, parseSave, removalScript, type SavedTable } from './saved-tables.ts'

/**
 * What one family's tables looked like before we came: table to its base chains, or null where there was no
 * such table. Written to the undo journal before anything is changed.
 */
export interface NetfilterRecord {
  readonly program: string
  readonly backend: 'nft' | 'legacy'
  readonly before: Readonly<Record<string, readonly string[] | null>>
}

/** Called with what undoing will need, before the kernel is changed. */
export type RecordNetfilter = (family: Family, record: NetfilterRecord) => void

const TABLES = ['mangle', 'raw'] as const
type Table = (typeof TABLES)[number]

const BUILT_IN: Readonly<Record<Table, readonly string[]>> = {
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  raw: ['PREROUTING', 'OUTPUT'],
}

export class Netfilter {
  readonly #probes: Readonly<Record<Family, VariantProbe>>
  readonly #record: RecordNetfilter
  /** What each installed family's chains hold; null before the first restore and after one that failed. */
  readonly #applied = new Map<Family, string | null>()

  private constructor(probes: Readonly<Record<Family, VariantProbe>>, record: RecordNetfilter) {
    this.#probes = probes
    this.#record = record
  }

  /** Finds the iptables variants that work; changes nothing. */
  static async probe(record: RecordNetfilter): Promise<Netfilter> {
    const [ipv4, ipv6] = await Promise.all([probeIptables(4), probeIptables(6)])
    return new Netfilter({ 4: ipv4, 6: ipv6 }, record)
  }

  /** The variant in use for a family, or null where none works. */
  variant(family: Family): IptablesVariant | null {
    return this.#probes[family].variant
  }

  /** Both families that work can leave service traffic untracked. */
  get notrack(): boolean {
    return ([4, 6] as const).every((family) => this.variant(family)?.notrack ?? true)
  }

  /** Both families that work can tell later fragments. */
  get fragments(): boolean {
    return ([4, 6] as const).every((family) => this.variant(family)?.fragments ?? true)
  }

  /** Why there is no variant for a family, as one line. */
  whyNot(family: Family): string {
    return this.#probes[family].problems.map(({ program, problem }) => `${program}: ${problem}`).join('; ')
  }

  /**
   * Makes a family's chains and appends the jumps to them.
   * @throws when chains of our names are there already: they belong to another uipvs, or nobody remembers whose
   */
  async install(family: Family): Promise<void> {
    if (this.#applied.has(family)) return
    const variant = this.#required(family)
    const saved = await savedTables(variant)
    if (listsOurChains(saved)) throw new Error(foreignChains(variant))
    const { program, backend } = variant
    const record: NetfilterRecord = { program, backend, before: await baseChains(variant, saved) }
    this.#record(family, record)
    try {
      const tables = TABLES.filter((table) => table !== 'raw' || this.notrack)
      await restore(variant, tables.map(installScript).join(''))
    } catch (error) {
      // Each table is a transaction of its own: the first may be there although the second was refused.
      await removeChains(family, record)
      throw error
    }
    this.#applied.set(family, null)
  }

  /**
   * Takes over the chains that an earlier daemon installed, rules and all, until {@link apply} replaces these. False, and
   * nothing taken over, where they are not just those that {@link install} would make.
   */
  async adopt(family: Family, { program }: NetfilterRecord): Promise<boolean> {
    const variant = this.variant(family)
    if (variant === null || variant.program !== program) return false
    const saved = await savedTables(variant)
    const isWhole = CHAINS.filter(({ table }) => table !== 'raw' || this.notrack).every((chain) => {
      const table = saved.get(chain.table)
      return (
        table?.userChains.includes(chain.name) && table.rules.includes(`-A ${chain.hook} -j ${chain.name}`)
      )
    })
    if (isWhole) this.#applied.set(family, null)
    return isWhole
  }

  /** Puts the planned rules in force, one restore a family; a family whose text did not change is left alone. */
  async apply(rules: RuleText): Promise<void> {
    for (const [family, text] of [
      [4, rules.ipv4],
      [6, rules.ipv6],
    ] as const) {
      // A family that never had a service is left without our chains.
      if (!this.#applied.has(family) && !/^-A /m.test(text)) continue
      await this.install(family)
      if (this.#applied.get(family) === text) continue
      this.#applied.set(family, null)
      await restore(this.#required(family), text)
      this.#applied.set(family, text)
    }
  }

  #required(family: Family): IptablesVariant {
    const variant = this.variant(family)
    if (variant === null) throw new Error(`no iptables works for IPv${family} here (${this.whyNot(family)})`)
    return variant
  }
}

/**
 * Takes our chains away and whatever came into being with them, as far as it is still empty: rules that others
 * added meanwhile stay, and so do the chains and tables that they are in. Can be repeated.
 *
 * The legacy backend's tables cannot be deleted from outside the kernel: those that we were first to use
 * remain, empty.
 */
export async function removeChains(family: Family, record: NetfilterRecord): Promise<void> {
  const variant: IptablesVariant = {
    family,
    program: record.program,
    backend: record.backend,
    notrack: true,
    fragments: true,
  }
  const script = removalScript(await savedTables(variant))
  if (script !== '') await restore(variant, script)
  if (variant.backend === 'nft') for (const table of TABLES) await removeEmptyTable(variant, table, record)
}

const installScript = (table: Table): string => {
  const chains = CHAINS.filter((chain) => chain.table === table)
  const lines = [
    ...chains.map((chain) => `:${chain.name} - [0:0]`),
    ...chains.map((chain) => `-A ${chain.hook} -j ${chain.name}`),
  ]
  return `*${table}\n${lines.join('\n')}\nCOMMIT\n`
}

/**
 * The tables in use. Reading a legacy table by name would bring it into being, so none is named: unless only root may
 * know which are in use, and then those are that we are about to use.
 */
async function savedTables({
  program,
}: Pick<IptablesVariant, 'program'>): Promise<ReadonlyMap<string, SavedTable>> {
  try {
    return parseSave(await runCommand(`${program}-save`, []))
  } catch (error) {
    if (!(error instanceof CommandError) || !/_tables_names: Permission denied/.test(error.stderr))
      throw error
    const texts = TABLES.map((table) => runCommand(`${program}-save`, ['-t', table]))
    return parseSave((await Promise.all(texts)).join(''))
  }
}

/**
 * The base chains that each table has. iptables-save shows all the base chains of a table that exists, made or
 * not; nft knows which were made. Without nft, all count as made, so that none of them will be deleted.
 */
async function baseChains(
  { family, backend }: IptablesVariant,
  saved: ReadonlyMap<string, SavedTable>,
): Promise<Record<string, readonly string[] | null>> {
  const made = backend === 'nft' ? await nft(['list', 'chains', nftFamily(family)]) : null
  const entries = TABLES.map((table) => {
    if (!saved.has(table)) return [table, null] as const
    return [table, made === null ? BUILT_IN[table] : chainsOf(made, table)] as const
  })
  return Object.fromEntries(entries)
}

/** The chains named in `nft list chains`, for one table. */
function chainsOf(listing: string, table: string): readonly string[] {
  const body = new RegExp(`^table \\S+ ${table} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(listing)?.[1] ?? ''
  return [...body.matchAll(/^\tchain (\S+) \{/gm)].map((found) => found[1] as string)
}

async function removeEmptyTable(
  variant: IptablesVariant,
  table: Table,
  record: NetfilterRecord,
): Promise<void> {
  const before = record.before[table] ?? null
  if (!(await savedTables(variant)).has(table)) return
  for (const chain of BUILT_IN[table]) {
    // The kernel refuses to delete a chain with rules, iptables one with a policy: what others use stays.
    if (!before?.includes(chain)) await attempt(variant.program, ['-w', '5', '-t', table, '-X', chain])
  }
  if (before !== null) return
  const saved = (await savedTables(variant)).get(table)
  if (saved === undefined || !saved.isUntouched) return
  const name = [nftFamily(variant.family), table]
  const listing = await nft(['list', 'table', ...name])
  if (listing === null) {
    // A restore that does flush deletes the table: checked just now to hold nothing.
    await runCommand(`${variant.program}-restore`, ['-w', '5'], { input: `*${table}\nCOMMIT\n` })
  } else if (!/^\t/m.test(listing)) await nft(['delete', 'table', ...name])
}

const nftFamily = (family: Family): string => (family === 4 ? 'ip' : 'ip6')

/** What nft prints, or null where it is not installed. */
async function nft(args: readonly string[]): Promise<string | null> {
  try {
    return await runCommand('nft', args)
  } catch (error) {
    if (error instanceof CommandError && error.flaw === 'missing') return null
    throw error
  }
}

/** Runs a command whose refusal is an answer too. */
async function attempt(program: string, args: readonly string[]): Promise<void> {
  try {
    await runCommand(program, args)
  } catch (error) {
    if (!(error instanceof CommandError) || error.flaw !== 'failed') throw error
  }
}

function foreignChains({ program, family }: IptablesVariant): string {
  const removal = CHAINS.map(
    ({ name, table, hook }) =>
      `${program} -t ${table} -D ${hook} -j ${name}; ${program} -t ${table} -F ${name}; ${program} -t ${table} -X ${name}`,
  )
  return [
    `the IPv${family} tables have chains named UIPVS-… already: another uipvs runs in this network namespace,`,
    'or one was killed and its undo journal deleted. If none runs, remove them first:',
    ...removal,
  ].join('\n')
}
