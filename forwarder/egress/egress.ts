/** How a packet for direct routing leaves: what every egress driver offers to the data path. */

/** Where a destination's packets go on the link, found out when the destination joins. */
export interface Hop {
  /** A small number naming the destination, from 1; the `route` driver's mark and table come from it. */
  readonly slot: number
  /** The real server's address, and the next hop towards it (itself, when on the link). */
  readonly destination: string
  readonly gateway: string
  readonly deviceIndex: number
  readonly deviceName: string
}

export interface Egress {
  readonly name: 'route' | 'frame' | 'cap'
  /**
   * Whether the kernel forwards the packet after an accepting verdict that carries {@link Egress.markOf}'s mark
   * (and so decrements TTL itself); otherwise {@link Egress.transmit} sends it and the verdict is to drop.
   */
  readonly kernelForwards: boolean
  /** The destination's mark bits within the driver's mask; 0 where the driver uses no marks. */
  markOf(slot: number): number
  /** Sends the IP packet `[start, end)` towards the hop; false when it could not (counted by reason). May write before `start`. */
  transmit(hop: Hop, bytes: Uint8Array, start: number, end: number): boolean
  /** Sends whatever `transmit` gathered. */
  flush(): void
  readonly counters: { sent: number; noNeighbour: number; failed: number }
  close(): void
}

/** What drivers are opened with; each takes what it needs. */
export interface EgressOptions {
  /** The mark bits that are the `route` driver's, an unbroken run of them. */
  readonly markMask: number
  /** A clock that never goes back. */
  readonly nowMs: () => number
}
