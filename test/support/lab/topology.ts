/**
 * The wiring of a laboratory, as the `ip -batch` lines and sysctls that make it: pure text, applied by `lab.ts`.
 *
 *     client ── front net ─┬─ director ── back net ─┬─ rs1
 *                          │                        ├─ rs2
 *                          └────── rs1 rs2 rs3      └─ rs3
 *
 * Real servers reach the client in two ways. Replies from their own address (masquerading) take the default route
 * back through the director; replies from a VIP (gatewaying and ipip) are routed by source out of `front`.
 */

import {
  CLIENT,
  DIRECTOR,
  type Host,
  NETS,
  type Pair,
  type RealServer,
  realServerAddresses,
  VIP,
  type VipKind,
} from './addresses.ts'

export interface Topology {
  readonly realServers: readonly RealServer[]
  readonly vips: readonly VipKind[]
  /** Two plain veth pairs instead of bridges: for measuring. One real server, which then has no front device. */
  readonly isDirect: boolean
  readonly mtu: { readonly front: number; readonly back: number }
}

/** The routing table of real servers for packets that carry a VIP as source. */
const REPLY_TABLE = 177

/** The hosts of a topology, in a fixed order. */
export const hostsOf = (topology: Topology): Host[] => [
  'client',
  'director',
  ...topology.realServers,
  ...(topology.isDirect ? [] : (['lan'] as const)),
]

/** Every device of the lab hosts (not of the `lan`), each called after its net. */
export function devicesOf(host: Host, { isDirect }: Topology): readonly ('front' | 'back')[] {
  if (host === 'lan') return []
  if (host === 'client') return ['front']
  if (host === 'director') return ['front', 'back']
  return isDirect ? ['back'] : ['front', 'back']
}

/** Makes the namespaces and the cables between them. `name` turns a host into its namespace. */
export function cabling(topology: Topology, name: (host: Host) => string): string[] {
  const hosts = hostsOf(topology)
  const lines = hosts.map((host) => `netns add ${name(host)}`)
  // Every device gets an index of its own: where both ends of a cable have the same, the kernel takes the device
  // for no cable at all and lets its carrier wait for a timer of a second (linkwatch's "urgent" events).
  let index = 100
  const end = (host: Host, device: string) => `name ${device} index ${++index} netns ${name(host)}`
  const cable = (host: Host, device: string, other: Host, otherDevice: string) =>
    lines.push(`link add ${end(host, device)} type veth peer ${end(other, otherDevice)}`)
  if (topology.isDirect) {
    cable('client', 'front', 'director', 'front')
    cable('director', 'back', topology.realServers[0] as RealServer, 'back')
    return lines
  }
  for (const host of hosts) {
    for (const device of devicesOf(host, topology)) cable(host, device, 'lan', `${device}-${host}`)
  }
  return lines
}

/** Bridges and devices of one host, set up. */
export function links(host: Host, topology: Topology): string[] {
  if (host === 'lan') return bridges(topology)
  const devices = devicesOf(host, topology)
  return ['link set lo up', ...devices.map((device) => `link set ${device} up mtu ${topology.mtu[device]}`)]
}

/** Addresses, routes and rules of one host and one family: `ip` guesses no family for rules. */
export function addressing(host: Host, family: keyof Pair, topology: Topology): string[] {
  const vips = topology.vips.map((kind) => VIP[kind])
  if (host === 'lan') return []
  if (host === 'client') {
    return [
      onLink('front', CLIENT, family),
      `route add ${NETS.routed[family]} via ${DIRECTOR.front[family]}`,
      `route add ${NETS.back[family]} via ${DIRECTOR.front[family]}`,
    ]
  }
  if (host === 'director') {
    return [
      onLink('front', DIRECTOR.front, family),
      onLink('back', DIRECTOR.back, family),
      ...(topology.vips.includes('local') ? [alone('front', VIP.local, family)] : []),
    ]
  }
  const { front, back } = realServerAddresses(host)
  const lines = [
    onLink('back', back, family),
    `route add default via ${DIRECTOR.back[family]}`,
    ...vips.map((vip) => alone('lo', vip, family)),
  ]
  if (topology.isDirect) return lines
  // No prefix route in the main table: the way to the client is through the director, except for VIPs.
  return [
    ...lines,
    `${onLink('front', front, family)} noprefixroute`,
    `route add ${NETS.front[family]} dev front table ${REPLY_TABLE}`,
    ...vips.map((vip) => `rule add from ${vip[family]} lookup ${REPLY_TABLE} pref ${REPLY_TABLE}`),
  ]
}

const onLink = (device: string, pair: Pair, family: keyof Pair): string =>
  `addr add ${pair[family]}/${family === 'v4' ? 24 : 64} dev ${device} ${NO_DETECTION[family]}`

const alone = (device: string, pair: Pair, family: keyof Pair): string =>
  `addr add ${pair[family]}/${family === 'v4' ? 32 : 128} dev ${device} ${NO_DETECTION[family]}`

/** An IPv6 address that is usable at once: nobody else could have it. */
const NO_DETECTION: Pair = { v4: '', v6: 'nodad' }

function bridges(topology: Topology): string[] {
  const lines = ['front', 'back'].map((net) => `link add ${net} type bridge forward_delay 0 mcast_snooping 0`)
  for (const host of hostsOf(topology)) {
    for (const device of devicesOf(host, topology)) {
      lines.push(`link set ${device}-${host} up mtu ${topology.mtu[device]} master ${device}`)
    }
  }
  return [...lines, 'link set front up', 'link set back up']
}

/** Settings in force before any device is up, as sysctl names and values. */
export function sysctls(host: Host, topology: Topology): string[] {
  if (host === 'lan') return ['net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1']
  const settings = ['all', 'default', ...devicesOf(host, topology)].flatMap((device) => [
    // Kernels and distributions differ in rp_filter; 0 is the kernel's own, and what asymmetric replies need.
    `net.ipv4.conf.${device}.rp_filter=0`,
    // Nobody announces routers here, and nobody else could have our addresses: link-local ones are usable at once.
    `net.ipv6.conf.${device}.accept_ra=0`,
    `net.ipv6.conf.${device}.accept_dad=0`,
  ])
  if (host === 'client') return settings
  if (host === 'director') return [...settings, 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']
  // The classic advice for DR and TUN: never answer or announce by ARP what only `lo` holds.
  return [...settings, 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2']
}
