/** How an understudy's packet got where it went, told in values: what was found, asked and made on the way. */

import { IpAddress } from '../bytes/address.ts'
import type { TemplateKey } from '../conn/connection-index.ts'
import type { ConnectionView } from '../conn/connection-view.ts'
import { FLAG, RECORD_WORDS, WORD } from '../conn/layout.ts'
import { type Destination, METHOD } from '../service/destination.ts'
import { type DestinationKey, formatEndpoint, formatServiceKey } from '../service/key.ts'
import { NOBODY_ID } from '../service/nobody.ts'
import { ineligibility } from '../service/scheduler.ts'
import type { VirtualService } from '../service/virtual-service.ts'
import type { Director } from './director.ts'
import type {
  CandidateExplained,
  ConnectionExplained,
  ConnectionPassedOver,
  ConnectionSummary,
  SchedulingExplained,
  ServiceExplained,
  ServiceFound,
  TemplateExplained,
  TemplatePassedOver,
} from './explanation.ts'
import type { MadeRecord, RehearsedConnections } from './rehearsed-connections.ts'
import type { FoundService, RehearsedServices } from './rehearsed-services.ts'

/** The tables that were rehearsed with, the director that they stand for, and when. */
export interface Rehearsal {
  readonly director: Director
  readonly services: RehearsedServices
  readonly connections: RehearsedConnections
  readonly nowMs: number
}

const METHOD_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(METHOD).map(([name, number]) => [number, name]),
)
const FTP_PORT = 21

/** The connection that the packet was found to belong to, before and behind it. */
export function tellConnection({ director, connections, nowMs }: Rehearsal): ConnectionExplained | null {
  const { found, over } = connections
  if (found === null) return null
  const before = director.connections.describe(found.real, nowMs)
  const after = summaryOf(director, connections.describe(found.copy, nowMs))
  const summary = summaryOf(director, before)
  const isOver = over.has(found.copy)
  const isSame = summary.state === after.state && summary.expiresSeconds === after.expiresSeconds
  return {
    ...summary,
    inPackets: before.inPackets,
    passedOver: isOver ? whyOver(director, director.services.destination(before.destinationId)) : null,
    becomes: isOver || isSame ? null : { state: after.state, expiresSeconds: after.expiresSeconds },
  }
}

/** A connection is over for one of three reasons; the two that the knob brings about show in its destination. */
function whyOver({ knobs }: Director, { id, isAvailable, weight }: Destination): ConnectionPassedOver {
  if (knobs.expire_nodest_conn === 0 || id === NOBODY_ID) return 'reused'
  if (!isAvailable) return 'destination-removed'
  return weight === 0 ? 'quiesced' : 'reused'
}

/** The service that the packet was for, or that its connection was made by. */
export function tellService({ director, services, connections, nowMs }: Rehearsal): ServiceExplained | null {
  const { found } = services
  if (found !== null) return serviceExplained(found.service, howFound(found))
  if (connections.found === null) {
    const caller = connections.query === null ? null : services.server
    return caller === null ? null : serviceExplained(caller.service, 'server')
  }
  const { destinationId } = director.connections.describe(connections.found.real, nowMs)
  if (destinationId === NOBODY_ID) return null
  return serviceExplained(director.services.destination(destinationId).service, 'connection')
}

const serviceExplained = ({ key, settings }: VirtualService, found: ServiceFound): ServiceExplained => ({
  key: formatServiceKey(key),
  found,
  scheduler: settings.scheduler,
  onePacket: settings.onePacket === true,
})

function howFound({ service, port }: FoundService): ServiceFound {
  if (service.key.kind === 'fwmark') return 'mark'
  if (service.port === port) return 'exact'
  return service.port === FTP_PORT ? 'ftp' : 'any-port'
}

/** The template that was looked for. */
export function tellTemplate({
  director,
  services,
  connections,
  nowMs,
}: Rehearsal): TemplateExplained | null {
  const { query, over } = connections
  if (query === null) return null
  const { key, engineData, found } = query
  const service = services.found?.service ?? services.server?.service
  const settings = service?.settings.persistence ?? null
  const view = found === null ? null : director.connections.describe(found.real, nowMs)
  const isOver = found !== null && over.has(found.copy)
  return {
    clients: clientsOf(key, settings?.granularity ?? null),
    virtual: virtualOf(key),
    engine: settings?.engine ?? null,
    engineData,
    bound:
      found === null || view === null
        ? null
        : {
            destination: formatEndpoint(director.services.destination(view.destinationId)),
            expiresSeconds: view.expiresSeconds,
            connections: director.connections.words[found.real * RECORD_WORDS + WORD.controlled]!,
          },
    passedOver:
      isOver && view !== null
        ? whyUnusable(director, director.services.destination(view.destinationId))
        : null,
  }
}

function whyUnusable({ knobs }: Director, { isAvailable, weight }: Destination): TemplatePassedOver {
  if (!isAvailable) return 'destination-removed'
  return weight === 0 && knobs.expire_quiescent_template !== 0 ? 'quiesced' : 'another-server'
}

