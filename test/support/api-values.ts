/** Services and servers as the control API would answer with them, for tests of what is printed. */

import { identityOf } from '../../control/identity.ts'
import { type Counters, Destination, keyOf, type Rates, Service } from '../../control/index.ts'
import { formatServiceKey, parseEndpoint, parseServiceKey } from '../../lib/service/key.ts'
import { NO_COUNTERS, NO_RATES } from './fake-control.ts'

/** All five counters at `value`. */
export const countersOf = (value: number): Counters => ({
  connections: value,
  inPackets: value,
  outPackets: value,
  inBytes: value,
  outBytes: value,
})

/** All five rates at `value`. */
export const ratesOf = (value: number): Rates => ({
  connectionsPerSec: value,
  inPacketsPerSec: value,
  outPacketsPerSec: value,
  inBytesPerSec: value,
  outBytesPerSec: value,
})

/** The service `id`, `tcp:10.0.0.1:80`, with defaults for whatever `rest` leaves out. */
export function serviceOf(id: string, rest: Partial<Service> = {}): Service {
  const key = parseServiceKey(id)
  if (key === null) throw new Error(`'${id}' is not the id of a service`)
  const defaults = { id, destinations: [], counters: NO_COUNTERS, rates: NO_RATES }
  const service = Service.parse({ ...identityOf(key), ...defaults, ...rest })
  if (formatServiceKey(keyOf(service)) !== id) throw new Error(`'${id}' came out as another service`)
  return service
}

/** The server at `endpoint`, `192.168.1.1:80`, masqueraded unless `rest` says otherwise. */
export function destinationOf(endpoint: string, rest: Partial<Destination> = {}): Destination {
  const key = parseEndpoint(endpoint)
  if (key === null) throw new Error(`'${endpoint}' is not an endpoint`)
  return Destination.parse({
    address: key.address.toString(),
    port: key.port,
    method: 'masquerading',
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
    overloaded: false,
    counters: NO_COUNTERS,
    rates: NO_RATES,
    ...rest,
  })
}
