/** The three virtual services of the demonstration, one for each forwarding method, and what proves each. */

import { endpoint, type Pair, type RealServer, realServerAddresses, VIP } from '../lab/addresses.ts'

export interface DemoService {
  readonly method: 'NAT' | 'DR' | 'TUN'
  readonly address: string
  readonly family: keyof Pair
  readonly scheduler: string
  /** Weight of each real server. */
  readonly weights: Readonly<Record<RealServer, number>>
  /** Exactly whom the scheduler must pick how often, of {@link REQUESTS}; null where it depends on timing. */
  readonly shares: Readonly<Record<RealServer, number>> | null
}

/** Requests to each service, each on a connection of its own. */
export const REQUESTS = 60

export const PORT = 80

/** A real server's option in ipvsadm(8): `-m` masquerading, `-g` gatewaying, `-i` ipip. */
const METHOD_OPTION = { NAT: '-m', DR: '-g', TUN: '-i' } as const

export const DEMO_SERVICES: readonly DemoService[] = [
  {
    method: 'NAT',
    address: VIP.routed.v4,
    family: 'v4',
    scheduler: 'rr',
    weights: { rs1: 1, rs2: 1, rs3: 1 },
    shares: { rs1: 20, rs2: 20, rs3: 20 },
  },
  {
    method: 'DR',
    address: VIP.local.v4,
    family: 'v4',
    scheduler: 'wrr',
    weights: { rs1: 3, rs2: 2, rs3: 1 },
    shares: { rs1: 30, rs2: 20, rs3: 10 },
  },
  {
    method: 'TUN',
    address: VIP.routed.v6,
    family: 'v6',
    scheduler: 'wlc',
    weights: { rs1: 1, rs2: 1, rs3: 1 },
    shares: null,
  },
]

const realServers = Object.keys(DEMO_SERVICES[0]!.weights) as RealServer[]

/** What an operator would feed to `uipvsadm -R`. */
export const RULES: string = DEMO_SERVICES.map((service) => {
  const virtual = endpoint(service.address, PORT)
  const servers = realServers.map((server) => {
    const real = endpoint(realServerAddresses(server).back[service.family], PORT)
    return `-a -t ${virtual} -r ${real} ${METHOD_OPTION[service.method]} -w ${service.weights[server]}\n`
  })
  return `-A -t ${virtual} -s ${service.scheduler}\n${servers.join('')}`
}).join('')

/** The address at which a real server must have seen the requests: its own under NAT, else the VIP. */
export const addressSeen = (service: DemoService, server: RealServer): string =>
  service.method === 'NAT' ? realServerAddresses(server).back[service.family] : service.address

/** The answers to one service. */
export interface Outcome {
  readonly service: DemoService
  readonly byServer: ReadonlyMap<string, number>
  readonly failed: number
}

/** What was promised and did not happen, a sentence each; empty when all is well. */
export function complaints({ service, byServer, failed }: Outcome): string[] {
  const { method, shares } = service
  const found: string[] = []
  if (failed > 0) found.push(`${method}: ${failed} of ${REQUESTS} requests failed`)
  for (const server of realServers) {
    const answered = byServer.get(server) ?? 0
    if (answered === 0) found.push(`${method}: ${server} answered nothing`)
    else if (shares !== null && failed === 0 && answered !== shares[server]) {
      found.push(`${method}: ${service.scheduler} sent ${server} ${answered} requests, not ${shares[server]}`)
    }
  }
  const strangers = [...byServer.keys()].filter((body) => !realServers.includes(body as RealServer))
  return [...found, ...strangers.map((body) => `${method}: an answer says '${body}'`)]
}
