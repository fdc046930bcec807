/** Virtual services to netfilter rules, as text for iptables-restore. Pure: nothing here touches the host. */

import type { Family, IpAddress } from '../../lib/bytes/address.ts'
import { type ServiceKey, serviceFamily, type Transport } from '../../lib/service/key.ts'

/** A virtual service whose packets are sent to a queue. */
export interface RedirectedService {
  readonly key: ServiceKey
  readonly queueNumber: number
  /** Masqueraded real servers, whose replies are taken in FORWARD; port 0 is any port. */
  readonly replySources: readonly ReplySource[]
  /** Announces connections to other ports as it goes: those of FTP. Its masqueraded servers do. */
  readonly announcesPorts?: boolean
  /** The director's own addresses that its tunnels come from: errors about their packets come there. */
  readonly tunnelSources?: readonly IpAddress[]
}

export interface ReplySource {
  readonly address: IpAddress
  readonly port: number
  readonly transport: Transport | 'any'
  /** This host itself: its replies are taken in OUTPUT. */
  readonly isLocal?: boolean
}

export interface RuleOptions {
  /** Leave service traffic out of connection tracking; needs the `CT` target. */
  readonly notrack: boolean
  /** Queue ICMP errors to virtual addresses and from masqueraded real servers too. */
  readonly icmpErrors: boolean
  /**
   * Queue the later fragments of datagrams to virtual addresses too: they carry no ports. Only needed where
   * nothing in the network namespace reassembles (connection tracking does).
   */
  readonly laterFragments: boolean
  /** Queue pings of virtual addresses: the director answers them. */
  readonly echoRequests: boolean
}

export const RULE_DEFAULTS: RuleOptions = {
  notrack: true,
  icmpErrors: false,
  laterFragments: false,
  echoRequests: false,
}

/** Input for `iptables-restore --noflush` and `ip6tables-restore --noflush`. */
export interface RuleText {
  readonly ipv4: string
  readonly ipv6: string
}

/** The chains that are ours, where each hangs, and what goes there. Nothing else of netfilter is touched. */
export const CHAINS = [
  { name: 'UIPVS-REQUEST', table: 'mangle', hook: 'PREROUTING' },
  { name: 'UIPVS-REPLY', table: 'mangle', hook: 'FORWARD' },
  { name: 'UIPVS-LOCAL', table: 'mangle', hook: 'OUTPUT' },
  { name: 'UIPVS-NOTRACK', table: 'raw', hook: 'PREROUTING' },
] as const

export type ChainName = (typeof CHAINS)[number]['name']

/**
 * The rules for `services`: the same services give the same text in whatever order they come, except that of
 * two that ask for the same packets the first is kept. Every chain is declared, and so flushed, in every
 * text: restoring it replaces the chain's rules in one step.
 */
export function planRules(
  services: readonly RedirectedService[],
  options: Partial<RuleOptions> = {},
): RuleText {
  const settled = { ...RULE_DEFAULTS, ...options }
  return { ipv4: planFamily(4, services, settled), ipv6: planFamily(6, services, settled) }
}

/** One rule: which packets, and where it stands among the others of its chain. */
interface Rule {
  readonly match: string
  readonly target: string
  /** NFQUEUE ends a packet's way through the chain: the narrower match must come first. */
  readonly rank: number
}

function planFamily(family: Family, services: readonly RedirectedService[], options: RuleOptions): string {
  const ours = services.filter((service) => serviceFamily(service.key) === family)
  const replies = (isWanted: (source: ReplySource) => boolean) =>
    ours.flatMap((service) =>
      service.replySources
        .filter((source) => source.address.family === family && isWanted(source))
        .flatMap((source) => replyRules(source, service, options)),
    )
  const rules: Record<ChainName, Rule[]> = {
    'UIPVS-REQUEST': [
      ...ours.flatMap((service) => requestRules(service, options)),
      ...services.flatMap((service) => tunnelRules(service, family)),
    ],
    'UIPVS-REPLY': replies(({ isLocal }) => isLocal !== true),
    'UIPVS-LOCAL': replies(({ isLocal }) => isLocal === true),
    'UIPVS-NOTRACK': options.notrack ? ours.flatMap((service) => notrackRules(service, family)) : [],
  }
  const tables = ['mangle', 'raw'] as const
  return tables
    .filter((table) => table !== 'raw' || options.notrack)
    .map((table) => tableText(table, rules))
    .join('')
}

