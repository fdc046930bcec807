/** Policy routing for direct routing, as a plan and as a difference to what the kernel has. Pure. */

import { type Family, parseAddress } from '../../lib/bytes/address.ts'
import type { Hop } from '../egress/egress.ts'

/** A hop that packets reach by a mark: those with `mark` under `mask` leave by it. */
export interface RoutedHop {
  readonly hop: Hop
  readonly mark: number
  readonly mask: number
}

/**
 * The preferences and table numbers that are ours: whatever stands in them is taken for our own. Written to the
 * undo journal, so that a later version with other numbers still finds what an earlier one left.
 */
export interface RoutingRange {
  /** Of the rules that match marks; the `local` rule moves to the one after. */
  readonly preference: number
  /** Table of slot `n` is `tableBase + n`, for `n` up to {@link tableCount}. */
  readonly tableBase: number
  readonly tableCount: number
  /** The routing protocol number (`rtm_protocol`) that our rules and routes carry; 117 is nobody's in rt_protos. */
  readonly protocol: number
}

export const ROUTING_RANGE: RoutingRange = {
  preference: 1,
  tableBase: 7_860_000,
  tableCount: 4096,
  protocol: 117,
}

/** A routing rule as `ip -N -json rule` prints it: numbers as text, and more fields than are named here. */
export interface KernelRule {
  readonly priority: number
  readonly src?: string
  readonly table?: string
  readonly fwmark?: string
  readonly fwmask?: string
  readonly protocol?: string
  readonly [selector: string]: unknown
}

/** A route as `ip -N -json route` prints it. */
export interface KernelRoute {
  readonly table?: string
  readonly dst: string
  readonly gateway?: string
  /** Instead of {@link gateway} where it is of the other family. */
  readonly via?: { readonly host: string }
  readonly dev?: string
  readonly [attribute: string]: unknown
}

/** One family's rules and the routes in our tables. */
export interface KernelRouting {
  readonly rules: readonly KernelRule[]
  readonly routes: readonly KernelRoute[]
}

/** One family's wanted routing, each entry keyed by what makes it the same entry, in order of slot. */
export interface RoutingPlan {
  readonly family: Family
  readonly routes: ReadonlyMap<number, { readonly gateway: string; readonly deviceName: string }>
  readonly rules: ReadonlyMap<
    string,
    { readonly mark: number; readonly mask: number; readonly table: number }
  >
}

const LOCAL_TABLE = '255'

/**
 * What `hops` of one family need: a table each with one default route, and a rule that leads the mark there.
 * @throws on a slot without a table, on a mark that its mask hides, and on two hops with one slot or mark
 */
export function planRouting(family: Family, hops: readonly RoutedHop[], range = ROUTING_RANGE): RoutingPlan {
  const routes = new Map<number, { gateway: string; deviceName: string }>()
  const rules = new Map<string, { mark: number; mask: number; table: number }>()
  const ours = hops.filter(({ hop }) => familyOf(hop.destination) === family)
  for (const { hop, mark, mask } of [...ours].sort((a, b) => a.hop.slot - b.hop.slot)) {
    if (!Number.isInteger(hop.slot) || hop.slot < 1 || hop.slot > range.tableCount)
      throw new RangeError(
        `slot ${hop.slot} of ${hop.destination} has no routing table: 1 to ${range.tableCount} have`,
      )
    if ((mark & mask) === 0 || (mark & ~mask) !== 0)
      throw new RangeError(
        `mark ${hex(mark)} of ${hop.destination} is not a mark under the mask ${hex(mask)}`,
      )
    const table = range.tableBase + hop.slot
    const rule = { mark, mask, table }
    if (routes.has(table))
      throw new RangeError(`slot ${hop.slot} is given to two hops, one is ${hop.destination}`)
    if ([...rules.values()].some((other) => other.mark === mark && other.mask === mask))
      throw new RangeError(`mark ${hex(mark)} is given to two hops, one is ${hop.destination}`)
    routes.set(table, { gateway: hop.gateway, deviceName: hop.deviceName })
    rules.set(ruleKey(rule), rule)
  }
  return { family, routes, rules }
}

/**
 * The lines for `ip -batch -` that lead from `actual` to `plan`; none when they agree.
 *
 * While there is any rule of ours the `local` table is consulted after it: a packet to a virtual address that is
 * also an address of the director would otherwise be delivered here in spite of its mark. That holds whether or
 * not the address is there now, since a VRRP daemon may bring it at any moment. The kernel's own rule is not
 * moved but doubled, and then the one or the other copy deleted: there is no moment without a `local` rule.
 * @throws when somebody else's rule would come to stand before the `local` table by that
 */
