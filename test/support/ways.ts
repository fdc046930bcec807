/** The ways that a packet can go through a director: forwarding methods, families and kinds of VIP, as tables for tests. */

import { type Pair, type RealServer, realServerAddresses, VIP, type VipKind } from './lab/addresses.ts'

export type Family = keyof Pair
export type Method = 'masquerading' | 'gatewaying' | 'ipip'

/** `server` is the family of the real server's address: with ipip maybe another one than the service's. */
export interface Way {
  readonly method: Method
  readonly vip: VipKind
  readonly service: Family
  readonly server: Family
}

/** A real server of its own for each method, so that a packet that went astray is answered by the wrong one. */
export const SERVER_OF: Readonly<Record<Method, RealServer>> = {
  masquerading: 'rs1',
  gatewaying: 'rs2',
  ipip: 'rs3',
}

/** All there are, with a title each: for `it.each`. */
export const WAYS: readonly (readonly [title: string, way: Way])[] = (['local', 'routed'] as const).flatMap(
  (vip) =>
    (['v4', 'v6'] as const).flatMap((service) =>
      [
        { method: 'masquerading', vip, service, server: service } as const,
        { method: 'gatewaying', vip, service, server: service } as const,
        { method: 'ipip', vip, service, server: 'v4' } as const,
        { method: 'ipip', vip, service, server: 'v6' } as const,
      ].map((way) => [titleOf(way), way] as const),
    ),
)

function titleOf({ method, vip, service, server }: Way): string {
  const tunnel = method === 'ipip' ? ` over IP${server}` : ''
  return `${method}${tunnel}, IP${service} service, ${vip} VIP`
}

/** Both families of tunnels have ports of their own, since both lead to the same real server. */
const PORTS = {
  masquerading: { web: 8001, sum: 9001, echo: 5301 },
  gatewaying: { web: 8002, sum: 9002, echo: 5302 },
  ipip: { v4: { web: 8003, sum: 9003, echo: 5303 }, v6: { web: 8004, sum: 9004, echo: 5304 } },
} as const

/** What answers behind a service's port: nginx, `sha256sum`, or a UDP echo. */
export type Kind = 'web' | 'sum' | 'echo'
export const PROTOCOL_OF = { web: 'tcp', sum: 'tcp', echo: 'udp' } as const satisfies Record<
  Kind,
  'tcp' | 'udp'
>

/** The service's port. */
export const portOf = ({ method, server }: Way, kind: Kind): number =>
  (method === 'ipip' ? PORTS.ipip[server] : PORTS[method])[kind]

/** The real server's port: another one with masquerading, which alone can translate it. */
export const serverPortOf = (way: Way, kind: Kind): number =>
  portOf(way, kind) + (way.method === 'masquerading' ? 100 : 0)

export const vipOf = ({ vip, service }: Way): string => VIP[vip][service]
export const serverAddressOf = ({ method, server }: Way): string =>
  realServerAddresses(SERVER_OF[method]).back[server]

/** One way for each set of server ports: what has to listen, once. */
export const listeningWays = (): Way[] => [
  ...new Map(WAYS.map(([, way]) => [portOf(way, 'web'), way])).values(),
]

/** The services of a configuration file, with one real server each. */
export const servicesOf = (ways: readonly Way[], kinds: readonly Kind[]): object[] =>
  ways.flatMap((way) =>
    kinds.map((kind) => ({
      protocol: PROTOCOL_OF[kind],
      address: vipOf(way),
      port: portOf(way, kind),
      destinations: [{ address: serverAddressOf(way), port: serverPortOf(way, kind), method: way.method }],
    })),
  )
