/** iproute2 at work: reads the kernel's routing, brings it in line with a plan, and looks up real servers. */

import type { Family } from '../../lib/bytes/address.ts'
import { CommandError, runCommand } from './command.ts'
import {
  isOurTable,
  type KernelRoute,
  type KernelRouting,
  type KernelRule,
  planRouting,
  ROUTING_RANGE,
  type RoutedHop,
  type RoutingRange,
  routingChanges,
} from './routing.ts'

/** How packets to an address leave this host. */
export interface ResolvedHop {
  /** The next hop: the address itself where it is on the link. */
  readonly gateway: string
  readonly deviceName: string
  readonly deviceIndex: number
  /** The route's MTU where it has one, else the device's. */
  readonly mtuBytes: number
  /** The address that the kernel would send from; null where the device has none. */
  readonly sourceAddress: string | null
}

/** What `ip -json route get` and `ip -json link` print, as far as it is read here. */
interface RouteGet {
  readonly type?: string
  readonly gateway?: string
  readonly via?: { readonly host: string }
  readonly dev?: string
  readonly prefsrc?: string
  readonly metrics?: readonly { readonly mtu?: number }[]
}
interface Link {
  readonly ifindex: number
  readonly mtu: number
}

/**
 * The way to `address`, `'local'` when it is an address of this host, or null when there is no route to it.
 * @throws when iproute2 cannot be run
 */
export async function resolveHop(address: string): Promise<ResolvedHop | 'local' | null> {
  const found = await answerOrNull<RouteGet>(['-json', 'route', 'get', address])
  const route = found?.[0]
  if (route === undefined) return null
  if (route.type === 'local') return 'local'
  if (route.dev === undefined || (route.type !== undefined && route.type !== 'unicast')) return null
  const [link] = await listed<Link>(['-json', 'link', 'show', 'dev', route.dev])
  if (link === undefined) throw new Error(`ip link show dev ${route.dev} listed no device`)
  return {
    gateway: route.gateway ?? route.via?.host ?? address,
    deviceName: route.dev,
    deviceIndex: link.ifindex,
    mtuBytes: route.metrics?.find((metric) => metric.mtu !== undefined)?.mtu ?? link.mtu,
    sourceAddress: route.prefsrc ?? null,
  }
}

/**
 * Makes the kernel's rules and routes agree with `hops` in both families, by difference. `record` is called
 * before the first change and not at all when there is nothing to change.
 */
export async function applyRouting(
  hops: readonly RoutedHop[],
  { range = ROUTING_RANGE, record = () => undefined }: { range?: RoutingRange; record?: () => void } = {},
): Promise<void> {
  for (const family of [4, 6] as const) {
    const plan = planRouting(family, hops, range)
    const actual = await readRouting(family, range)
    if (actual === null) {
      if (plan.routes.size > 0)
        throw new Error(`IPv${family} is switched off in this kernel: no route for direct routing`)
      continue
    }
    const changes = routingChanges(plan, actual, range)
    if (changes.length === 0) continue
    record()
    await runCommand('ip', [`-${family}`, '-batch', '-'], { input: `${changes.join('\n')}\n` })
  }
}

/** One family's rules and the routes of our tables, or null where the kernel does not have the family. */
export async function readRouting(family: Family, range = ROUTING_RANGE): Promise<KernelRouting | null> {
  const rules = await answerOrNull<KernelRule>(['-N', '-json', '-details', `-${family}`, 'rule', 'show'])
  if (rules === null || rules.length === 0) return null
  // The kernel picks by protocol: a host with a full Internet table would print a million routes otherwise.
  const chosen = ['table', 'all', 'protocol', `${range.protocol}`]
  const routes = await listed<KernelRoute>(['-N', '-json', `-${family}`, 'route', 'show', ...chosen])
  return { rules, routes: routes.filter(({ table }) => isOurTable(table, range)) }
}

/** The network devices here. */
export async function listDevices(): Promise<
  readonly { readonly name: string; readonly mtuBytes: number }[]
> {
  const links = await listed<Link & { ifname: string }>(['-json', 'link', 'show'])
  return links.map((link) => ({ name: link.ifname, mtuBytes: link.mtu }))
}

/** What `ip` prints as a JSON list; it prints nothing at all for some empty lists. */
async function listed<Row>(args: readonly string[]): Promise<readonly Row[]> {
  const text = (await runCommand('ip', args)).trim()
  if (text === '') return []
  try {
    return JSON.parse(text) as Row[]
  } catch (cause) {
    throw new Error(`ip ${args.join(' ')} did not print JSON (iproute2 4.20 or later is needed)`, { cause })
  }
}

/** The same, or null when the kernel refuses: `ip` exits with 2 then, and with 1 for its own mistakes. */
async function answerOrNull<Row>(args: readonly string[]): Promise<readonly Row[] | null> {
  try {
    return await listed<Row>(args)
  } catch (error) {
    if (error instanceof CommandError && error.status === 2) return null
    throw error
  }
}