function tableText(table: 'mangle' | 'raw', rules: Readonly<Record<ChainName, readonly Rule[]>>): string {
  const chains = CHAINS.filter((chain) => chain.table === table)
  return [
    `*${table}`,
    ...chains.map((chain) => `:${chain.name} - [0:0]`),
    ...chains.flatMap(({ name }) =>
      inOrder(rules[name]).map((rule) => `-A ${name} ${rule.match} -j ${rule.target}`),
    ),
    'COMMIT\n',
  ].join('\n')
}

/** Narrow before wide, then by text; of rules for the same packets only the first given is kept. */
function inOrder(rules: readonly Rule[]): readonly Rule[] {
  const firstByMatch = new Map<string, Rule>()
  for (const rule of rules) if (!firstByMatch.has(rule.match)) firstByMatch.set(rule.match, rule)
  return [...firstByMatch.values()].sort((a, b) => a.rank - b.rank || (a.match < b.match ? -1 : 1))
}

/** A service is looked up by mark first, then by exact port, then by port 0: the chains keep that order. */
const RANK = { fwmark: 0, exactPort: 1, anyPort: 2, anyTransport: 3, fragment: 4, icmp: 5 } as const

function requestRules(service: RedirectedService, options: RuleOptions): Rule[] {
  const { key, queueNumber } = service
  const target = nfqueue(queueNumber)
  if (key.kind === 'fwmark')
    return [{ match: `-m mark --mark ${hex(key.fwmark)}/0xffffffff`, target, rank: RANK.fwmark }]
  const { family } = key.address
  const to = `-d ${host(key.address)}`
  return [
    portRule(`${to} -p ${key.transport}`, '--dport', key, target),
    ...announcedRules(to, service),
    ...keyExchangeRules(to, key, target, family),
    ...besides(to, family, key.transport, target, options),
    ...echoRules(to, family, target, options),
  ]
}

function replyRules(source: ReplySource, service: RedirectedService, options: RuleOptions): Rule[] {
  const { key, queueNumber } = service
  const { family } = source.address
  const target = nfqueue(queueNumber)
  const from = `-s ${host(source.address)}`
  // Without a transport the match is the whole address: fragments and ICMP errors are among it.
  if (source.transport === 'any' && source.port === 0)
    return [{ match: from, target, rank: RANK.anyTransport }]
  return transportsOf(source).flatMap((transport) => [
    portRule(`${from} -p ${transport}`, '--sport', source, target),
    ...announcedRules(from, service),
    ...keyExchangeRules(from, key, target, family),
    ...besides(from, family, transport, target, options),
  ])
}

/** Pings, and what else of them there is where they come in fragments. */
function echoRules(end: string, family: Family, target: string, options: RuleOptions): Rule[] {
  if (!options.echoRequests) return []
  const requests = { match: `${end} ${icmpMatch(family, ECHO_REQUEST[family])}`, target, rank: RANK.icmp }
  const protocol = family === 4 ? 'icmp' : 'ipv6-icmp'
  const rest = { match: `${end} -p ${protocol} ${FRAGMENT_MATCH[family]}`, target, rank: RANK.fragment }
  return options.laterFragments ? [requests, rest] : [requests]
}

/** The connections that are announced may be of any port. */
const announcedRules = (end: string, { announcesPorts, queueNumber }: RedirectedService): Rule[] =>
  announcesPorts === true
    ? [{ match: `${end} -p tcp`, target: nfqueue(queueNumber), rank: RANK.anyPort }]
    : []

/** AH and ESP follow the key exchange on UDP port 500. To ip6tables AH is an extension header, and no protocol. */
function keyExchangeRules(end: string, key: ServiceKey, target: string, family: Family): Rule[] {
  if (key.kind === 'fwmark' || key.transport !== 'udp' || (key.port !== 500 && key.port !== 0)) return []
  const protocols = family === 4 ? ['ah', 'esp'] : ['esp']
  return protocols.map((protocol) => ({ match: `${end} -p ${protocol}`, target, rank: RANK.anyPort }))
}

