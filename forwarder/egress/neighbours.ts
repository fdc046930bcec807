import { type IpAddress, parseAddress } from '../../lib/bytes/address.ts'
import { RouteSocket } from '../netlink/route-socket.ts'
import type { Link, Neighbour } from '../netlink/rtnetlink.ts'
import type { Hop } from './egress.ts'

/** How long an address is used before the kernel is asked again. */
const FRESH_MS = 1000

/** How long an unknown address stays unknown before the kernel is asked again. */
const UNKNOWN_MS = 5

/** How often the kernel is told to resolve, while an address stays unknown. */
const RESOLVE_INTERVAL_MS = 1000

/** Hops remembered; the one learnt first is forgotten for one more. */
const HOPS_MAX = 4096

/** The kernel's tables, as far as needed here; a {@link RouteSocket} is one. */
export interface NeighbourTable {
  link(device: number): Pick<Link, 'hasNeighbours'> | null
  neighbour(deviceIndex: number, address: IpAddress): Neighbour | null
  resolve(deviceIndex: number, address: IpAddress): boolean
  close(): void
}

interface Entry {
  readonly gateway: string
  readonly deviceIndex: number
  /** The next hop's link-layer address, or null while unknown. Empty where the link has none. */
  address: Uint8Array | null
  askAgainMs: number
  resolveAgainMs: number
}

/**
 * The link-layer addresses of hops, as the kernel's neighbour tables have them. The kernel does the resolving (ARP,
 * neighbour discovery) and the verifying; here is only a short memory, so that a packet costs no lookup.
 */
export class Neighbours {
  readonly #kernel: NeighbourTable
  readonly #nowMs: () => number
  /** By {@link Hop.slot}, a number: a lookup per packet. */
  readonly #entries = new Map<number, Entry>()

  constructor(nowMs: () => number, kernel: NeighbourTable = new RouteSocket()) {
    this.#nowMs = nowMs
    this.#kernel = kernel
  }

  /** The link-layer address of the hop's gateway, or null while it is unknown and being resolved. */
  find(hop: Hop): Uint8Array | null {
    const nowMs = this.#nowMs()
    let entry = this.#entries.get(hop.slot)
    if (entry === undefined || entry.gateway !== hop.gateway || entry.deviceIndex !== hop.deviceIndex) {
      entry = {
        gateway: hop.gateway,
        deviceIndex: hop.deviceIndex,
        address: null,
        askAgainMs: 0,
        resolveAgainMs: 0,
      }
      this.#remember(hop.slot, entry)
    }
    if (nowMs >= entry.askAgainMs) this.#ask(entry, nowMs)
    return entry.address
  }

  close(): void {
    this.#kernel.close()
  }

  #remember(slot: number, entry: Entry): void {
    if (this.#entries.size >= HOPS_MAX) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    this.#entries.set(slot, entry)
  }

  #ask(entry: Entry, nowMs: number): void {
    const gateway = parseAddress(entry.gateway)
    if (gateway === null) throw new Error(`the gateway '${entry.gateway}' is not an IPv4 or IPv6 address`)
    const link = this.#kernel.link(entry.deviceIndex)
    if (link !== null && !link.hasNeighbours) entry.address = NO_ADDRESS
    else {
      const neighbour = link === null ? null : this.#kernel.neighbour(entry.deviceIndex, gateway)
      entry.address = neighbour?.address ?? null
      // A stale address still serves, but using it is what makes the kernel verify it.
      const needsKernel = entry.address === null || neighbour?.state === 'stale'
      if (link !== null && needsKernel && nowMs >= entry.resolveAgainMs) {
        this.#kernel.resolve(entry.deviceIndex, gateway)
        entry.resolveAgainMs = nowMs + RESOLVE_INTERVAL_MS
      }
    }
    entry.askAgainMs = nowMs + (entry.address === null ? UNKNOWN_MS : FRESH_MS)
  }
}

/** Links such as tunnels carry frames without addresses. */
const NO_ADDRESS = new Uint8Array(0)
