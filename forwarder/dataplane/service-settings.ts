/** A service's settings, from the API's form to the library's. */

import type { ServiceSettings } from '../../control/schema.ts'
import { type Family, parseAddress } from '../../lib/bytes/address.ts'
import { ENGINES } from '../../lib/persistence/index.ts'
import { type Refusal, refuse } from '../../lib/service/refusal.ts'
import { SCHEDULER_FLAG } from '../../lib/service/scheduler.ts'
import {
  FINEST_GRANULARITY,
  type ServiceSettings as LibServiceSettings,
} from '../../lib/service/virtual-service.ts'

/**
 * What the library is to be told. As in the kernel, netmask and engine must be in order even where the service is not
 * persistent; what else the library checks is left to it.
 */
export function librarySettings(family: Family, settings: ServiceSettings): LibServiceSettings | Refusal {
  const { scheduler, schedulerFlags, persistentSeconds, netmask, engine, onePacket } = settings
  if (engine !== null && !Object.hasOwn(ENGINES, engine)) {
    const known = Object.keys(ENGINES).join(' ')
    return refuse('engine-not-found', `persistence engine '${engine}' is not one of: ${known}`)
  }
  const granularity = granularityOf(family, netmask)
  if (granularity === null) {
    const expected = family === 4 ? 'a mask like 255.255.255.0' : 'a prefix length of 1 to 128'
    return refuse(
      'invalid-value',
      `netmask '${netmask}' is not ${expected}, as an IPv${family} service has it`,
    )
  }
  return {
    scheduler,
    schedulerFlags: schedulerFlags.reduce((bits, flag) => bits | SCHEDULER_FLAG[flag], 0),
    persistence: persistentSeconds === null ? null : { timeoutSec: persistentSeconds, granularity, engine },
    onePacket,
  }
}

/** Stand in where a change is about to be refused anyway. */
export const NO_SETTINGS: LibServiceSettings = { scheduler: 'none', schedulerFlags: 0 }

/** The mask's word or the prefix length, as the family has it; null where the netmask is the other family's. */
function granularityOf(family: Family, netmask: ServiceSettings['netmask']): number | null {
  if (netmask === null) return FINEST_GRANULARITY[family]
  if (typeof netmask === 'number') return family === 6 ? netmask : null
  return family === 4 ? (parseAddress(netmask)?.w0 ?? null) : null
}
