/**
 * The director: what happens to a packet, on one page.
 *
 * 1. {@link Director.process} reads the packet once. What cannot be read is dropped and counted by its flaw; what is not
 *    followed (other protocols, later fragments) is left to the kernel.
 * 2. Inbound, the connection table is asked first. A stranger goes to the service table: is there a virtual service, and
 *    whom does its scheduler pick? The new connection is written down.
 * 3. The packet is counted, the connection's state and deadline move on, and its forwarding method's encoder does the
 *    rest: rewrite (masquerading), leave as it is (gatewaying), wrap (tunnels).
 * 4. Outbound, a masqueraded server's answer is found by its reverse endpoints and rewritten to come from the service.
 */

import { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, TEMPLATE_STATE, WORD } from '../conn/layout.ts'
import { Lookahead } from '../conn/lookahead.ts'
import {
  type Protocol,
  protocols,
  protocolTable,
  readTimeouts,
  type Timeouts,
  writeTimeouts,
} from '../conn/protocol.ts'
import { DIRECTION, type Direction, UNCHANGED } from '../conn/state-table.ts'
import { startTickOf } from '../conn/ticks.ts'
import { rewriteOutbound } from '../encode/nat.ts'
import { ENGINES } from '../persistence/index.ts'
import { SCHEDULERS } from '../sched/index.ts'
import { Counters } from '../service/counters.ts'
import { type Destination, METHOD } from '../service/destination.ts'
import type { SchedulerFactory } from '../service/scheduler.ts'
import { ServiceTable } from '../service/service-table.ts'
import type { VirtualService } from '../service/virtual-service.ts'
import { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { Answers } from './answers.ts'
import { Defence } from './defence.ts'
import { Housekeeping } from './housekeeping.ts'
import { defaultKnobs, type Knobs } from './knobs.ts'
import { Placement, UNPLACED } from './placement.ts'
import type { ReasonCounters } from './reasons.ts'
import { RELATION, Related } from './related.ts'
import { Transmission } from './transmission.ts'
import type { Arrival, Verdict } from './verdict.ts'

export interface DirectorOptions {
  /** Now, on the clock that every {@link Arrival.nowMs} is read from. */
  readonly nowMs: number
  /** Numbers in [0, 1): seeds the connection table's hash, and is handed to schedulers. */
  readonly random: () => number
  /** The most connections there can be; the default takes 128 MiB of address space, and memory as they come. */
  readonly connectionLimit?: number
  readonly schedulers?: Readonly<Record<string, SchedulerFactory>>
  /** Methods whose packets the kernel forwards after the verdict, and so takes one off their hop limit itself. */
  readonly kernelForwards?: { readonly masquerading: boolean; readonly gatewaying: boolean }
  /** Free memory in pages, for the automatic defence modes; left out, it is never short. */
  readonly availablePages?: () => number
}

export const DEFAULT_CONNECTION_LIMIT = 1_048_576

export class Director {
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly totals = new Counters()
  /** To be changed at any time; what they may hold, `knobFlaw` tells. */
  readonly knobs: Knobs = defaultKnobs()
  readonly #lookahead: Lookahead
  readonly #protocols = protocols({
    sloppyTcp: () => this.knobs.sloppy_tcp !== 0,
    sloppySctp: () => this.knobs.sloppy_sctp !== 0,
    secureTcp: () => this.#defence.isActive('secure_tcp'),
  })
  readonly #protocolTable = protocolTable(this.#protocols)
  readonly #packet = new Packet()
  readonly #answers: Answers
  readonly #transmission: Transmission
  readonly #placement: Placement
  readonly #related: Related
  readonly #defence: Defence
  readonly #housekeeping: Housekeeping

  constructor(options: DirectorOptions) {
    const { nowMs, random, connectionLimit, schedulers, kernelForwards, availablePages } = options
    this.services = new ServiceTable({
      schedulers: schedulers ?? SCHEDULERS,
      engines: Object.keys(ENGINES),
      random,
    })
    const limit = connectionLimit ?? DEFAULT_CONNECTION_LIMIT
    this.connections = new ConnectionTable({ limit, seed: random() * 2 ** 32, nowMs })
    this.#lookahead = new Lookahead(this.connections)
    this.#placement = new Placement(this)
    this.#defence = new Defence(this.knobs)
    this.#related = new Related(this.connections, this.#protocolTable)
    this.#answers = new Answers(this.#packet, random)
    this.#transmission = new Transmission({
      packet: this.#packet,
      words: this.connections.words,
      answers: this.#answers,
      knobs: this.knobs,
      kernelForwards: kernelForwards ?? { masquerading: false, gatewaying: false },
    })
    this.#housekeeping = new Housekeeping({
      services: this.services,
      connections: this.connections,
      totals: this.totals,
      knobs: this.knobs,
      defence: this.#defence,
      protocols: this.#protocolTable,
      random,
      availablePages: availablePages ?? (() => Number.POSITIVE_INFINITY),
      nowMs,
    })
  }

  /** Packets that went nowhere, by reason. */
  get dropped(): ReasonCounters {
    return this.#answers.dropped
  }

  /** Packets that were left to the kernel, by reason. */
  get passed(): ReasonCounters {
    return this.#answers.passed
  }

  /** Holds the ICMP error of a verdict with `answerBytes` above 0. */
  get answer(): Uint8Array {
    return this.#answers.answer
  }

  /** What becomes of one packet. The verdict is valid until the next call. */
  process(arrival: Arrival): Verdict {
    const packet = this.#packet
    const flaw = packet.read(arrival.bytes, arrival.start, arrival.end)
    if (flaw !== null) return this.#answers.drop(flaw.reason)
    const protocol = this.#protocolTable[packet.protocol]
    if (protocol === undefined) return this.#unfollowed(arrival)
    if (packet.isLaterFragment && protocol.hasPorts) return this.#answers.pass('later-fragment')
    return arrival.hook === 'inbound' ? this.#inbound(arrival, protocol) : this.#outbound(arrival, protocol)
  }

  /**
   * Optional, for batches: a packet that {@link Director.process} is to be given soon, whose header starts at `start`. Changes
   * nothing but speed; {@link Director.fetchExpected} follows once the batch is told.
   */
  expect(bytes: Uint8Array, start: number, hook: Arrival['hook']): void {
    this.#lookahead.note(bytes, start, hook === 'inbound')
  }

  /** Brings near what the expected packets will need. */
  fetchExpected(): void {
    this.#lookahead.touch()
  }

  /**
   * Lets time pass: forgets connections that are due, takes the statistics' snapshots. To be called a few times a second;
   * looks at no more than `budget` connections a call and says false when more are due.
   */
  passTime(nowMs: number, budget = 4096): boolean {
    return this.#housekeeping.passTime(nowMs, budget)
  }

  get timeouts(): Timeouts {
    return readTimeouts(this.#protocols)
  }

  /** In seconds; 0 leaves one as it is. */
  set timeouts(timeouts: Timeouts) {
    writeTimeouts(this.#protocols, timeouts)
  }

  /** The protocol a connection's protocol number stands for, for listings. */
  protocol(number: number): Protocol | undefined {
    return this.#protocolTable[number]
  }

  #inbound(arrival: Arrival, protocol: Protocol): Verdict {
    const packet = this.#packet
    const { connections } = this
    let record = protocol.findInbound(connections, packet)
    if (record !== NONE && this.#isOver(record, protocol)) {
      connections.expireNow(record, arrival.nowMs)
      record = NONE
    }
    if (record === NONE) {
      const starts = protocol.starts(packet)
      if (starts === false) return this.#answers.pass('not-a-connection-start')
      if (starts !== true) return this.#answers.drop(starts.reason)
      const service = this.services.lookup(
        packet.family,
        arrival.mark,
        packet.protocol,
        packet.destinationW0,
        packet.destinationW1,
        packet.destinationW2,
        packet.destinationW3,
        packet.destinationPort,
      )
      if (service === null) return this.#answers.pass('no-service')
      if (this.#defence.dropsPacket()) return this.#answers.drop('drop-packet')
      if (packet.sourcePort === FTP_DATA_PORT) return this.#answers.pass('ftp-data')
      record = this.#placement.place(packet, service, arrival.mark, arrival.nowMs)
      if (record < 0) return this.#leave(service, record, arrival)
    }

    const { words } = connections
    const base = record * RECORD_WORDS
    const destination = this.services.destination(words[base + WORD.destinationId]!)
    if (!destination.isAvailable) return this.#answers.drop('destination-removed')
    this.#countIn(destination, packet.totalBytes)
    const noOutput = (words[base + WORD.flags]! & FLAG.noOutput) !== 0
    this.#follow(base, protocol, noOutput ? DIRECTION.inputOnly : DIRECTION.input, destination)
    words[base + WORD.inPackets]! += 1
    if ((words[base + WORD.flags]! & FLAG.noClientPort) !== 0)
      connections.setClientPort(record, packet.sourcePort)
    const verdict = this.#transmission.transmit(base, destination, arrival)
    if ((words[base + WORD.flags]! & FLAG.onePacket) !== 0)
      connections.endOnePacket(record, this.#housekeeping.unbind)
    else connections.prolong(record, startTickOf(arrival.nowMs))
    return verdict
  }

  /** A packet of nobody's connection, forwarded: a masqueraded server may have to be told that nobody listens. */
  #unanswerable({ nowMs }: Arrival, protocol: Protocol): Verdict {
    const server =
      this.knobs.nat_icmp_send === 0 || protocol.ends(this.#packet) ? null : this.#masqueradedServer()
    if (server === null) return this.#answers.pass('no-connection')
    const source = server.path?.sourceAddress ?? null
    return this.#answers.refuse('unanswerable', 'portUnreachable', nowMs, 0, source)
  }

  /** The masqueraded destination that the packet comes from, of a service of its protocol or of a mark. */
  #masqueradedServer(): Destination | null {
    const { source, sourcePort, protocol, family } = this.#packet
    for (const { key, pool } of this.services) {
      if (key.kind === 'address' ? PROTOCOL[key.transport] !== protocol : key.family !== family) continue
      for (const destination of pool) {
        const { method, port, address } = destination
        if (method === 'masquerading' && port === sourcePort && address.equals(source)) return destination
      }
    }
    return null
  }

  /** A packet of no followed protocol: an ICMP error may be about one that is. */
  #unfollowed(arrival: Arrival): Verdict {
    const packet = this.#packet
    const { hook } = arrival
    let record = this.#related.find(packet, hook)
    if (record === RELATION.none) return this.#answers.pass('protocol-not-followed')
    if (record === RELATION.fragment) return this.#answers.drop('icmp-fragment')
    if (record === RELATION.badChecksum) return this.#answers.drop('icmp-checksum')
    if (record === RELATION.stranger) {
      record = hook === 'inbound' && this.knobs.schedule_icmp !== 0 ? this.#placeQuoted(arrival) : NONE
      if (record === NONE) return this.#answers.pass('no-connection')
      if (record < 0) return this.#answers.drop('no-destination')
    }
    const { words } = this.connections
    const base = record * RECORD_WORDS
    const destination = this.services.destination(words[base + WORD.destinationId]!)
    if (hook === 'inbound') {
      if (destination.isAvailable) this.#countIn(destination, packet.totalBytes)
      return this.#transmission.relay(this.#related, record, destination, arrival)
    }
    const isTranslated = this.#related.translate(packet, record, hook)
    if (destination.isAvailable) this.#countOut(destination, packet.totalBytes)
    return this.#answers.forward(isTranslated ? 'rewrite' : 'accept', packet.start, destination)
  }

  /** With `schedule_icmp`, an error about an unknown connection is scheduled as the packet it quotes would be. */
  #placeQuoted({ mark, nowMs }: Arrival): number {
    const { quoted } = this.#related
    const service = this.services.lookup(
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
    const record = this.#placement.place(quoted, service, mark, nowMs)
    if (record > 0) this.connections.prolong(record, startTickOf(nowMs))
    return record
  }

  /** Nobody took the stranger: what becomes of it, in IPVS's order. */
  #leave(service: VirtualService, why: number, arrival: Arrival): Verdict {
    if (why === UNPLACED.tableFull) return this.#answers.drop('connection-table-full')
    if (why === UNPLACED.noEngineData) return this.#answers.drop('no-engine-data')
    // The FTP service is found for other ports too; those that it does not take are for the host itself.
    if (service.port === FTP_PORT && this.#packet.destinationPort !== FTP_PORT)
      return this.#answers.pass('no-service')
    return this.#answers.refuse('no-destination', 'portUnreachable', arrival.nowMs)
  }

  #outbound(arrival: Arrival, protocol: Protocol): Verdict {
    const packet = this.#packet
    const { connections } = this
    const { words } = connections
    const record = protocol.findOutbound(connections, packet)
    if (record === NONE) return this.#unanswerable(arrival, protocol)
    const base = record * RECORD_WORDS
    const flags = words[base + WORD.flags]!
    const destination = this.services.destination(words[base + WORD.destinationId]!)
    const isMasqueraded = (flags & FLAG.methodMask) === METHOD.masquerading
    if (isMasqueraded) rewriteOutbound(packet, words, base, arrival.offload)
    if (destination.isAvailable) this.#countOut(destination, packet.totalBytes)
    this.#follow(base, protocol, DIRECTION.output, destination)
    connections.prolong(record, startTickOf(arrival.nowMs))
    return this.#answers.forward(isMasqueraded ? 'rewrite' : 'accept', packet.start, destination)
  }

  /**
   * Whether the packet is not for this connection any more: its destination is gone or quiesced and the knobs say not to
   * wait, or it starts another connection on the endpoints of one that was closing.
   */
  #isOver(record: number, protocol: Protocol): boolean {
    const { words } = this.connections
    const { conn_reuse_mode: reuse, expire_nodest_conn: expires } = this.knobs
    const base = record * RECORD_WORDS
    const { isAvailable, weight } = this.services.destination(words[base + WORD.destinationId]!)
    if (protocol.opens(this.#packet)) {
      if (expires !== 0 && weight === 0) return true
      const isControlled = words[base + WORD.controller] !== NONE
      const isUnanswered = (reuse & 2) !== 0 && (words[base + WORD.flags]! & FLAG.noOutput) !== 0
      if (reuse !== 0 && !isControlled && protocol.isClosing(words[base + WORD.state]!, isUnanswered))
        return true
    }
    return !isAvailable && expires !== 0
  }

  /** The connection's state after the packet, the timeout that goes with it, and whether it counts as active. */
  #follow(base: number, protocol: Protocol, direction: Direction, destination: Destination): void {
    const { words } = this.connections
    const state = words[base + WORD.state]!
    const next = protocol.next(state, direction, this.#packet)
    if (next === UNCHANGED) return
    if (direction === DIRECTION.output) words[base + WORD.flags]! &= ~FLAG.noOutput
    words[base + WORD.timeoutTicks] = protocol.timeoutTicks[next]!
    const controller = words[base + WORD.controller]!
    if (controller !== NONE && protocol.assures(next, direction)) {
      words[controller * RECORD_WORDS + WORD.state] = TEMPLATE_STATE.assured
    }
    if (next === state) return
    words[base + WORD.state] = next
    const wasActive = (words[base + WORD.flags]! & FLAG.inactive) === 0
    const isActive = protocol.isActive[next]!
    if (isActive === wasActive) return
    words[base + WORD.flags]! ^= FLAG.inactive
    destination.moveActivity(isActive)
  }

  #countIn(destination: Destination, bytes: number): void {
    destination.counters.countIn(bytes)
    destination.service.counters.countIn(bytes)
    this.totals.countIn(bytes)
  }

  #countOut(destination: Destination, bytes: number): void {
    destination.counters.countOut(bytes)
    destination.service.counters.countOut(bytes)
    this.totals.countOut(bytes)
  }
}

const FTP_PORT = 21
const FTP_DATA_PORT = 20
