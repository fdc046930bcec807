/** Kernel settings that forwarding needs: set, remembered, and put back with all that changed along with them. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Family } from '../../lib/bytes/address.ts'

/** What the virtual services in force need of the kernel's settings. */
export interface SysctlNeeds {
  /** Families with a virtual service whose packets the kernel is to forward. */
  readonly forwarding: readonly Family[]
  /** A service masquerades or gateways: the director must not tell clients of a shorter way. */
  readonly noRedirects: boolean
  /** Devices where requests come in that leave again as a tunnel packet by verdict; none with a raw socket. */
  readonly tunnelIngress: readonly string[]
}

export interface SysctlNeed {
  /** Below /proc/sys; `*` stands for `all` and every device there is. Slashes, since device names have dots. */
  readonly name: string
  readonly value: string
  readonly why: string
  /** Packets do not get through without it; where it cannot be set, the service is refused. */
  readonly isEssential: boolean
  readonly when: (needs: SysctlNeeds) => boolean
  /** Further condition on what the host has now, asked only while the setting is not ours already. */
  readonly onlyIf?: (read: SysctlTree['read'], name: string) => boolean
}

/**
 * Every setting that uipvs may change. Order matters: `accept_ra` must be 2 before forwarding begins.
 *
 * `rp_filter` is loosened only for tunnelling by verdict. Nowhere else is it in the way: requests come in by the
 * way back to their client as they did before, and replies are rewritten in FORWARD, after the source check.
 */
export const SYSCTLS: readonly SysctlNeed[] = [
  {
    name: 'net/ipv4/ip_forward',
    value: '1',
    why: 'the kernel forwards what the verdict sent on to a real server, and the replies',
    isEssential: true,
    when: (needs) => needs.forwarding.includes(4),
  },
  {
    name: 'net/ipv6/conf/<device>/accept_ra',
    value: '2',
    why: 'a forwarding host ignores router advertisements and forgets the default route it has from one',
    isEssential: false,
    when: (needs) => needs.forwarding.includes(6),
    // A host that is a router already has been ignoring advertisements all along.
    onlyIf: (read, name) => read('net/ipv6/conf/all/forwarding') === '0' && read(name) === '1',
  },
  {
    name: 'net/ipv6/conf/all/forwarding',
    value: '1',
    why: 'the same as ip_forward, for IPv6',
    isEssential: true,
    when: (needs) => needs.forwarding.includes(6),
  },
  {
    name: 'net/ipv4/conf/*/send_redirects',
    value: '0',
    why: 'a client on the link of a real server would be told to go there without the director',
    isEssential: false,
    when: (needs) => needs.noRedirects,
  },
  {
    name: 'net/ipv4/conf/<ingress>/accept_local',
    value: '1',
    why: 'the outer source is an address of the director, a martian on a packet that came in by a device',
    isEssential: true,
    when: (needs) => needs.tunnelIngress.length > 0,
  },
  {
    name: 'net/ipv4/conf/<ingress>/rp_filter',
    value: '2',
    why: 'and the way back to it never leads out of that device, which the strict check asks for',
    isEssential: true,
    when: (needs) => needs.tunnelIngress.length > 0,
    // The stricter of `all` and the device counts as 1, but 2 (loose) wins over 1 wherever it stands.
    onlyIf: (read, name) => Math.max(Number(read('net/ipv4/conf/all/rp_filter')), Number(read(name))) === 1,
  },
]

/** A setting that was changed: what it was, what it was set to, and what else the kernel changed with it. */
export interface SysctlRecord {
  readonly name: string
  readonly former: string
  readonly ours: string
  readonly sideEffects: readonly { readonly name: string; readonly former: string }[]
}

/** Where the settings are; tests hand in others. `read` gives null for a setting that does not exist. */
export interface SysctlTree {
  read(name: string): string | null
  write(name: string, value: string): void
  /** The names in a directory, empty where there is none. */
  list(directory: string): readonly string[]
}

