/**
 * From a client to a virtual service: the connection table is asked first, a stranger is placed, and its forwarding
 * method does the rest.
 */

import type { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import type { Protocol } from '../conn/protocol.ts'
import { DIRECTION } from '../conn/state-table.ts'
import { startTickOf } from '../conn/ticks.ts'
import { type Destination, METHOD } from '../service/destination.ts'
import { NOBODY_ID } from '../service/nobody.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { VirtualService } from '../service/virtual-service.ts'
import type { Packet } from '../wire/packet.ts'
import type { Answers } from './answers.ts'
import type { Defence } from './defence.ts'
import type { Following } from './following.ts'
import type { Knobs } from './knobs.ts'
import { type Placement, UNPLACED } from './placement.ts'
import type { Transmission } from './transmission.ts'
import type { Arrival, Verdict } from './verdict.ts'

export interface InboundParts {
  readonly packet: Packet
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly knobs: Knobs
  readonly answers: Answers
  readonly placement: Placement
  readonly defence: Defence
  readonly following: Following
  readonly transmission: Transmission
  /** Told of a connection that is over with its only packet. */
  readonly unbind: (record: number) => void
}

export class Inbound {
  readonly #packet: Packet
  readonly #services: ServiceTable
  readonly #connections: ConnectionTable
  readonly #knobs: Knobs
  readonly #answers: Answers
  readonly #placement: Placement
  readonly #defence: Defence
  readonly #following: Following
  readonly #transmission: Transmission
  readonly #unbind: (record: number) => void

  constructor(parts: InboundParts) {
    this.#packet = parts.packet
    this.#services = parts.services
    this.#connections = parts.connections
    this.#knobs = parts.knobs
    this.#answers = parts.answers
    this.#placement = parts.placement
    this.#defence = parts.defence
    this.#following = parts.following
    this.#transmission = parts.transmission
    this.#unbind = parts.unbind
  }

  /** What becomes of a packet of a followed protocol. */
  process(arrival: Arrival, protocol: Protocol): Verdict {
    const connections = this.#connections
    const record = protocol.findInbound(connections, this.#packet)
    if (record === NONE) return this.#welcome(arrival, protocol)
    const id = connections.words[record * RECORD_WORDS + WORD.destinationId]!
    const destination = this.#services.destination(id)
    if (!this.#isOver(record, destination, protocol))
      return this.#carryOn(record, destination, arrival, protocol)
    connections.expireNow(record, arrival.nowMs)
    return this.#welcome(arrival, protocol)
  }

  /** A packet of its connection: counted, followed, sent on. */
  #carryOn(record: number, destination: Destination, arrival: Arrival, protocol: Protocol): Verdict {
    const connections = this.#connections
    const { words } = connections
    const base = record * RECORD_WORDS
    const flags = words[base + WORD.flags]!
    if (destination.isAvailable) this.#following.countIn(destination, this.#packet.totalBytes)
    else if ((flags & FLAG.methodMask) !== METHOD.bypass) return this.#answers.drop('destination-removed')
    const direction = (flags & FLAG.noOutput) !== 0 ? DIRECTION.inputOnly : DIRECTION.input
    this.#following.follow(base, protocol, direction, destination)
    words[base + WORD.inPackets]! += 1
    if ((flags & FLAG.noClientPort) !== 0) connections.setClientPort(record, this.#packet.sourcePort)
    const verdict = this.#transmission.transmit(record, destination, arrival)
    if ((flags & FLAG.onePacket) !== 0) connections.endOnePacket(record, this.#unbind)
    else connections.prolong(record, startTickOf(arrival.nowMs))
    return verdict
  }

  /** A stranger: placed if it may start a connection, and somebody takes it. */
  #welcome(arrival: Arrival, protocol: Protocol): Verdict {
    const packet = this.#packet
    const answers = this.#answers
    const starts = protocol.starts(packet)
    if (starts === false) return answers.pass('not-a-connection-start')
    if (starts !== true) return answers.drop(starts.reason)
    const service = this.#services.lookup(
      packet.family,
      arrival.mark,
      packet.protocol,
      packet.destinationW0,
      packet.destinationW1,
      packet.destinationW2,
      packet.destinationW3,
      packet.destinationPort,
    )
    if (service === null) return answers.pass('no-service')
    if (this.#defence.dropsPacket()) return answers.drop('drop-packet')
    if (packet.sourcePort === FTP_DATA_PORT) return answers.pass('ftp-data')
    const record = this.#placement.place(packet, service, arrival.mark, arrival.nowMs)
    return record < 0
      ? this.#leave(service, record, arrival, protocol)
      : this.#begin(record, arrival, protocol)
  }

  #begin(record: number, arrival: Arrival, protocol: Protocol): Verdict {
    const id = this.#connections.words[record * RECORD_WORDS + WORD.destinationId]!
    return this.#carryOn(record, this.#services.destination(id), arrival, protocol)
  }

  /** Nobody took the stranger: what becomes of it, in IPVS's order. */
  #leave(service: VirtualService, why: number, arrival: Arrival, protocol: Protocol): Verdict {
    const packet = this.#packet
    const answers = this.#answers
    const reason = UNPLACED_REASONS[why]
    if (reason !== undefined) return answers.drop(reason)
    const bypass = this.#placement.bypass(packet, service, arrival.mark, arrival.nowMs)
    if (bypass > 0) return this.#begin(bypass, arrival, protocol)
    // The FTP service is found for other ports too; those that it does not take are for the host itself.
    if (service.port === FTP_PORT && packet.destinationPort !== FTP_PORT) return answers.pass('no-service')
    return answers.refuse('no-destination', 'portUnreachable', arrival.nowMs)
  }

  /**
   * Whether the packet is not for this connection any more: its destination is gone or quiesced and the knobs say not to
   * wait, or it starts another connection on the endpoints of one that was closing.
   */
  #isOver(record: number, { id, isAvailable, weight }: Destination, protocol: Protocol): boolean {
    const { conn_reuse_mode: reuse, expire_nodest_conn: expires } = this.#knobs
    if (!isAvailable && expires !== 0 && id !== NOBODY_ID) return true
    if (!protocol.opens(this.#packet)) return false
    if (expires !== 0 && weight === 0) return true
    const { words } = this.#connections
    const base = record * RECORD_WORDS
    if (reuse === 0 || words[base + WORD.controller] !== NONE) return false
    const isUnanswered = (reuse & 2) !== 0 && (words[base + WORD.flags]! & FLAG.noOutput) !== 0
    return protocol.isClosing(words[base + WORD.state]!, isUnanswered)
  }
}

const FTP_PORT = 21
const FTP_DATA_PORT = 20

/** Why a stranger is dropped without a word, by {@link UNPLACED}. */
const UNPLACED_REASONS: Readonly<Record<number, string>> = {
  [UNPLACED.tableFull]: 'connection-table-full',
  [UNPLACED.noEngineData]: 'no-engine-data',
  [UNPLACED.noLocalPort]: 'no-local-port',
  [UNPLACED.loopbackSource]: 'loopback-source',
}
