/** What {@link Director.explain} answers: plain values, fit for JSON. Addresses are text, endpoints `10.0.0.1:80`. */

import type { PassedOver } from '../service/scheduler.ts'
import type { TunnelSettings } from '../service/tunnel.ts'
import type { FieldValue } from '../wire/fields.ts'
import type { Verdict } from './verdict.ts'

/** What would become of a packet, and why: in the order in which it is found out. What was not come to is null. */
export interface Explanation {
  readonly packet: PacketExplained
  /** The connection it was found to belong to. */
  readonly connection: ConnectionExplained | null
  /** The virtual service: the one it is for, or the one that its connection was made by. */
  readonly service: ServiceExplained | null
  /** What `drop_packet` does, where the packet would start a connection. */
  readonly dropping: DroppingExplained | null
  /** What persistence says, where the packet would start a connection. */
  readonly template: TemplateExplained | null
  /** What the scheduler says, where it is asked. */
  readonly scheduling: SchedulingExplained | null
  /** The connection that the packet would start. */
  readonly opened: ConnectionSummary | null
  /** The data connection that the packet's text announces, where a helper reads it: FTP. */
  readonly announced: ConnectionSummary | null
  readonly forwarding: ForwardingExplained | null
  /** The packet that goes on. */
  readonly sent: SentExplained | null
  readonly verdict: VerdictExplained
}

/** How the packet came, and how it is read. */
export interface PacketExplained {
  readonly hook: 'inbound' | 'outbound'
  /** As an unsigned number; 0 is none. */
  readonly fwmark: number
  /** How it is malformed (a `MalformedReason`), or null. */
  readonly flaw: string | null
  /** One line, much as tcpdump has it; of a malformed packet, what is wrong with it. */
  readonly text: string
  readonly lengthBytes: number
  /** Of a fragment: `waits`, `completes` its datagram, or the reason for which it is given up, `fragment-overlap`. */
  readonly fragment: string | null
}

/** A connection's endpoints, where it leads, and how it stands behind the packet. */
export interface ConnectionSummary {
  /** `TCP`, `UDP`, … */
  readonly protocol: string
  readonly client: string
  readonly virtual: string
  readonly destination: string
  /** `masquerading`, `gatewaying`, `ipip`, … */
  readonly method: string
  readonly state: string
  /** Left, in whole seconds. */
  readonly expiresSeconds: number
}

/** A connection that there is, as it stands before the packet. */
export interface ConnectionExplained extends ConnectionSummary {
  readonly inPackets: number
  /** Why the packet is not for it any more; null: it is. */
  readonly passedOver: ConnectionPassedOver | null
  /** How it stands behind the packet; null where that makes no difference to it. */
  readonly becomes: { readonly state: string; readonly expiresSeconds: number } | null
}

/** Why a connection is passed over, each as a sentence without a full stop. */
export const CONNECTION_PASSED_OVER = {
  quiesced: 'its destination is quiesced, and expire_nodest_conn says not to wait',
  reused: 'it was closing, and the packet starts another on its endpoints',
  'destination-removed': 'its destination was removed, and expire_nodest_conn says not to wait',
} as const satisfies Record<string, string>
export type ConnectionPassedOver = keyof typeof CONNECTION_PASSED_OVER

export interface ServiceExplained {
  /** `tcp:10.0.0.1:80`, `fwmark:5`. */
  readonly key: string
  readonly found: ServiceFound
  readonly scheduler: string
  readonly onePacket: boolean
}

/** How a service is found, each as it follows the service's name. */
export const SERVICE_FOUND = {
  connection: 'by the connection',
  server: 'by the real server that calls',
  mark: 'by the firewall mark',
  exact: 'by address and port',
  ftp: 'as the FTP service of the address',
  'any-port': 'by address, for all ports',
} as const satisfies Record<string, string>
export type ServiceFound = keyof typeof SERVICE_FOUND

/** Of the packets that would start a connection, one in `oneIn` is dropped, the next one behind `spared` others. */
export interface DroppingExplained {
  readonly oneIn: number
  readonly spared: number
}

export interface TemplateExplained {
  /** Who is bound together: `10.9.0.0/24`. */
  readonly clients: string
  /** What they are bound for: an endpoint, port 0 for all ports, or `fwmark:5`. */
  readonly virtual: string
  /** The persistence engine, and what it read in the packet. */
  readonly engine: string | null
  readonly engineData: string | null
  /** The template that there is, or null. */
  readonly bound: {
    readonly destination: string
    readonly expiresSeconds: number
    /** Connections that depend on it. */
    readonly connections: number
  } | null
  /** Why the template that there is does not count; null: it does. */
  readonly passedOver: TemplatePassedOver | null
}

/** Why a template is passed over, each as a sentence without a full stop. */
export const TEMPLATE_PASSED_OVER = {
  'destination-removed': 'its destination was removed',
  quiesced: 'its destination is quiesced, and expire_quiescent_template says not to follow',
  'another-server': 'it binds to another real server than the one that calls',
} as const satisfies Record<string, string>
export type TemplatePassedOver = keyof typeof TEMPLATE_PASSED_OVER

export interface SchedulingExplained {
  readonly scheduler: string
  /** What the choice goes by, and what the scores are; null where the scheduler does not explain itself. */
  readonly by: string | null
  /** Null: nobody, or not certain. */
  readonly picked: string | null
  /** Where the pick is not certain, the likeliest: everything that follows is true of that one. */
  readonly supposed: string | null
  readonly candidates: readonly CandidateExplained[]
}

export interface CandidateExplained {
  readonly destination: string
  readonly weight: number
  readonly active: number
  readonly inactive: number
  readonly score: number | null
  /** From 0 to 1; null where the scheduler does not explain itself. */
  readonly chance: number | null
  readonly passedOver: PassedOver | null
}

/** The last step towards the destination, or back to the client. */
export interface ForwardingExplained {
  readonly destination: string
  readonly method: string
  /** The way to the destination, if there is one to be known. */
  readonly path: {
    readonly sourceAddress: string
    readonly mtuBytes: number
    /** The real server is the director itself. */
    readonly isLocal: boolean
  } | null
  /** Of method `ipip` only. */
  readonly tunnel: TunnelSettings | null
  /** Of the packet that came. */
  readonly hopLimit: number
}

/** The packet that goes on, against the one that came: where fragments came, their whole datagram. */
export interface SentExplained {
  readonly lengthBytes: number
  /** In the order of the packet that goes on. */
  readonly changes: readonly Change[]
}

/** A field of a header: `outer.ipv4.source`, `ipv4.ttl`, `tcp.destinationPort`. */
export interface Change {
  readonly field: string
  /** Null: the header was not there. */
  readonly from: FieldValue | null
  readonly to: FieldValue | null
}

export interface VerdictExplained {
  readonly kind: Verdict['kind']
  /** Of `DROP_REASONS` or `PASS_REASONS`; '' for the other kinds. */
  readonly reason: string
  readonly destination: string | null
  /**
   * False where lots are drawn, by the scheduler (see {@link SchedulingExplained.supposed}) or for a local port, and where the
   * scheduler does not explain itself.
   */
  readonly isCertain: boolean
  readonly answer: AnswerExplained | null
}

/** The ICMP error that the packet calls for, to its sender. */
export interface AnswerExplained {
  /** `portUnreachable`, …; of others the type and code, `3/1`. */
  readonly kind: string
  readonly from: string
  readonly to: string
  /** Of `packetTooBig`; 0 for the others. */
  readonly mtuBytes: number
  /** False: the limits on ICMP errors hold it back. */
  readonly isSent: boolean
}