export interface WantedSysctl {
  readonly value: string
  readonly isEssential: boolean
}

/**
 * The settings that `needs` asks for on this host, in the order in which to set them; what the kernel does not
 * have is left out.
 */
export function wantedSysctls(
  needs: SysctlNeeds,
  tree: Pick<SysctlTree, 'read' | 'list'>,
  isOurs: (name: string) => boolean,
): ReadonlyMap<string, WantedSysctl> {
  const wanted = new Map<string, WantedSysctl>()
  for (const { name, value, isEssential, when, onlyIf } of SYSCTLS) {
    if (!when(needs)) continue
    for (const each of expand(name, needs, tree)) {
      const isHere = tree.read(each) !== null
      if (isHere && (isOurs(each) || onlyIf === undefined || onlyIf(tree.read, each)))
        wanted.set(each, { value, isEssential })
    }
  }
  return wanted
}

/** Sets settings and remembers the former values, through a journal that is written before each change. */
export class SysctlKeeper {
  readonly #tree: SysctlTree
  readonly #save: (records: readonly SysctlRecord[]) => void
  readonly #warn: (message: string) => void
  #records: readonly SysctlRecord[]

  /** `warn` is told about settings that would be good to have and could not be set, as in containers. */
  constructor(
    save: (records: readonly SysctlRecord[]) => void,
    {
      tree = procSys,
      warn = () => undefined,
      held = [],
    }: {
      tree?: SysctlTree
      warn?: (message: string) => void
      /** What an earlier daemon has set, and this one is to put back. */
      held?: readonly SysctlRecord[]
    } = {},
  ) {
    this.#save = save
    this.#tree = tree
    this.#warn = warn
    this.#records = held
  }

  /** What was changed and not put back yet, oldest first. */
  get records(): readonly SysctlRecord[] {
    return this.#records
  }

