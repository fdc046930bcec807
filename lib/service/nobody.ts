/** In the place of a destination, where a connection has none: one that bypasses the pool. */

import { IpAddress } from '../bytes/address.ts'
import { Destination } from './destination.ts'
import { VirtualService } from './virtual-service.ts'

/** The id of nobody, in every service table. */
export const NOBODY_ID = 0

/** Never available, so that nothing is counted for it; never quiesced, so that nothing ends for it. */
export function makeNobody(): Destination {
  const service = new VirtualService(
    { kind: 'fwmark', fwmark: 0, family: 4 },
    { scheduler: 'none', schedulerFlags: 0 },
    null,
  )
  const nobody = new Destination(
    NOBODY_ID,
    service,
    { address: new IpAddress(4, 0), port: 0 },
    { method: 'gatewaying', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
  )
  nobody.isAvailable = false
  return nobody
}
