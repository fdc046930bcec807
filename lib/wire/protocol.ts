/** IP protocol and next-header numbers that the wire room knows by name. */

/** https://www.iana.org/assignments/protocol-numbers; the IPv6 extension headers are among them. */
export const PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  ipip: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  routing: 43,
  fragment: 44,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  noNextHeader: 59,
  destinationOptions: 60,
  sctp: 132,
} as const

/** Whether the first four octets of its header are a source and a destination port. */
export const hasPorts = (protocol: number): boolean =>
  protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp || protocol === PROTOCOL.sctp

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(PROTOCOL).map(([name, number]) => [number, name]),
)

/** `tcp`, `gre`, …, or `protocol 200`. */
export const describeProtocol = (protocol: number): string => NAMES.get(protocol) ?? `protocol ${protocol}`
