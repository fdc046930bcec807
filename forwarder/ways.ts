/** The ways to real servers, asked of the host's routes; and the slots by which direct routing names them. */

import { parseAddress } from '../lib/bytes/address.ts'
import type { Way } from './dataplane/messages.ts'
import type { RouteSocket } from './netlink/route-socket.ts'

/** The loopback device's, which is no matter: what stays here is never too long. */
const LOCAL_MTU_BYTES = 65_536

export class Ways {
  readonly #routes: Pick<RouteSocket, 'route' | 'link'>
  readonly #inUse: () => ReadonlySet<string>
  readonly #slotsMax: number
  /** By real server's address. */
  readonly #slots = new Map<string, number>()

  /**
   * `inUse` tells which real servers there are: a slot is kept for as long as its address is among them. There are
   * `slotsMax` slots: as many as marks and routing tables can tell apart.
   */
  constructor(
    routes: Pick<RouteSocket, 'route' | 'link'>,
    { inUse, slotsMax }: { inUse: () => ReadonlySet<string>; slotsMax: number },
  ) {
    this.#routes = routes
    this.#inUse = inUse
    this.#slotsMax = slotsMax
  }

  /** The way to the address as the routes are now, null without a route. */
  to(address: string): Way | null {
    const destination = parseAddress(address)
    const route = destination === null ? null : this.#routes.route({ destination })
    if (route?.type === 'local')
      return { sourceAddress: address, mtuBytes: LOCAL_MTU_BYTES, hop: null, isLocal: true }
    const link = route?.type === 'unicast' ? this.#routes.link(route.deviceIndex) : null
    if (route === null || link === null) return null
    const slot = this.#slotOf(address)
    const gateway = route.gateway?.toString() ?? address
    return {
      sourceAddress: route.preferredSource?.toString() ?? (address.includes(':') ? '::' : '0.0.0.0'),
      mtuBytes: route.mtuBytes ?? link.mtuBytes,
      hop:
        slot === null
          ? null
          : { slot, destination: address, gateway, deviceIndex: link.index, deviceName: link.name },
    }
  }

  /** Whether the routes say that the address is a subnet's broadcast address, which is no real server's. */
  isBroadcast(address: string): boolean {
    const destination = parseAddress(address)
    return destination !== null && this.#routes.route({ destination })?.type === 'broadcast'
  }

  /** The address's slot, or the lowest that is free. */
  #slotOf(address: string): number | null {
    const held = this.#slots.get(address)
    if (held !== undefined) return held
    const inUse = this.#inUse()
    for (const each of this.#slots.keys()) if (!inUse.has(each)) this.#slots.delete(each)
    const taken = new Set(this.#slots.values())
    for (let slot = 1; slot <= this.#slotsMax; slot++) {
      if (taken.has(slot)) continue
      this.#slots.set(address, slot)
      return slot
    }
    return null
  }
}
