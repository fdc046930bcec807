/** A destination (real server): where connections of a service can go, and how many have gone. */

import type { IpAddress } from '../bytes/address.ts'
import { Counters } from './counters.ts'
import { DEFAULT_TUNNEL, type TunnelSettings } from './tunnel.ts'
import type { VirtualService } from './virtual-service.ts'

/** The numbers are those of IPVS, and the low bits of a connection's flags. */
export const METHOD = { masquerading: 0, local: 1, ipip: 2, gatewaying: 3, bypass: 4 } as const
export type ForwardingMethod = 'masquerading' | 'ipip' | 'gatewaying'

/** What an edit replaces. `weight` 0 is quiesced; thresholds of 0 are none. */
export interface DestinationSettings {
  readonly method: ForwardingMethod
  readonly weight: number
  readonly upperThreshold: number
  readonly lowerThreshold: number
  /** {@link DEFAULT_TUNNEL} unless given. */
  readonly tunnel?: TunnelSettings
}

/** What the director must know of the way to a real server; told by whoever knows the routes. */
export interface Path {
  /** The director's own address towards the server: the outer source of tunnel packets. */
  readonly sourceAddress: IpAddress
  /** The largest IP packet that fits on the way. */
  readonly mtuBytes: number
}

export class Destination {
  /** Index in the service table's register, by which a connection names its destination. Never 0. */
  readonly id: number
  readonly address: IpAddress
  readonly port: number
  /** The service it was last a member of. */
  service: VirtualService
  method: ForwardingMethod
  weight: number
  /** The last weight that was not 0: Maglev hashing keeps a quiesced server's places by it. */
  lastWeight: number
  upperThreshold: number
  lowerThreshold: number
  /** Read with every packet: an edit changes the tunnels of connections that exist. */
  tunnel: TunnelSettings
  /** Bound connections in an active state, in any other state, and persistence templates. */
  active = 0
  inactive = 0
  persistent = 0
  /** In its service's pool; false once removed, while connections are still bound to it. */
  isAvailable = true
  /** Past its upper threshold, and not yet below the lower one: schedulers pass it over. */
  isOverloaded = false
  path: Path | null = null
  readonly counters = new Counters()

  constructor(
    id: number,
    service: VirtualService,
    at: { address: IpAddress; port: number },
    settings: DestinationSettings,
  ) {
    this.id = id
    this.service = service
    this.address = at.address
    this.port = at.port
    this.method = settings.method
    this.weight = settings.weight
    this.lastWeight = settings.weight
    this.upperThreshold = settings.upperThreshold
    this.lowerThreshold = settings.lowerThreshold
    this.tunnel = settings.tunnel ?? DEFAULT_TUNNEL
  }

  /** Replaces the settings. The overload mark is only ever lifted here: the next binding sets it again. */
  edit(settings: DestinationSettings): void {
    if (settings.upperThreshold === 0 || settings.upperThreshold > this.upperThreshold)
      this.isOverloaded = false
    this.method = settings.method
    this.weight = settings.weight
    if (settings.weight !== 0) this.lastWeight = settings.weight
    this.upperThreshold = settings.upperThreshold
    this.lowerThreshold = settings.lowerThreshold
    this.tunnel = settings.tunnel ?? DEFAULT_TUNNEL
  }

  get connections(): number {
    return this.active + this.inactive
  }

  get isReferenced(): boolean {
    return this.active + this.inactive + this.persistent > 0
  }

  /** A connection that is counted inactive until its protocol's state says otherwise, or a template, is bound. */
  bind(isTemplate: boolean): void {
    if (isTemplate) this.persistent++
    else this.inactive++
    if (this.upperThreshold !== 0 && this.connections >= this.upperThreshold) this.isOverloaded = true
  }

  /** The mirror of {@link bind}, once the connection is gone. */
  unbind(isTemplate: boolean, isInactive: boolean): void {
    if (isTemplate) this.persistent--
    else if (isInactive) this.inactive--
    else this.active--
    if (this.isOverloaded && this.#isBelowThreshold()) this.isOverloaded = false
  }

  /** A bound connection's state became active, or ceased to be. */
  moveActivity(becomesActive: boolean): void {
    const step = becomesActive ? 1 : -1
    this.active += step
    this.inactive -= step
  }

  /** Without a lower threshold, overload ends below three quarters of the upper one. */
  #isBelowThreshold(): boolean {
    if (this.lowerThreshold !== 0) return this.connections < this.lowerThreshold
    if (this.upperThreshold !== 0) return this.connections * 4 < this.upperThreshold * 3
    return true
  }
}
