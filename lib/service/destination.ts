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
  /**
   * Ours alone, of masquerading: clients are masqueraded too, behind the director's own address, so that the real server
   * answers it wherever its routes lead.
   */
  readonly fullNat?: boolean
}

/** What the director must know of the way to a real server; told by whoever knows the routes. */
export interface Path {
  /** The director's own address towards the server: the outer source of tunnel packets. */
  readonly sourceAddress: IpAddress
  /** The largest IP packet that fits on the way. */
  readonly mtuBytes: number
  /** The real server is the director itself: its packets stay here. */
  readonly isLocal?: boolean
}

/** Nobody is believed who reports less: the kernel's `min_pmtu`, and what every IPv6 link takes. */
const LEARNED_MTU_MIN_BYTES = { 4: 552, 6: 1280 } as const
const LEARNED_MTU_MS = 600_000

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
  fullNat: boolean
  /** Bound connections in an active state, in any other state, and persistence templates. */
  active = 0
  inactive = 0
  persistent = 0
  /** In its service's pool; false once removed, while connections are still bound to it. */
  isAvailable = true
  /** Past its upper threshold, and not yet below the lower one: schedulers pass it over. */
  isOverloaded = false
  #path: Path | null = null
  /** The path as it was told, and what routers on it have said since. */
  #told: Path | null = null
  #learnedMtuBytes = Number.POSITIVE_INFINITY
  #learnedMs = Number.POSITIVE_INFINITY
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
    this.fullNat = settings.fullNat ?? false
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
    this.fullNat = settings.fullNat ?? false
  }

  /** The way to it as it is known now; null where there is none. */
  get path(): Path | null {
    return this.#path
  }

  set path(told: Path | null) {
    this.#told = told
    this.#settlePath()
  }

  /** A router on the way takes packets of `mtuBytes` only: believed for ten minutes, as the kernel does. */
  learnMtu(mtuBytes: number, nowMs: number): void {
    this.#learnedMtuBytes = Math.max(mtuBytes, LEARNED_MTU_MIN_BYTES[this.address.family])
    this.#learnedMs = nowMs
    this.#settlePath()
  }

  /** Forgets what was learned long enough ago. To be called now and then. */
  passTime(nowMs: number): void {
    if (nowMs - this.#learnedMs < LEARNED_MTU_MS) return
    this.#learnedMtuBytes = Number.POSITIVE_INFINITY
    this.#learnedMs = Number.POSITIVE_INFINITY
    this.#settlePath()
  }

  #settlePath(): void {
    const told = this.#told
    const isLess = told !== null && this.#learnedMtuBytes < told.mtuBytes
    this.#path = isLess ? { ...told, mtuBytes: this.#learnedMtuBytes } : told
  }

  /** The same as it is now, of another service and id, and with counters of its own. */
  copyFor(service: VirtualService, id: number): Destination {
    const copy = new Destination(id, service, this, this)
    const { counters } = copy
    Object.assign(copy, this, { id, service, counters })
    copy.#path = this.#path
    copy.#told = this.#told
    copy.#learnedMtuBytes = this.#learnedMtuBytes
    copy.#learnedMs = this.#learnedMs
    return copy
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
