/** Changes of services and destinations: what they are, and what they do to the registry. */

import type { Request } from './dataplane/messages.ts'
import { type RegisteredDestination, type RegisteredService, type Registry, replaced } from './registry.ts'

/** The requests that change services and destinations. */
export type Change = Extract<
  Request,
  { readonly service: string; readonly kind: `${string}-${'service' | 'destination'}` }
>

/** Whether there is what a change is about, or is not yet: where not, the data path's refusal says it best. */
export function isFeasible(request: Change, registry: Registry): boolean {
  const service = registry.get(request.service)
  if (request.kind === 'add-service') return service === undefined
  if (request.kind === 'edit-service' || request.kind === 'remove-service') return service !== undefined
  const isThere = service?.destinations.has(request.endpoint)
  return isThere === (request.kind !== 'add-destination')
}

/** The registry with the destination replaced, or removed where it is undefined. */
export function withDestination(
  registry: Registry,
  { service, endpoint }: { service: string; endpoint: string },
  destination: RegisteredDestination | undefined,
): Registry {
  const before = registry.get(service) as RegisteredService
  const destinations = replaced(before.destinations, endpoint, destination)
  return replaced(registry, service, { ...before, destinations })
}