/** What routers say of the packets that we send through tunnels. */
const tunnelRules = ({ tunnelSources, queueNumber }: RedirectedService, family: Family): Rule[] =>
  (tunnelSources ?? [])
    .filter((address) => address.family === family)
    .flatMap((address) => errorRules(`-d ${host(address)}`, family, nfqueue(queueNumber)))

/**
 * Both directions of a service, so that connection tracking does not judge packets that userspace rewrites.
 *
 * A firewall-mark service has no request rule here: `raw` comes before `mangle`, where marks are set. And a
 * reply source with port 0 has none: it would also leave untracked what a real server starts by itself
 * through the director, and so take away its source NAT.
 */
function notrackRules({ key, replySources }: RedirectedService, family: Family): Rule[] {
  const target = 'CT --notrack'
  const requests =
    key.kind === 'address'
      ? [portRule(`-d ${host(key.address)} -p ${key.transport}`, '--dport', key, target)]
      : []
  const replies = replySources
    .filter((source) => source.address.family === family && source.port !== 0)
    .flatMap((source) =>
      transportsOf(source).map((transport): Rule => {
        const match = `-s ${host(source.address)} -p ${transport} -m ${transport} --sport ${source.port}`
        // The director's own connections to a real server stay tracked: their replies are for itself.
        return { match: `${match} -m addrtype ! --dst-type LOCAL`, target, rank: RANK.exactPort }
      }),
    )
  return [...requests, ...replies]
}

function portRule(
  match: string,
  side: '--dport' | '--sport',
  { port }: { port: number },
  target: string,
): Rule {
  if (port === 0) return { match, target, rank: RANK.anyPort }
  const transport = match.slice(match.lastIndexOf(' ') + 1)
  return { match: `${match} -m ${transport} ${side} ${port}`, target, rank: RANK.exactPort }
}

/** What belongs to connections of an endpoint without showing its port. */
function besides(
  end: string,
  family: Family,
  transport: Transport,
  target: string,
  options: RuleOptions,
): Rule[] {
  const rules: Rule[] = []
  if (options.laterFragments) {
    rules.push({ match: `${end} -p ${transport} ${FRAGMENT_MATCH[family]}`, target, rank: RANK.fragment })
  }
  if (options.icmpErrors) rules.push(...errorRules(end, family, target))
  return rules
}

const errorRules = (end: string, family: Family, target: string): Rule[] =>
  ICMP_ERROR_TYPES[family].map((type) => ({
    match: `${end} ${icmpMatch(family, type)}`,
    target,
    rank: RANK.icmp,
  }))

const icmpMatch = (family: Family, type: number): string =>
  family === 4 ? `-p icmp -m icmp --icmp-type ${type}` : `-p ipv6-icmp -m icmp6 --icmpv6-type ${type}`

/** Unreachable, source quench and time exceeded; for ICMPv6 unreachable, too big, time exceeded and bad parameter. */
const ICMP_ERROR_TYPES: Readonly<Record<Family, readonly number[]>> = { 4: [3, 4, 11], 6: [1, 2, 3, 4] }
/** `-f` is the second fragment and those after it; IPv6 has only "any fragment", the first being matched before. */
const FRAGMENT_MATCH: Readonly<Record<Family, string>> = { 4: '-f', 6: '-m frag' }
const ECHO_REQUEST: Readonly<Record<Family, number>> = { 4: 8, 6: 128 }

const ALL_TRANSPORTS: readonly Transport[] = ['tcp', 'udp', 'sctp']

const transportsOf = ({ transport }: ReplySource): readonly Transport[] =>
  transport === 'any' ? ALL_TRANSPORTS : [transport]

const host = (address: IpAddress): string => `${address}/${address.family === 4 ? 32 : 128}`
const hex = (mark: number): string => `0x${(mark >>> 0).toString(16)}`
const nfqueue = (queueNumber: number): string => `NFQUEUE --queue-num ${queueNumber}`
