/**
 * Services to rehearse a packet with: they are found as the director's own are, and whatever is then changed is a copy. Only
 * what is asked for is copied; what was asked is kept, to be told.
 */

import type { Family, IpAddress } from '../bytes/address.ts'
import type { Destination } from '../service/destination.ts'
import { ineligibility, type Preview, type Scheduler } from '../service/scheduler.ts'
import { ServiceTable } from '../service/service-table.ts'
import { VirtualService } from '../service/virtual-service.ts'

/** What a scheduler was asked, and what it will answer. */
export interface RehearsedPick {
  readonly service: VirtualService
  /** Null: the scheduler does not explain itself. */
  readonly preview: Preview | null
  /** Whom the rehearsal goes on with; where the preview leaves it open, the likeliest. */
  readonly supposed: Destination | null
}

/** A service of the director's own that was found, and for which port. */
export interface FoundService {
  readonly service: VirtualService
  readonly port: number
}

/** The services of the director, found by the same lookup, with copies of those destinations that are come to. */
export class RehearsedServices extends ServiceTable {
  /** What the packet's service was looked up by, and the director's own service. */
  found: FoundService | null = null
  pick: RehearsedPick | null = null
  /** The real server that a packet was found to come from. */
  server: Destination | null = null
  readonly #real: ServiceTable
  readonly #services = new Map<VirtualService, VirtualService>()
  readonly #destinations = new Map<Destination, Destination>()
  readonly #byId: Destination[] = []

  constructor(real: ServiceTable) {
    super({ schedulers: {}, random: () => 0 })
    this.#real = real
  }

  override lookup(
    family: Family,
    mark: number,
    protocol: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    port: number,
  ): VirtualService | null {
    const service = this.#real.lookup(family, mark, protocol, w0, w1, w2, w3, port)
    if (service === null) return null
    this.found ??= { service, port }
    return this.#copyOfService(service)
  }

  /** By the copies' own ids: see {@link RehearsedServices.idOf}. */
  override destination(id: number): Destination {
    return this.#byId[id - 1] ?? super.destination(id)
  }

  override findDestination(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    isWanted: (destination: Destination) => boolean,
  ): Destination | null {
    const destination = this.#real.findDestination(w0, w1, w2, w3, isWanted)
    if (destination === null) return null
    this.server = destination
    return this.#copyOf(destination)
  }

  override get hasEngines(): boolean {
    return this.#real.hasEngines
  }

  override hasAddress(address: IpAddress): boolean {
    return this.#real.hasAddress(address)
  }

  /** The director's own, which nobody who goes through them all may change. */
  override *[Symbol.iterator](): IterableIterator<VirtualService> {
    yield* this.#real
  }

  /** The copy's id of a destination of the director's, by the director's. */
  idOf(realId: number): number {
    return realId === 0 ? 0 : this.#copyOf(this.#real.destination(realId)).id
  }

  #copyOf(real: Destination): Destination {
    const known = this.#destinations.get(real)
    if (known !== undefined) return known
    const copy = real.copyFor(this.#copyOfService(real.service), this.#byId.length + 1)
    this.#byId.push(copy)
    this.#destinations.set(real, copy)
    return copy
  }

  #copyOfService(real: VirtualService): VirtualService {
    const known = this.#services.get(real)
    if (known !== undefined) return known
    const copy = new VirtualService(real.key, real.settings, this.#standInFor(real))
    this.#services.set(real, copy)
    return copy
  }

  /** Instead of picking, it asks for the preview. */
  #standInFor(service: VirtualService): Scheduler | null {
    const { scheduler } = service
    if (scheduler === null) return null
    return {
      pick: (flow) => {
        const preview = scheduler.preview?.(flow, service.pool) ?? null
        const supposed = preview === null ? firstEligible(service.pool) : likeliest(preview)
        this.pick = { service, preview, supposed }
        return supposed === null ? null : this.#copyOf(supposed)
      },
    }
  }
}

const firstEligible = (pool: readonly Destination[]): Destination | null =>
  pool.find((destination) => ineligibility(destination) === null) ?? null

function likeliest({ picked, candidates }: Preview): Destination | null {
  if (picked !== null) return picked
  let best: Destination | null = null
  let most = 0
  for (const { destination, chance } of candidates) {
    if (chance <= most) continue
    best = destination
    most = chance
  }
  return best
}
