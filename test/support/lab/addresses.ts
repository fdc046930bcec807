/** Who lives where in a laboratory: the numbers that every test, capture filter and service definition quotes. */

export type RealServer = 'rs1' | 'rs2' | 'rs3'

/** A network namespace of the laboratory. */
export type Host = 'client' | 'director' | 'lan' | RealServer

export const REAL_SERVERS: readonly RealServer[] = ['rs1', 'rs2', 'rs3']

/** An address of each family. */
export interface Pair {
  readonly v4: string
  readonly v6: string
}

/** Network prefixes, as `ip` takes them. The front net joins client and director, the back net director and real servers. */
export const NETS = {
  front: { v4: '10.77.0.0/24', v6: 'fd77::/64' },
  back: { v4: '10.78.0.0/24', v6: 'fd78::/64' },
  routed: { v4: '10.79.0.0/24', v6: 'fd79::/64' },
} as const satisfies Record<string, Pair>

export const CLIENT: Pair = { v4: '10.77.0.10', v6: 'fd77::10' }

/** The director's own addresses: `front` is the client's next hop to routed VIPs, `back` the real servers' default route. */
export const DIRECTOR = {
  front: { v4: '10.77.0.1', v6: 'fd77::1' },
  back: { v4: '10.78.0.1', v6: 'fd78::1' },
} as const satisfies Record<string, Pair>

export type VipKind = keyof typeof VIP

/**
 * The virtual addresses. `local` is an address of the director on its front device, where clients find it by
 * ARP or neighbour discovery; `routed` belongs to nobody, and the client has a route to it by way of the director.
 */
export const VIP = {
  local: { v4: '10.77.0.100', v6: 'fd77::100' },
  routed: { v4: '10.79.0.100', v6: 'fd79::100' },
} as const satisfies Record<string, Pair>

/** A real server's addresses: `back` is where the director sends, `front` where replies of DR and TUN leave. */
export function realServerAddresses(server: RealServer): { readonly front: Pair; readonly back: Pair } {
  const number = 11 + REAL_SERVERS.indexOf(server)
  return {
    front: { v4: `10.77.0.${number}`, v6: `fd77::${number}` },
    back: { v4: `10.78.0.${number}`, v6: `fd78::${number}` },
  }
}

/** `address:port`, an IPv6 address in brackets: how URLs, ipvsadm and socat write an endpoint. */
export const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
