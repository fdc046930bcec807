/**
 * What connections outlive. A destination that was removed, or is reached by another method now, may have connections
 * still, and they go on: answers are translated, and a removed destination that comes back finds its connections. For
 * that the host must keep on doing what it did for them.
 */

import type { ServiceKey } from '../lib/service/key.ts'
import type { DestinationName } from './dataplane/messages.ts'
import type { RegisteredDestination, Registry } from './registry.ts'

/** A destination as it was. */
export interface LingeringDestination extends RegisteredDestination, DestinationName {
  readonly key: ServiceKey
}

export type Lingering = readonly LingeringDestination[]
export const NOTHING_LINGERS: Lingering = []

/** `lingering`, and what a change from `before` to `after` leaves behind. */
export function lingeringAfter(before: Registry, after: Registry, lingering: Lingering): Lingering {
  const left = outlived(before, after)
  const isRepeated = (each: LingeringDestination) => left.some((other) => isSame(each, other))
  return left.length === 0 ? lingering : [...lingering.filter((each) => !isRepeated(each)), ...left]
}

/** What was there and is not, or not by this method any more. */
function outlived(before: Registry, after: Registry): LingeringDestination[] {
  const left: LingeringDestination[] = []
  for (const [service, { key, destinations }] of before) {
    const now = after.get(service)
    if (now?.destinations === destinations) continue
    for (const [endpoint, destination] of destinations) {
      if (now?.destinations.get(endpoint)?.config.method === destination.config.method) continue
      left.push({ ...destination, key, service, endpoint })
    }
  }
  return left
}

const isSame = (a: LingeringDestination, b: LingeringDestination): boolean =>
  a.service === b.service && a.endpoint === b.endpoint && a.config.method === b.config.method