export function routingChanges(plan: RoutingPlan, actual: KernelRouting, range = ROUTING_RANGE): string[] {
  const ours = actual.rules.filter((rule) => isOurs(rule, range))
  const kept = new Set(ours.map(kernelRuleKey).filter((key) => plan.rules.has(key)))
  const staleRules = ours.filter((rule) => !kept.has(kernelRuleKey(rule)))
  const newRules = [...plan.rules].filter(([key]) => !kept.has(key)).map(([, rule]) => rule)

  const held = new Map(actual.routes.map((route) => [Number(route.table), route]))
  const newRoutes = [...plan.routes].filter(([table, wanted]) => !sameRoute(held.get(table), wanted))
  const staleTables = [...held.keys()].filter((table) => !plan.routes.has(table)).sort((a, b) => a - b)

  const { preference, protocol } = range
  const local = localRules(actual.rules)
  const [first, later] = [local.get(0), local.get(preference + 1)]
  const movesAway = plan.rules.size > 0 && first !== undefined
  const comesBack = plan.rules.size === 0 && later !== undefined
  if (movesAway) refuseRulesBetween(actual.rules, range)

  return [
    ...staleRules.map(
      (rule) =>
        `rule del pref ${preference} fwmark ${rule.fwmark}/${rule.fwmask ?? '0xffffffff'} lookup ${rule.table}`,
    ),
    ...newRoutes.map(
      ([table, { gateway, deviceName }]) =>
        `route replace table ${table} default via ${nextHop(gateway, plan.family)} dev ${deviceName} onlink protocol ${protocol}`,
    ),
    ...(movesAway && later === undefined ? [localRule('add', preference + 1, first)] : []),
    ...newRules.map(
      ({ mark, mask, table }) =>
        `rule add pref ${preference} fwmark ${hex(mark)}/${hex(mask)} protocol ${protocol} lookup ${table}`,
    ),
    ...(movesAway ? [localRule('del', 0, first)] : []),
    ...(comesBack && first === undefined ? [localRule('add', 0, later)] : []),
    ...(comesBack ? [localRule('del', preference + 1, later)] : []),
    ...staleTables.map((table) => `route flush table ${table} protocol ${protocol}`),
  ]
}

/** Whether a rule is one that leads a mark to a hop. */
export const isOurs = (rule: KernelRule, range: RoutingRange): boolean =>
  rule.priority === range.preference &&
  Number(rule.protocol) === range.protocol &&
  rule.fwmark !== undefined &&
  isOurTable(rule.table, range)

/** Whether a table number is in our range; routes of other tables are never read nor changed. */
export const isOurTable = (table: string | undefined, { tableBase, tableCount }: RoutingRange): boolean => {
  const slot = Number(table) - tableBase
  return slot >= 1 && slot <= tableCount
}

/** The rules that lead everything to the `local` table, by preference; one with further selectors is not such a rule. */
function localRules(rules: readonly KernelRule[]): ReadonlyMap<number, KernelRule> {
  const plain = new Set(['priority', 'src', 'table', 'protocol'])
  const found = rules.filter(
    (rule) =>
      rule.table === LOCAL_TABLE && rule.src === 'all' && Object.keys(rule).every((key) => plain.has(key)),
  )
  return new Map(found.map((rule) => [rule.priority, rule]))
}

function refuseRulesBetween(rules: readonly KernelRule[], range: RoutingRange): void {
  const { preference } = range
  const between = rules.find(
    (rule) =>
      rule.priority > 0 &&
      rule.priority <= preference + 1 &&
      !isOurs(rule, range) &&
      rule.table !== LOCAL_TABLE,
  )
  if (between === undefined) return
  throw new Error(
    `the routing rule at preference ${between.priority} (lookup ${between.table ?? 'nothing'}) is in the way: ` +
      `direct routing needs the preferences ${preference} and ${preference + 1} for itself, so that the local ` +
      `table stays ahead of everybody else's rules. Give that rule a preference above ${preference + 1}`,
  )
}

/** The protocol is kept, so that the rule that comes back is the very one that the kernel made. */
const localRule = (action: 'add' | 'del', preference: number, { protocol }: KernelRule): string =>
  `rule ${action} pref ${preference}${protocol === undefined ? '' : ` protocol ${protocol}`} lookup ${LOCAL_TABLE}`

const sameRoute = (
  held: KernelRoute | undefined,
  wanted: { readonly gateway: string; readonly deviceName: string },
): boolean =>
  held !== undefined &&
  held.dst === 'default' &&
  (held.gateway ?? held.via?.host) === wanted.gateway &&
  held.dev === wanted.deviceName

/** The address, with its family named where it is not the route's own (RFC 5549 next hops). */
const nextHop = (gateway: string, family: Family): string =>
  familyOf(gateway) === 6 && family === 4 ? `inet6 ${gateway}` : gateway

const ruleKey = ({ mark, mask, table }: { mark: number; mask: number; table: number }): string =>
  `${hex(mark)}/${hex(mask)} ${table}`

const kernelRuleKey = ({ fwmark, fwmask, table }: KernelRule): string =>
  ruleKey({
    mark: Number(fwmark),
    mask: fwmask === undefined ? 0xffff_ffff : Number(fwmask),
    table: Number(table),
  })

const familyOf = (address: string): Family | null => parseAddress(address)?.family ?? null
const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`