  /**
   * Sets what `needs` asks for and is not so already; what was set for earlier needs stays.
   * @throws naming the setting that refused its value, where packets do not get through without it
   */
  require(needs: SysctlNeeds): void {
    const wanted = wantedSysctls(needs, this.#tree, (name) => this.#isOurs(name))
    this.#set(new Map([...wanted].filter(([name, { value }]) => this.#tree.read(name) !== value)))
  }

  /** Puts back what `needs` no longer asks for. */
  release(needs: SysctlNeeds): void {
    const wanted = wantedSysctls(needs, this.#tree, (name) => this.#isOurs(name))
    const idle = this.#records.filter((record) => !wanted.has(record.name))
    if (idle.length === 0) return
    restoreSysctls(idle, this.#tree)
    this.#keep(this.#records.filter((record) => wanted.has(record.name)))
  }

  /**
   * Sets one setting, unless it has the value already.
   * @throws naming the setting when it does not exist or refuses the value
   */
  set(name: string, value: string): void {
    const held = this.#tree.read(name)
    if (held === null) throw new Error(`there is no kernel setting /proc/sys/${name}`)
    if (held !== value) this.#set(new Map([[name, { value, isEssential: true }]]))
  }

  /** All are written to the journal at once: a host may have a thousand devices. */
  #set(settings: ReadonlyMap<string, WantedSysctl>): void {
    if (settings.size === 0) return
    const records = new Map(this.#records.map((record) => [record.name, record]))
    for (const [name, { value: ours }] of settings) {
      const earlier = records.get(name)
      records.set(name, earlier === undefined ? this.#describe(name, ours) : { ...earlier, ours })
    }
    this.#keep([...records.values()])
    for (const [name, { value, isEssential }] of settings) {
      try {
        this.#tree.write(name, value)
      } catch (cause) {
        const message = `cannot set /proc/sys/${name} to ${value}: ${(cause as Error).message}`
        if (isEssential) throw new Error(message, { cause })
        this.#warn(message)
      }
    }
  }

  #isOurs(name: string): boolean {
    return this.#records.some((record) => record.name === name)
  }

  #describe(name: string, ours: string): SysctlRecord {
    const affected = sideEffects(name, this.#tree).flatMap((each) => {
      const value = this.#tree.read(each)
      return value === null ? [] : [{ name: each, former: value }]
    })
    return { name, former: this.#tree.read(name) ?? '', ours, sideEffects: affected }
  }

  #keep(records: readonly SysctlRecord[]): void {
    this.#records = records
    this.#save(records)
  }
}

/**
 * Puts former values back, the last change first. What somebody else has set to a third value meanwhile stays as
 * it is, and so does what went away with its device. Can be repeated.
 * @throws AggregateError with the settings that could not be written, after all others have been
 */
export function restoreSysctls(records: readonly SysctlRecord[], tree: SysctlTree = procSys): void {
  const failures: Error[] = []
  const putBack = (name: string, value: string) => {
    try {
      tree.write(name, value)
    } catch (cause) {
      if (tree.read(name) === null) return
      failures.push(
        new Error(`cannot set /proc/sys/${name} back to ${value}: ${(cause as Error).message}`, { cause }),
      )
    }
  }
  for (const { name, former, ours, sideEffects: affected } of [...records].reverse()) {
    const held = tree.read(name)
    if (held !== ours && held !== former) continue
    if (held === ours) putBack(name, former)
    for (const each of affected) {
      const now = tree.read(each.name)
      if (now !== null && now !== each.former) putBack(each.name, each.former)
    }
  }
  if (failures.length > 0)
    throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '))
}

/**
 * What the kernel changes along with a setting: `inet_forward_change()` in net/ipv4/devinet.c sets every device's
 * forwarding and `all/accept_redirects`, `addrconf_forward_change()` in net/ipv6/addrconf.c every device's forwarding.
 */
function sideEffects(name: string, tree: Pick<SysctlTree, 'list'>): readonly string[] {
  const each = (family: string) =>
    tree.list(`net/${family}/conf`).map((device) => `net/${family}/conf/${device}/forwarding`)
  if (name === 'net/ipv4/ip_forward') return ['net/ipv4/conf/all/accept_redirects', ...each('ipv4')]
  if (name === 'net/ipv6/conf/all/forwarding') return each('ipv6').filter((affected) => affected !== name)
  return []
}

function expand(name: string, needs: SysctlNeeds, tree: Pick<SysctlTree, 'list'>): readonly string[] {
  const [before, after] = name.split(/\*|<\w+>/) as [string, string | undefined]
  if (after === undefined) return [name]
  const put = (entries: readonly string[]) => entries.map((entry) => `${before}${entry}${after}`)
  if (name.includes('<ingress>')) return put(needs.tunnelIngress)
  const entries = tree.list(before.replace(/\/$/, ''))
  const devices = entries.filter((entry) => entry !== 'all' && entry !== 'default')
  return put(name.includes('*') ? ['all', ...devices] : devices)
}

/** The kernel's own tree. */
export const procSys: SysctlTree = {
  read: (name) => unlessGone(() => readFileSync(`/proc/sys/${name}`, 'utf8').trim(), null),
  write: (name, value) => writeFileSync(`/proc/sys/${name}`, value),
  list: (directory) => unlessGone(() => readdirSync(`/proc/sys/${directory}`).sort(), []),
}

function unlessGone<Value, Otherwise>(look: () => Value, otherwise: Otherwise): Value | Otherwise {
  try {
    return look()
  } catch (error) {
    // Some entries exist without being readable, others vanish with their device between two looks.
    if (
      ['ENOENT', 'ENOTDIR', 'EACCES', 'EINVAL', 'ENODEV'].includes(
        (error as NodeJS.ErrnoException).code ?? '',
      )
    ) {
      return otherwise
    }
    throw error
  }
}
