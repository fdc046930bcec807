/** A configuration tried out on an empty table of services, so that whatever it would be refused for is known before. */

import type { ConfiguredService } from '../control/configuration.ts'
import { parted } from '../control/difference.ts'
import { endpointOf, keyOf } from '../control/identity.ts'
import { ENGINES } from '../lib/persistence/index.ts'
import { SCHEDULERS } from '../lib/sched/index.ts'
import { serviceFamily } from '../lib/service/key.ts'
import { isRefusal, type Refusal } from '../lib/service/refusal.ts'
import { ServiceTable } from '../lib/service/service-table.ts'
import { refusalError, type ValuePath } from './control/request-error.ts'
import { librarySettings } from './dataplane/service-settings.ts'

/**
 * Throws the first refusal, with the path to the service or real server that it is about: those of the library's, and
 * services and real servers named twice.
 */
export function rehearse(services: readonly ConfiguredService[]): void {
  const table = new ServiceTable({ schedulers: SCHEDULERS, engines: Object.keys(ENGINES), random: () => 0 })
  for (const [index, configured] of services.entries()) {
    const { config, destinations } = parted(configured)
    const key = keyOf(config)
    const settings = librarySettings(serviceFamily(key), config)
    granted(isRefusal(settings) ? settings : table.add(key, settings), ['services', index])
    for (const [position, server] of destinations.entries()) {
      const outcome = table.addDestination(key, endpointOf(server), server)
      granted(outcome, ['services', index, 'destinations', position])
    }
  }
}

function granted(outcome: object | Refusal, path: ValuePath): void {
  if (isRefusal(outcome)) throw refusalError(outcome, path)
}
