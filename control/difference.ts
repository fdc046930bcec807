/** The smallest set of changes that leads from one configuration to another. */

import { formatEndpoint, formatServiceKey } from '../lib/service/key.ts'
import type { Change, Configuration, ConfiguredService, WantedConfiguration } from './configuration.ts'
import { endpointOf, keyOf } from './identity.ts'
import { canonicalValue } from './knobs.ts'
import type { DestinationConfig, ServiceConfig, Timeouts } from './schema.ts'

/**
 * What has to change for `wanted` to be in force where `before` is. Nothing is named that stays as it is, nor is the
 * order of services and real servers a difference. In an order in which the changes can be made one by one: what is
 * added first, what is removed last, and real servers after their service is there and before it is gone.
 *
 * A service or real server that `wanted` names twice must have been refused before.
 */
export function difference(before: Configuration, wanted: WantedConfiguration): Change[] {
  const [old, now] = [servicesById(before.services), servicesById(wanted.services)]
  const added: Change[] = []
  const edited: Change[] = []
  const removed: Change[] = []
  for (const [service, { config, destinations }] of now) {
    const former = old.get(service)
    if (former === undefined) added.push({ kind: 'service-added', service, after: config })
    else if (!isSame(former.config, config))
      edited.push({ kind: 'service-edited', service, before: former.config, after: config })
    for (const [endpoint, after] of destinations) {
      const server = former?.destinations.get(endpoint)
      if (server === undefined) added.push({ kind: 'destination-added', service, endpoint, after })
      else if (!isSame(server, after))
        edited.push({ kind: 'destination-edited', service, endpoint, before: server, after })
    }
  }
  for (const [service, { config, destinations }] of old) {
    const kept = now.get(service)?.destinations
    for (const [endpoint, server] of destinations) {
      if (!kept?.has(endpoint))
        removed.push({ kind: 'destination-removed', service, endpoint, before: server })
    }
    if (kept === undefined) removed.push({ kind: 'service-removed', service, before: config })
  }
  return [...added, ...edited, ...removed, ...timeoutChanges(before, wanted), ...knobChanges(before, wanted)]
}

/** The timeouts that a request leads to: 0 leaves a value as it is. */
export const timeoutsAfter = (before: Timeouts, { tcp, tcpFin, udp }: Timeouts): Timeouts => ({
  tcp: tcp === 0 ? before.tcp : tcp,
  tcpFin: tcpFin === 0 ? before.tcpFin : tcpFin,
  udp: udp === 0 ? before.udp : udp,
})

/** A service, without its real servers; and those. */
export function parted(configured: ConfiguredService): {
  readonly config: ServiceConfig
  readonly destinations: readonly DestinationConfig[]
} {
  const { destinations, ...config } = configured
  return { config, destinations }
}

interface Indexed {
  readonly config: ServiceConfig
  readonly destinations: ReadonlyMap<string, DestinationConfig>
}

function servicesById(services: readonly ConfiguredService[]): ReadonlyMap<string, Indexed> {
  const byId = new Map<string, Indexed>()
  for (const service of services) {
    const { config, destinations } = parted(service)
    byId.set(formatServiceKey(keyOf(config)), {
      config,
      destinations: new Map(destinations.map((each) => [formatEndpoint(endpointOf(each)), each])),
    })
  }
  return byId
}

function timeoutChanges(before: Configuration, wanted: WantedConfiguration): Change[] {
  if (wanted.timeouts === undefined) return []
  const after = timeoutsAfter(before.timeouts, wanted.timeouts)
  return isSame(before.timeouts, after) ? [] : [{ kind: 'timeouts-changed', before: before.timeouts, after }]
}

const knobChanges = (before: Configuration, { knobs = {} }: WantedConfiguration): Change[] =>
  Object.entries(knobs).flatMap(([knob, value]): Change[] => {
    const [former, after] = [before.knobs[knob], canonicalValue(knob, value)]
    return former === undefined || former === after
      ? []
      : [{ kind: 'knob-changed', knob, before: former, after }]
  })

/** Whether two JSON values are the same; the order of an object's keys does not matter. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(a[key as never], b[key as never]))
  )
}
