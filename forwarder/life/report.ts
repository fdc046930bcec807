/** The report of the start: which way each service's packets take, and why. Pure. */

import type { DestinationReport, Report, ServiceReport } from '../../control/life.ts'
import type { Family } from '../../lib/bytes/address.ts'
import { formatServiceKey, serviceFamily } from '../../lib/service/key.ts'
import type { Way } from '../dataplane/messages.ts'
import type { IptablesVariant } from '../host/iptables.ts'
import { CHAINS, type ChainName } from '../host/rules.ts'
import {
  type Arrangement,
  isForwardedByKernel,
  type RegisteredDestination,
  type RegisteredService,
  type Registry,
} from '../registry.ts'

export interface HostFacts {
  /** The iptables in use for each family, null where none works. */
  readonly variants: Readonly<Record<Family, Pick<IptablesVariant, 'program' | 'backend'> | null>>
  /** Service traffic is left out of connection tracking. */
  readonly notrack: boolean
  /** Connections that the kernel tracks, null where it does not. */
  readonly trackedConnections: number | null
  readonly queueDriver: string
  readonly egressDriver: string
}

export function reportOf(registry: Registry, arrangement: Arrangement, facts: HostFacts): Report {
  const services = Array.from(registry.values(), (service) =>
    reportOfService(service, arrangement, facts.egressDriver),
  )
  return { host: sentencesOf(facts), services }
}

/** A service's report as one line, for the log. */
export function lineOf({ service, queue, superPackets, why, destinations }: ServiceReport): string {
  const packets = superPackets ? 'super-packets' : 'single packets'
  const paths = new Set(destinations.map(({ method, path }) => `${method}: ${path}`))
  return [`${service} by queue ${queue} (${packets}: ${why})`, ...paths].join('; ')
}

function sentencesOf({
  variants,
  notrack,
  trackedConnections,
  queueDriver,
  egressDriver,
}: HostFacts): string[] {
  const rules = ([4, 6] as const).map((family) => {
    const variant = variants[family]
    const by = variant === null ? 'refused: no iptables works' : `by ${variant.program} (${variant.backend})`
    return `IPv${family} services ${by}`
  })
  return [
    `rules: ${rules.join(', ')}`,
    `packets come by the queue driver ${queueDriver}; direct routing leaves by the egress driver ${egressDriver}`,
    trackedConnections === null || trackedConnections === 0
      ? 'fragments: put together by the director, nothing in the kernel does it'
      : "fragments: put together by the kernel's connection tracking",
    notrack
      ? 'connection tracking: left out for the traffic of services'
      : 'connection tracking: cannot be left out here, and may take rewritten packets for invalid',
  ]
}

/** One service's part of the report. */
export function reportOfService(
  { key, destinations }: RegisteredService,
  arrangement: Arrangement,
  egressDriver: string,
): ServiceReport {
  const all = [...destinations]
  const byOurHand = all.find(([, { config }]) => !isForwardedByKernel(config, arrangement))
  const masqueraded = all.filter(([, { config }]) => config.method === 'masquerading')
  return {
    service: formatServiceKey(key),
    requests: placeOf('UIPVS-REQUEST', serviceFamily(key)),
    replies:
      masqueraded.length > 0
        ? placeOf('UIPVS-REPLY', serviceFamily(key))
        : 'none pass here: no real server is masqueraded',
    queue: byOurHand === undefined ? arrangement.superQueue : arrangement.plainQueue,
    superPackets: byOurHand === undefined,
    why:
      byOurHand === undefined
        ? 'the kernel forwards to every real server, and cuts them itself'
        : `${byOurHand[0]} is reached by our own hand, which sends what fits the wire`,
    destinations: all.map(([endpoint, destination]) =>
      reportOfDestination(endpoint, destination, egressDriver),
    ),
  }
}

const PATHS = {
  masquerading: () => 'rewritten in the verdict, forwarded by the kernel',
  gatewaying: (egressDriver: string) =>
    egressDriver === 'route'
      ? 'unchanged, forwarded by the kernel by mark and policy route'
      : `unchanged, sent as a frame (egress driver ${egressDriver})`,
  ipip: () => 'with an outer header, by a raw socket',
} as const

const reportOfDestination = (
  endpoint: string,
  { config, way }: RegisteredDestination,
  egressDriver: string,
): DestinationReport => ({
  endpoint,
  method: config.method,
  path: PATHS[config.method](egressDriver),
  via: viaOf(config.address, way),
  mtuBytes: way?.mtuBytes ?? null,
})

function viaOf(address: string, way: Way | null): string | null {
  if (way === null) return null
  if (way.hop === null) return 'a route'
  const { deviceName, gateway } = way.hop
  return gateway === address ? deviceName : `${deviceName}, gateway ${gateway}`
}

function placeOf(name: ChainName, family: Family): string {
  const chain = CHAINS.find((each) => each.name === name)
  return `${family === 4 ? 'iptables' : 'ip6tables'} ${chain?.table} ${chain?.hook}, chain ${name}`
}
