/** From a real server to a client: found by its reverse endpoints, and rewritten to come from the virtual service. */

import type { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import type { Protocol } from '../conn/protocol.ts'
import { DIRECTION } from '../conn/state-table.ts'
import { startTickOf } from '../conn/ticks.ts'
import { rewriteOutbound, rewriteToClient } from '../encode/nat.ts'
import { type Destination, METHOD } from '../service/destination.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import type { Answers } from './answers.ts'
import type { Following } from './following.ts'
import type { FtpHelper } from './ftp-helper.ts'
import type { FullNat } from './full-nat.ts'
import type { Knobs } from './knobs.ts'
import type { Placement } from './placement.ts'
import type { Transmission } from './transmission.ts'
import type { Arrival, Verdict } from './verdict.ts'

export interface OutboundParts {
  readonly packet: Packet
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly knobs: Knobs
  readonly answers: Answers
  readonly following: Following
  readonly placement: Placement
  readonly transmission: Transmission
  readonly ftp: FtpHelper
  readonly fullNat: FullNat
  /** Told of a connection that is over with its only packet. */
  readonly unbind: (record: number) => void
}

export class Outbound {
  readonly #parts: OutboundParts
  readonly #packet: Packet

  constructor(parts: OutboundParts) {
    this.#parts = parts
    this.#packet = parts.packet
  }

  /** What becomes of a packet of a followed protocol. */
  process(arrival: Arrival, protocol: Protocol): Verdict {
    const packet = this.#packet
    const { connections, fullNat } = this.#parts
    let record = protocol.findOutbound(connections, packet)
    if (record === NONE && !fullNat.isUnused) record = fullNat.find(packet)
    if (record === NONE) record = this.#startedByServer(arrival)
    if (record === NONE) return this.#unanswerable(arrival, protocol)
    return this.#answer(record, arrival, protocol)
  }

  /** A packet of its connection: rewritten where its server is masqueraded, counted, followed. */
  #answer(record: number, arrival: Arrival, protocol: Protocol): Verdict {
    const packet = this.#packet
    const { services, connections, answers, following, transmission, unbind } = this.#parts
    const { words } = connections
    const base = record * RECORD_WORDS
    const flags = words[base + WORD.flags]!
    const destination = services.destination(words[base + WORD.destinationId]!)
    const isMasqueraded = (flags & FLAG.methodMask) === METHOD.masquerading
    let isChanged = isMasqueraded
    if (isMasqueraded) {
      const flaw = this.#rewrite(record, flags, arrival)
      if (flaw !== null) return answers.drop(flaw)
    } else isChanged = transmission.clampAnswer(destination, arrival)
    if (destination.isAvailable) following.countOut(destination, packet.totalBytes)
    following.follow(base, protocol, DIRECTION.output, destination)
    if ((flags & FLAG.onePacket) !== 0) connections.endOnePacket(record, unbind)
    else connections.prolong(record, startTickOf(arrival.nowMs))
    return answers.forward(isChanged ? 'rewrite' : 'accept', packet.start, destination)
  }

  /** Null, or why the packet cannot go on. */
  #rewrite(record: number, flags: number, { offload, nowMs }: Arrival): string | null {
    const packet = this.#packet
    const { connections, ftp } = this.#parts
    const { words } = connections
    const base = record * RECORD_WORDS
    if ((flags & FLAG.helped) !== 0) {
      const flaw = ftp.reply(record, offload, nowMs)
      if (flaw !== null) return flaw
    }
    if ((flags & FLAG.fullNat) !== 0) rewriteToClient(packet, words, base)
    rewriteOutbound(packet, words, base, offload)
    return null
  }

  /** A real server of a service whose persistence engine knows calls from both sides may start one itself. */
  #startedByServer({ nowMs, mark }: Arrival): number {
    const packet = this.#packet
    const { services, placement } = this.#parts
    if (packet.protocol !== PROTOCOL.udp || !services.hasEngines) return NONE
    const server = this.#masqueradedServer()
    return server === null ? NONE : placement.placeReverse(packet, server, mark, nowMs)
  }

  /** A packet of nobody's connection, forwarded: a masqueraded server may have to be told that nobody listens. */
  #unanswerable({ nowMs }: Arrival, protocol: Protocol): Verdict {
    const { knobs, answers } = this.#parts
    const server = knobs.nat_icmp_send === 0 || protocol.ends(this.#packet) ? null : this.#masqueradedServer()
    if (server === null) return answers.pass('no-connection')
    return answers.refuse('unanswerable', 'portUnreachable', nowMs, 0, server.path?.sourceAddress ?? null)
  }

  /** The masqueraded destination that the packet comes from, of a service of its protocol or of a mark. */
  #masqueradedServer(): Destination | null {
    const { sourceW0, sourceW1, sourceW2, sourceW3 } = this.#packet
    return this.#parts.services.findDestination(sourceW0, sourceW1, sourceW2, sourceW3, this.#isSender)
  }

  readonly #isSender = ({ service, address, method, port }: Destination): boolean => {
    const { protocol, family, sourcePort } = this.#packet
    const isOfProtocol = service.key.kind === 'fwmark' || PROTOCOL[service.key.transport] === protocol
    return isOfProtocol && address.family === family && method === 'masquerading' && port === sourcePort
  }
}
