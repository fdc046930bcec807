/** A virtual service: what clients address, its pool of destinations, and its scheduler. */

import { Counters } from './counters.ts'
import type { Destination } from './destination.ts'
import type { DestinationKey, ServiceKey } from './key.ts'
import type { Scheduler } from './scheduler.ts'

export interface ServiceSettings {
  /** The scheduler's name, or `none`: then no connection is ever placed. */
  readonly scheduler: string
  /** Bits of `SCHEDULER_FLAG`. */
  readonly schedulerFlags: number
}

export class VirtualService {
  readonly key: ServiceKey
  settings: ServiceSettings
  scheduler: Scheduler | null
  /** Newest first: the order in which every scheduler looks at them. */
  readonly pool: Destination[] = []
  readonly counters = new Counters()

  constructor(key: ServiceKey, settings: ServiceSettings, scheduler: Scheduler | null) {
    this.key = key
    this.settings = settings
    this.scheduler = scheduler
  }

  /** 0 for firewall-mark services. */
  get port(): number {
    return this.key.kind === 'address' ? this.key.port : 0
  }

  find({ address, port }: DestinationKey): Destination | null {
    return this.pool.find((each) => each.port === port && each.address.equals(address)) ?? null
  }
}
