/**
 * ICMP errors that belong to connections: found by the packet they quote, and translated or sent on as that packet's
 * own connection is. They move no state and prolong nothing.
 */

import { readU8 } from '../bytes/octets.ts'
import type { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import type { Protocol } from '../conn/protocol.ts'
import { icmpChecksumIsValid, relateInbound, relateOutbound } from '../encode/icmp-related.ts'
import { METHOD } from '../service/destination.ts'
import { ICMP_HEADER_BYTES, ICMP_TYPE } from '../wire/icmp.ts'
import { isIcmpv6Error } from '../wire/icmpv6.ts'
import { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import type { FullNat } from './full-nat.ts'

/** What was found of an ICMP packet; the record of its connection is a number above all of them. */
export const RELATION = {
  /** Not an error, or about nothing that is followed: as any other packet. */
  none: 0,
  /** An error about an unknown connection. */
  stranger: -1,
  fragment: -2,
  badChecksum: -3,
} as const

/** The errors of IPv4 that IPVS relates. */
const RELATED_TYPES: readonly number[] = [
  ICMP_TYPE.destinationUnreachable,
  ICMP_TYPE.sourceQuench,
  ICMP_TYPE.timeExceeded,
]

export class Related {
  /** The packet quoted by the last error; turned around, as the packet of its connection would be that came now. */
  readonly quoted = new Packet()
  readonly #connections: ConnectionTable
  readonly #protocols: readonly (Protocol | undefined)[]
  readonly #fullNat: FullNat

  /** `protocols` by number. */
  constructor(connections: ConnectionTable, protocols: readonly (Protocol | undefined)[], fullNat: FullNat) {
    this.#connections = connections
    this.#protocols = protocols
    this.#fullNat = fullNat
  }

  /** The connection that an ICMP packet is about, or one of {@link RELATION}. */
  find(packet: Packet, hook: 'inbound' | 'outbound'): number {
    if (!isError(packet)) return RELATION.none
    if (packet.isFragment) return RELATION.fragment
    const { quoted } = this
    const flaw = quoted.readQuoted(packet.bytes, packet.transportStart + ICMP_HEADER_BYTES, packet.end)
    const protocol = flaw === null ? this.#protocols[quoted.protocol] : undefined
    if (protocol === undefined || quoted.isLaterFragment) return RELATION.none
    quoted.turnAround()
    let record =
      hook === 'inbound'
        ? protocol.findInbound(this.#connections, quoted)
        : protocol.findOutbound(this.#connections, quoted)
    if (record === NONE && hook === 'outbound') record = this.#fullNat.find(quoted)
    // What has no ports starts no connection, so there is no stranger to schedule.
    if (record === NONE) return protocol.hasPorts ? RELATION.stranger : RELATION.none
    return icmpChecksumIsValid(packet) ? record : RELATION.badChecksum
  }

  /** Rewrites the error for the other side, where the connection is masqueraded; whether it is. */
  translate(packet: Packet, record: number, hook: 'inbound' | 'outbound'): boolean {
    const { words } = this.#connections
    const base = record * RECORD_WORDS
    const flags = words[base + WORD.flags]!
    if ((flags & FLAG.methodMask) !== METHOD.masquerading) return false
    const local = (flags & FLAG.fullNat) === 0 ? null : this.#fullNat.localOf(record)
    if (hook === 'inbound') relateInbound(packet, this.quoted, words, base, local)
    else relateOutbound(packet, this.quoted, words, base, local)
    return true
  }
}

/** Whether the packet is an ICMP error of a kind that is related to connections. */
export function isError({ bytes, transportStart, family, protocol, isLaterFragment }: Packet): boolean {
  if (isLaterFragment) return false
  const type = readU8(bytes, transportStart)
  return family === 4
    ? protocol === PROTOCOL.icmp && RELATED_TYPES.includes(type)
    : protocol === PROTOCOL.icmpv6 && isIcmpv6Error(type)
}
