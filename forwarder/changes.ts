/** Changes of the configuration: what the data path is asked for each, how it is undone, what it does to the registry. */

import type { Change } from '../control/configuration.ts'
import { keyOf } from '../control/identity.ts'
import type { DestinationConfig, KnobChanges } from '../control/schema.ts'
import type { ChangeRequest, Way } from './dataplane/messages.ts'
import { type RegisteredDestination, type Registry, serviceSettings } from './registry.ts'

type Removal = Extract<Change, { kind: `${string}-removed` }>

/** Whether something goes away, which the data path never refuses. */
export const isRemoval = (change: Change): change is Removal => change.kind.endsWith('-removed')

/** What undoes a change, as the data path is asked for it; `before` is the registry that knows the former ways. */
export function takeBackOf(change: Exclude<Change, Removal>, before: Registry): ChangeRequest {
  switch (change.kind) {
    case 'service-added':
      return { kind: 'remove-service', service: change.service }
    case 'destination-added':
      return { kind: 'remove-destination', service: change.service, endpoint: change.endpoint }
    default:
      return requestOf({ ...change, after: change.before } as Change, before)
  }
}

/** What the data path is asked to do. Ways to real servers are taken from `registry`, where they are known. */
export function requestOf(change: Change, registry: Registry): ChangeRequest {
  switch (change.kind) {
    case 'service-added':
      return { kind: 'add-service', service: change.service, settings: serviceSettings(change.after) }
    case 'service-edited':
      return { kind: 'edit-service', service: change.service, settings: serviceSettings(change.after) }
    case 'service-removed':
      return { kind: 'remove-service', service: change.service }
    case 'destination-added':
    case 'destination-edited': {
      const { service, endpoint, after: settings } = change
      const way = registry.get(service)?.destinations.get(endpoint)?.way ?? null
      const kind = change.kind === 'destination-added' ? 'add-destination' : 'edit-destination'
      return { kind, service, endpoint, settings, way }
    }
    case 'destination-removed':
      return { kind: 'remove-destination', service: change.service, endpoint: change.endpoint }
    case 'timeouts-changed':
      return { kind: 'set-timeouts', timeouts: change.after }
    case 'knob-changed':
      return { kind: 'set-knobs', changes: { [change.knob]: change.after } as KnobChanges }
  }
}

/** Whether there is what a change is about, or is not yet: where not, the data path's refusal says it best. */
export function isFeasible(change: Change, registry: Registry): boolean {
  if (!('service' in change)) return true
  const service = registry.get(change.service)
  if (!('endpoint' in change)) return (service !== undefined) === (change.kind !== 'service-added')
  return service?.destinations.has(change.endpoint) === (change.kind !== 'destination-added')
}

/**
 * The registry after feasible changes. `wayTo` is asked for the way to every real server that was added or edited;
 * what it throws ends the whole. Services that nothing changed are the same objects as before.
 */
export function registryAfter(
  before: Registry,
  changes: readonly Change[],
  wayTo: (config: DestinationConfig) => Way | null,
): Registry {
  const registry = new Map(before)
  /** Those services whose map of destinations is a copy by now. */
  const copied = new Map<string, Map<string, RegisteredDestination>>()
  const destinationsOf = (service: string): Map<string, RegisteredDestination> => {
    const known = copied.get(service)
    if (known !== undefined) return known
    const registered = registry.get(service)
    if (registered === undefined) throw new Error(`a change of ${service}, which the registry does not know`)
    const destinations = new Map(registered.destinations)
    copied.set(service, destinations)
    registry.set(service, { ...registered, destinations })
    return destinations
  }
  for (const change of changes) {
    switch (change.kind) {
      case 'service-added':
      case 'service-edited': {
        const { service, after: config } = change
        const destinations = registry.get(service)?.destinations ?? new Map()
        registry.set(service, { key: keyOf(config), config, destinations })
        break
      }
      case 'service-removed':
        registry.delete(change.service)
        copied.delete(change.service)
        break
      case 'destination-added':
      case 'destination-edited':
        destinationsOf(change.service).set(change.endpoint, {
          config: change.after,
          way: wayTo(change.after),
        })
        break
      case 'destination-removed':
        destinationsOf(change.service).delete(change.endpoint)
    }
  }
  return registry
}
