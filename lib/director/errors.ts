/**
 * Packets of no followed protocol. Most are the host's own business; ICMP errors may be about a connection, or about a
 * packet of one of our tunnels, which no client could make anything of.
 */

import { readU8, readU16, readU32 } from '../bytes/octets.ts'
import type { ConnectionTable } from '../conn/connection-table.ts'
import { NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import type { Protocol } from '../conn/protocol.ts'
import { startTickOf } from '../conn/ticks.ts'
import { isEchoRequest, turnIntoEchoReply } from '../encode/icmp-echo.ts'
import { ICMP_ERROR, type IcmpErrorKind, type IcmpTypeCode } from '../encode/icmp-error.ts'
import { icmpChecksumIsValid } from '../encode/icmp-related.ts'
import { overheadBytes } from '../encode/tunnel.ts'
import { isOfTunnel, quotedInnerStart, quotedTunnelType } from '../encode/tunnel-quoted.ts'
import type { Destination } from '../service/destination.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { ICMP_HEADER_BYTES } from '../wire/icmp.ts'
import { Packet } from '../wire/packet.ts'
import type { Answers } from './answers.ts'
import type { Following } from './following.ts'
import type { Knobs } from './knobs.ts'
import type { Placement } from './placement.ts'
import { isError, RELATION, type Related } from './related.ts'
import type { Transmission } from './transmission.ts'
import type { Arrival, Verdict } from './verdict.ts'

export interface ErrorsParts {
  readonly packet: Packet
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly knobs: Knobs
  readonly answers: Answers
  readonly related: Related
  readonly placement: Placement
  readonly following: Following
  readonly transmission: Transmission
  readonly protocols: readonly (Protocol | undefined)[]
  /** Whether pings of virtual addresses are answered here. */
  readonly answersEcho: boolean
}

export class Errors {
  readonly #parts: ErrorsParts
  readonly #packet: Packet
  /** What a tunnel error quotes: our outer packet, and the client's in it. */
  readonly #outer = new Packet()
  readonly #inner = new Packet()

  constructor(parts: ErrorsParts) {
    this.#parts = parts
    this.#packet = parts.packet
  }

  process(arrival: Arrival): Verdict {
    const packet = this.#packet
    const { answers, related } = this.#parts
    if (this.#isPing(arrival)) {
      turnIntoEchoReply(packet, answers.nextIdentification())
      return answers.forward('send', packet.start, null)
    }
    if (this.#isAboutTunnel()) return this.#tellOn(arrival)
    const found = related.find(packet, arrival.hook)
    switch (found) {
      case RELATION.none:
        return answers.pass('protocol-not-followed')
      case RELATION.fragment:
        return answers.drop('icmp-fragment')
      case RELATION.badChecksum:
        return answers.drop('icmp-checksum')
      case RELATION.stranger:
        return this.#stranger(arrival)
      default:
        return this.#relate(found, arrival)
    }
  }

  #isPing({ hook }: Arrival): boolean {
    const { answersEcho, services } = this.#parts
    return (
      answersEcho &&
      hook === 'inbound' &&
      isEchoRequest(this.#packet) &&
      services.hasAddress(this.#packet.destination)
    )
  }

  /** With `schedule_icmp`, an error about an unknown connection is scheduled as the packet it quotes would be. */
  #stranger(arrival: Arrival): Verdict {
    const { answers, knobs } = this.#parts
    if (arrival.hook === 'outbound' || knobs.schedule_icmp === 0) return answers.pass('no-connection')
    const record = this.#placeQuoted(arrival)
    if (record === NONE) return answers.pass('no-connection')
    return record < 0 ? answers.drop('no-destination') : this.#relate(record, arrival)
  }

  #placeQuoted({ mark, nowMs }: Arrival): number {
    const { services, connections, placement, related } = this.#parts
    const { quoted } = related
    const service = services.lookup(
      quoted.family,
      mark,
      quoted.protocol,
      quoted.destinationW0,
      quoted.destinationW1,
      quoted.destinationW2,
      quoted.destinationW3,
      quoted.destinationPort,
    )
    if (service === null) return NONE
    const record = placement.place(quoted, service, mark, nowMs)
    if (record > 0) connections.prolong(record, startTickOf(nowMs))
    return record
  }

  /** An error about a connection goes the way of its packets. */
  #relate(record: number, arrival: Arrival): Verdict {
    const packet = this.#packet
    const { services, connections, answers, related, following, transmission } = this.#parts
    const destination = services.destination(connections.words[record * RECORD_WORDS + WORD.destinationId]!)
    if (arrival.hook === 'inbound') {
      if (destination.isAvailable) following.countIn(destination, packet.totalBytes)
      return transmission.relay(related, record, destination, arrival)
    }
    const isTranslated = related.translate(packet, record, arrival.hook)
    if (destination.isAvailable) following.countOut(destination, packet.totalBytes)
    return answers.forward(isTranslated ? 'rewrite' : 'accept', packet.start, destination)
  }

  /** Whether the packet is an error about what we sent through a tunnel: it quotes our header and one of a client's. */
  #isAboutTunnel(): boolean {
    const packet = this.#packet
    const outer = this.#outer
    const inner = this.#inner
    if (packet.isFragment || !isError(packet)) return false
    const quotedAt = packet.transportStart + ICMP_HEADER_BYTES
    if (outer.readQuoted(packet.bytes, quotedAt, packet.end) !== null || outer.isLaterFragment) return false
    if (quotedTunnelType(outer) === null || !isToItsSender(packet, outer) || !this.#wasSentByUs())
      return false
    const innerAt = quotedInnerStart(outer)
    return innerAt >= 0 && inner.readQuoted(packet.bytes, innerAt, packet.end) === null
  }

  #wasSentByUs(): boolean {
    const { destinationW0, destinationW1, destinationW2, destinationW3 } = this.#outer
    const { services } = this.#parts
    return (
      services.findDestination(
        destinationW0,
        destinationW1,
        destinationW2,
        destinationW3,
        this.#isTunnelEnd,
      ) !== null
    )
  }

  readonly #isTunnelEnd = ({ address, method, tunnel }: Destination): boolean =>
    address.family === this.#outer.family && method === 'ipip' && isOfTunnel(this.#outer, tunnel)

  /** The client is told what became of its packet, in terms of that packet; the way's MTU is remembered. */
  #tellOn({ nowMs }: Arrival): Verdict {
    const packet = this.#packet
    const inner = this.#inner
    const { services, connections, answers, protocols, following } = this.#parts
    const record = protocols[inner.protocol]?.findInbound(connections, inner) ?? NONE
    if (record === NONE) return answers.pass('no-connection')
    if (!icmpChecksumIsValid(packet)) return answers.drop('icmp-checksum')
    const destination = services.destination(connections.words[record * RECORD_WORDS + WORD.destinationId]!)
    const { bytes, transportStart } = packet
    const isTooBig = isOfKind(packet, 'packetTooBig')
    let rest = packet.family === inner.family ? readU32(bytes, transportStart + 4) : 0
    if (isTooBig) {
      const mtuBytes =
        packet.family === 4 ? readU16(bytes, transportStart + 6) : readU32(bytes, transportStart + 4)
      if (mtuBytes === 0) return answers.absorb()
      destination.learnMtu(mtuBytes, nowMs)
      // Who lets its packets be cut has no use for it: the next will be.
      if (inner.family === 4 && !inner.dontFragment) return answers.absorb()
      rest = Math.max(0, (destination.path?.mtuBytes ?? mtuBytes) - overheadBytes(destination, false))
    }
    const verdict = answers.tellOn(inner, this.#inTermsOf(inner, isTooBig), rest, nowMs)
    if (verdict.answerBytes > 0 && destination.isAvailable)
      following.countOut(destination, verdict.answerBytes)
    return verdict
  }

  /** Type and code: as they came, or the other family's nearest. */
  #inTermsOf({ family }: Packet, isTooBig: boolean): IcmpTypeCode {
    const packet = this.#packet
    if (isTooBig) return ICMP_ERROR.packetTooBig[family]
    const { bytes, transportStart } = packet
    if (packet.family === family) return [readU8(bytes, transportStart), readU8(bytes, transportStart + 1)]
    return ICMP_ERROR[isOfKind(packet, 'timeExceeded') ? 'timeExceeded' : 'hostUnreachable'][family]
  }
}

/** Whether the error goes to whom it quotes as the sender: us. */
const isToItsSender = (packet: Packet, quoted: Packet): boolean =>
  packet.destinationW0 === quoted.sourceW0 &&
  packet.destinationW1 === quoted.sourceW1 &&
  packet.destinationW2 === quoted.sourceW2 &&
  packet.destinationW3 === quoted.sourceW3

function isOfKind({ bytes, transportStart, family }: Packet, kind: IcmpErrorKind): boolean {
  const [type, code] = ICMP_ERROR[kind][family]
  return readU8(bytes, transportStart) === type && readU8(bytes, transportStart + 1) === code
}