/** `10.9.0.0/24`; a mask with holes as itself. */
function clientsOf(key: TemplateKey, granularity: number | null): string {
  const { family, clientW0, clientW1, clientW2, clientW3 } = key
  const address = new IpAddress(family, clientW0, clientW1, clientW2, clientW3)
  if (granularity === null) return `${address}`
  if (family === 6) return `${address}/${granularity}`
  const bits = Math.clz32(~granularity)
  const isPrefix = bits === 32 || granularity === -1 << (32 - bits)
  return isPrefix ? `${address}/${bits}` : `${address}/${new IpAddress(4, granularity)}`
}

/** Templates of marks have no protocol, and the mark in the address's place. */
function virtualOf({
  family,
  protocol,
  virtualW0,
  virtualW1,
  virtualW2,
  virtualW3,
  virtualPort,
}: TemplateKey): string {
  if (protocol === 0) return `fwmark:${virtualW0 >>> 0}`
  const address = new IpAddress(family, virtualW0, virtualW1, virtualW2, virtualW3)
  return formatEndpoint({ address, port: virtualPort })
}

/** What the scheduler was asked. */
export function tellScheduling({ services }: Rehearsal): SchedulingExplained | null {
  const { pick } = services
  if (pick === null) return null
  const { service, preview, supposed } = pick
  const picked = preview?.picked ?? null
  const candidates =
    preview?.candidates.map(({ destination, ...rest }) => ({ ...loadOf(destination), ...rest })) ??
    service.pool.map((destination) => ({ ...loadOf(destination), ...unexplained(destination) }))
  return {
    scheduler: service.settings.scheduler,
    by: preview?.by ?? null,
    picked: picked === null ? null : formatEndpoint(picked),
    supposed: picked === null && supposed !== null ? formatEndpoint(supposed) : null,
    candidates,
  }
}

/** Whether the scheduler, if it was asked, answers as it was supposed to. */
export const isForeseen = (scheduling: SchedulingExplained | null): boolean =>
  scheduling === null || (scheduling.by !== null && scheduling.supposed === null)

const loadOf = (destination: Destination) => ({
  destination: formatEndpoint(destination),
  weight: destination.weight,
  active: destination.active,
  inactive: destination.inactive,
})

const unexplained = (
  destination: Destination,
): Pick<CandidateExplained, 'score' | 'chance' | 'passedOver'> => ({
  score: null,
  chance: null,
  passedOver: ineligibility(destination),
})

/** The connections that were made: the packet's own, where it belonged to none, and then the one that its text announces. */
export function tellMade(rehearsal: Rehearsal): {
  readonly opened: ConnectionSummary | null
  readonly announced: ConnectionSummary | null
} {
  const { made } = rehearsal.connections
  const [first = null, second = null] = isKnown(rehearsal) ? [null, made[0]] : made
  return {
    opened: first === null ? null : madeSummary(rehearsal, first),
    announced: second === null ? null : madeSummary(rehearsal, second),
  }
}

/** Of a connection of one packet, which is over by now, all is still there but its flags and its time. */
function madeSummary(
  { director, connections, nowMs }: Rehearsal,
  { record, flags }: MadeRecord,
): ConnectionSummary {
  const summary = summaryOf(director, { ...connections.describe(record, nowMs), flags })
  return (flags & FLAG.onePacket) === 0 ? summary : { ...summary, expiresSeconds: 0 }
}

/** The packet belongs to a connection that there is. */
const isKnown = ({ connections: { found, over } }: Rehearsal): boolean =>
  found !== null && !over.has(found.copy)

/** The record by which the packet goes on, with the flags that tell its method; null where it belongs to none. */
export function recordOf(rehearsal: Rehearsal): MadeRecord | null {
  const { found, made, words } = rehearsal.connections
  if (found === null || !isKnown(rehearsal)) return made[0] ?? null
  return { record: found.copy, flags: words[found.copy * RECORD_WORDS + WORD.flags]! }
}

function summaryOf(director: Director, view: ConnectionView): ConnectionSummary {
  const protocol = director.protocol(view.protocol)
  return {
    protocol: protocol?.name ?? 'IP',
    client: formatEndpoint(view.client),
    virtual: formatEndpoint(view.virtual),
    destination: formatEndpoint(destinationOf(view)),
    method: methodName(view.flags),
    state: protocol?.states[view.state] ?? '',
    expiresSeconds: view.expiresSeconds,
  }
}

/** Where a connection leads; one past the pool, to where its packets are addressed. */
export const destinationOf = ({ destinationId, destination, virtual }: ConnectionView): DestinationKey =>
  destinationId === NOBODY_ID ? virtual : destination

/** The forwarding method in a connection's flags. */
export const methodName = (flags: number): string => METHOD_NAMES.get(flags & FLAG.methodMask) ?? ''
