/** How a packet can be malformed. Every flaw is one frozen constant, so that reporting it allocates nothing. */

/** A reason is stable, and made of the layer and its flaw: it serves as a counter's key. */
const DESCRIPTIONS = {
  'ip-empty': 'there is not one octet of a packet',
  'ip-version': 'the IP version is neither 4 nor 6',
  'ipv4-truncated': 'the packet ends within the first 20 octets of the IPv4 header',
  'ipv4-version': 'the version in the IPv4 header is not 4',
  'ipv4-header-length': 'the IPv4 header length is below 20 octets',
  'ipv4-options-truncated': 'the packet ends within the IPv4 options',
  'ipv4-total-length': 'the IPv4 total length is shorter than the IPv4 header',
  'ipv4-payload-truncated': 'the packet ends before its IPv4 total length',
  'ipv4-fragment-end': 'the IPv4 fragment ends beyond the largest packet there can be, 65535 octets',
  'ipv6-truncated': 'the packet ends within the IPv6 header',
  'ipv6-version': 'the version in the IPv6 header is not 6',
  'ipv6-payload-truncated': 'the packet ends before its IPv6 payload length',
  'ipv6-jumbogram': 'the IPv6 payload length is 0 but a payload is there; jumbograms are not supported',
  'ipv6-extension-truncated': 'the packet ends within an IPv6 extension header',
  'ipv6-extension-count': 'there are more IPv6 extension headers than are looked through',
  'ipv6-extension-order': 'a hop-by-hop options header stands elsewhere than right after the IPv6 header',
  'ipv6-fragment-repeated': 'there are two IPv6 fragment headers',
  'ipv6-fragment-end': 'the IPv6 fragment ends beyond the largest payload there can be, 65535 octets',
  'tcp-truncated': 'the packet ends within the first 20 octets of the TCP header',
  'tcp-data-offset': 'the TCP data offset is below 20 octets',
  'tcp-options-truncated': 'the packet ends within the TCP options',
  'udp-truncated': 'the packet ends within the UDP header',
  'udp-length': 'the UDP length is shorter than the UDP header',
  'udp-payload-truncated': 'the packet ends before its UDP length',
  'sctp-truncated': 'the packet ends within the SCTP common header',
  'sctp-chunk-truncated': 'the packet ends within the header of its first SCTP chunk',
  'icmp-truncated': 'the packet ends within the ICMP header',
  'icmpv6-truncated': 'the packet ends within the ICMPv6 header',
} as const

export type MalformedReason = keyof typeof DESCRIPTIONS

/** One way of being malformed. Compare by identity, count by `reason`. */
export interface Malformed {
  readonly kind: 'malformed'
  /** `ipv4-truncated`: layer and flaw in one stable word. */
  readonly reason: MalformedReason
  /** `ipv4`, `tcp`, …; `ip` where not even the version is known. */
  readonly layer: string
  /** `truncated`, `header-length`, … */
  readonly flaw: string
}

/** Every reason there is, in a stable order: outer headers first. */
export const MALFORMED_REASONS = Object.freeze(Object.keys(DESCRIPTIONS) as MalformedReason[])

/** The constant of each reason. */
export const MALFORMED = Object.freeze(
  Object.fromEntries(MALFORMED_REASONS.map((reason) => [reason, malformedBy(reason)])),
) as Readonly<Record<MalformedReason, Malformed>>

/** A sentence for people, without a full stop: `the packet ends within the UDP header`. */
export const describeMalformed = (malformed: Malformed): string => DESCRIPTIONS[malformed.reason]

function malformedBy(reason: MalformedReason): Malformed {
  const layerEnd = reason.indexOf('-')
  const layer = reason.slice(0, layerEnd)
  return Object.freeze({ kind: 'malformed', reason, layer, flaw: reason.slice(layerEnd + 1) })
}
