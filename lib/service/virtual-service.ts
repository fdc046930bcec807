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
  /** Clients that come back are led to the same destination; null or left out: each connection is scheduled. */
  readonly persistence?: Persistence | null
  /** Each datagram is scheduled on its own; UDP only. */
  readonly onePacket?: boolean
}

export interface Persistence {
  /** How long after its last new connection a client is remembered. */
  readonly timeoutSec: number
  /** Clients are told apart by this: IPv4 a mask as a 32-bit word, IPv6 a prefix length of 1 to 128 bits. */
  readonly granularity: number
  /** A persistence engine's name, or null: the address alone decides. */
  readonly engine: string | null
}

/** Every client by itself. */
export const FINEST_GRANULARITY = { 4: -1, 6: 128 } as const

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
