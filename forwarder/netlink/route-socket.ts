import type { IpAddress } from '../../lib/bytes/address.ts'
import {
  EACCES,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ENOENT,
  NETLINK_ROUTE,
} from '../native/constants.ts'
import { SystemError } from '../native/seam.ts'
import type { MessageWriter } from './message.ts'
import {
  type Link,
  linkRequest,
  type Neighbour,
  neighbourRequest,
  neighbourUseRequest,
  type Route,
  type RouteQuery,
  readLink,
  readNeighbour,
  readRoute,
  routeRequest,
} from './rtnetlink.ts'
import { NetlinkSocket } from './socket.ts'

/** The answers to a route lookup that mean "no way there": of them EACCES is `prohibit` and EINVAL `blackhole`. */
const NO_ROUTE = [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL]

/** Looks routes, neighbours and links up in the kernel, synchronously. A lookup takes microseconds. */
export class RouteSocket {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE)

  /** The way to an address, or null where there is none. */
  route(query: RouteQuery): Route | null {
    return this.#lookUp(`look up the route to ${query.destination}`, routeRequest(query), readRoute, NO_ROUTE)
  }

  /** The neighbour on the device's link, or null where the kernel has never heard of it. */
  neighbour(deviceIndex: number, address: IpAddress): Neighbour | null {
    const request = neighbourRequest(deviceIndex, address)
    return this.#lookUp(`look up the neighbour ${address}`, request, readNeighbour, [ENOENT, ENODEV])
  }

  /**
   * Makes the kernel resolve or verify the neighbour; what comes of it shows in later lookups. False where it refuses,
   * as it does for a device that is down or gone.
   */
  resolve(deviceIndex: number, address: IpAddress): boolean {
    return (
      this.#socket.ask(`resolve the neighbour ${address}`, neighbourUseRequest(deviceIndex, address))
        .errno === 0
    )
  }

  /** The device of that name or index, or null where there is none. */
  link(device: string | number): Link | null {
    return this.#lookUp(`look up the device ${device}`, linkRequest(device), readLink, [ENODEV])
  }

  close(): void {
    this.#socket.close()
  }

  #lookUp<Found>(
    attempted: string,
    request: MessageWriter,
    read: (message: Uint8Array) => Found | null,
    absent: readonly number[],
  ): Found | null {
    const { errno, messages } = this.#socket.ask(attempted, request)
    if (absent.includes(errno)) return null
    if (errno !== 0) throw new SystemError(attempted, errno)
    for (const message of messages) {
      const found = read(message)
      if (found !== null) return found
    }
    return null
  }
}
