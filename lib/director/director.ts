/**
 * The director: what happens to a packet, on one page.
 *
 * 1. {@link Director.process} reads the packet once. What cannot be read is dropped and counted by its flaw; what is not
 *    followed (other protocols, later fragments) is left to the kernel.
 * 2. Inbound, the connection table is asked first. A stranger goes to the service table: is there a virtual service, and
 *    whom does its scheduler pick? The new connection is written down.
 * 3. The packet is counted, the connection's state and deadline move on, and its forwarding method's encoder does the
 *    rest: rewrite (masquerading), leave as it is (gatewaying), wrap (ipip).
 * 4. Outbound, a masqueraded server's answer is found by its reverse endpoints and rewritten to come from the service.
 */

import { foldAddress } from '../bytes/address.ts'
import { ConnectionTable, type NewConnection } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import { Lookahead } from '../conn/lookahead.ts'
import {
  type Protocol,
  protocols,
  protocolTable,
  readTimeouts,
  type Timeouts,
  writeTimeouts,
} from '../conn/protocol.ts'
import { DIRECTION, type Direction, TCP_STATES } from '../conn/tcp-state.ts'
import { startTickOf } from '../conn/ticks.ts'
import { decrementHopLimit } from '../encode/hop-limit.ts'
import { ICMP_ERROR_MAX_BYTES, type IcmpErrorKind, mayAnswer, writeIcmpError } from '../encode/icmp-error.ts'
import { natDelta, rewriteInbound, rewriteOutbound } from '../encode/nat.ts'
import { OFFLOAD, type Offload } from '../encode/offload.ts'
import { encapsulate, outerBytes } from '../encode/tunnel.ts'
import { SCHEDULERS } from '../sched/index.ts'
import { Counters, ESTIMATION_PERIOD_MS } from '../service/counters.ts'
import { type Destination, METHOD } from '../service/destination.ts'
import type { Flow, SchedulerFactory } from '../service/scheduler.ts'
import { ServiceTable } from '../service/service-table.ts'
import type { VirtualService } from '../service/virtual-service.ts'
import { Packet } from '../wire/packet.ts'
import { finishTransportChecksum } from '../wire/transport-checksum.ts'
import { copyEndpoints, NO_ADDRESS, NO_ENDPOINTS } from './endpoints.ts'
import { IcmpLimit } from './icmp-limit.ts'
import { DROP_REASONS, type DropReason, PASS_REASONS, type PassReason, ReasonCounters } from './reasons.ts'
import { type Arrival, HEADROOM_BYTES, type Verdict } from './verdict.ts'

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
}

/** The settings of IPVS that change a packet's way; names and defaults as under `net.ipv4.vs`. */
export interface DirectorKnobs {
  /** A packet that starts a connection anew on the endpoints of a closing one is scheduled again. */
  connReuseMode: number
}

export const DEFAULT_CONNECTION_LIMIT = 1_048_576

export class Director {
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly totals = new Counters()
  readonly dropped = new ReasonCounters(DROP_REASONS)
  readonly passed = new ReasonCounters(PASS_REASONS)
  readonly knobs: DirectorKnobs = { connReuseMode: 1 }
  /** Holds the ICMP error of a verdict with `answerBytes` above 0. */
  readonly answer = new Uint8Array(ICMP_ERROR_MAX_BYTES)

  readonly #lookahead: Lookahead
  readonly #protocols = protocols()
  readonly #protocolTable = protocolTable(this.#protocols)
  readonly #kernelForwards: { readonly masquerading: boolean; readonly gatewaying: boolean }
  readonly #packet = new Packet()
  readonly #icmpLimit = new IcmpLimit()
  readonly #flow: Flow = { ...NO_ENDPOINTS, nowMs: 0 }
  readonly #scratch = new Uint8Array(HEADROOM_BYTES + 65_536)
  readonly #verdict: Verdict = {
    kind: 'accept',
    reason: '',
    bytes: this.#scratch,
    start: 0,
    end: 0,
    destination: null,
    answerBytes: 0,
  }
  #identification: number
  #nextEstimationMs: number

  constructor({ nowMs, random, connectionLimit, schedulers, kernelForwards }: DirectorOptions) {
    this.services = new ServiceTable({ schedulers: schedulers ?? SCHEDULERS, random })
    const limit = connectionLimit ?? DEFAULT_CONNECTION_LIMIT
    this.connections = new ConnectionTable({ limit, seed: random() * 2 ** 32, nowMs })
    this.#lookahead = new Lookahead(this.connections)
    this.#kernelForwards = kernelForwards ?? { masquerading: false, gatewaying: false }
    this.#identification = Math.floor(random() * 65_536)
    this.#nextEstimationMs = nowMs + ESTIMATION_PERIOD_MS
  }

  /** What becomes of one packet. The verdict is valid until the next call. */
  process(arrival: Arrival): Verdict {
    const packet = this.#packet
    const flaw = packet.read(arrival.bytes, arrival.start, arrival.end)
    if (flaw !== null) return this.#drop(flaw.reason)
    const protocol = this.#protocolTable[packet.protocol]
    if (protocol === undefined) return this.#pass('protocol-not-followed')
    if (packet.isLaterFragment) return this.#pass('later-fragment')
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
    if (nowMs >= this.#nextEstimationMs) {
      // After a stall the missed periods are left out: a snapshot taken twice at once would halve the rates.
      const missed = Math.floor((nowMs - this.#nextEstimationMs) / ESTIMATION_PERIOD_MS)
      this.#nextEstimationMs += (missed + 1) * ESTIMATION_PERIOD_MS
      this.#estimate()
      this.services.sweepTrash(nowMs)
      for (const { scheduler } of this.services) scheduler?.passTime?.(nowMs)
    }
    return this.connections.expire(nowMs, budget, this.#unbind)
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
    let record = connections.findInbound(packet)
    if (record !== NONE && this.#isReused(record, protocol)) {
      connections.expireNow(record, arrival.nowMs)
      record = NONE
    }
    if (record === NONE) {
      if (!protocol.starts(packet)) return this.#pass('not-a-connection-start')
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
      if (service === null) return this.#pass('no-service')
      if (packet.sourcePort === FTP_DATA_PORT) return this.#pass('ftp-data')
      // The FTP service is found for other ports too, whose packets it does not take: they are for the host itself.
      if (service.port === FTP_PORT && packet.destinationPort !== FTP_PORT) return this.#pass('no-service')
      const destination = this.#schedule(service, arrival.nowMs)
      if (destination === null) return this.#refuse('no-destination', 'portUnreachable', arrival.nowMs)
      record = this.#connect(service, destination, arrival)
      if (record === NONE) return this.#drop('connection-table-full')
    }

    const { words } = connections
    const base = record * RECORD_WORDS
    const destination = this.services.destination(words[base + WORD.destinationId]!)
    if (!destination.isAvailable) return this.#drop('destination-removed')
    this.#countIn(destination, packet.totalBytes)
    const noOutput = (words[base + WORD.flags]! & FLAG.noOutput) !== 0
    this.#follow(base, protocol, noOutput ? DIRECTION.inputOnly : DIRECTION.input, destination)
    words[base + WORD.inPackets]! += 1
    connections.prolong(record, startTickOf(arrival.nowMs))
    return this.#transmit(base, destination, arrival)
  }

  #outbound(arrival: Arrival, protocol: Protocol): Verdict {
    const packet = this.#packet
    const { connections } = this
    const { words } = connections
    const record = connections.findOutbound(packet)
    if (record === NONE) return this.#pass('no-connection')
    const base = record * RECORD_WORDS
    const flags = words[base + WORD.flags]!
    const destination = this.services.destination(words[base + WORD.destinationId]!)
    const isMasqueraded = (flags & FLAG.methodMask) === METHOD.masquerading
    if (isMasqueraded) rewriteOutbound(packet, words, base, arrival.offload)
    if (destination.isAvailable) this.#countOut(destination, packet.totalBytes)
    words[base + WORD.flags] = flags & ~FLAG.noOutput
    this.#follow(base, protocol, DIRECTION.output, destination)
    connections.prolong(record, startTickOf(arrival.nowMs))
    return this.#forward(isMasqueraded ? 'rewrite' : 'accept', packet.start, destination)
  }

  /** The encoder of the connection's own method: editing a destination does not change connections that exist. */
  #transmit(base: number, destination: Destination, arrival: Arrival): Verdict {
    const packet = this.#packet
    if (packet.hopLimit <= 1) return this.#refuse('hop-limit-exceeded', 'timeExceeded', arrival.nowMs)
    const { words } = this.connections
    switch (words[base + WORD.flags]! & FLAG.methodMask) {
      case METHOD.masquerading:
        if (this.#isTooBig(destination, 0, arrival.offload))
          return this.#refuseTooBig(destination, 0, arrival)
        if (!this.#kernelForwards.masquerading) decrementHopLimit(packet)
        rewriteInbound(packet, words, base, arrival.offload)
        return this.#forward('rewrite', packet.start, destination)
      case METHOD.gatewaying:
        if (this.#kernelForwards.gatewaying) return this.#forward('direct', packet.start, destination)
        if (this.#isTooBig(destination, 0, arrival.offload))
          return this.#refuseTooBig(destination, 0, arrival)
        decrementHopLimit(packet)
        if (arrival.offload !== OFFLOAD.finished) finishTransportChecksum(packet)
        return this.#forward('direct', packet.start, destination)
      default:
        return this.#tunnel(destination, arrival)
    }
  }

  #tunnel(destination: Destination, arrival: Arrival): Verdict {
    const packet = this.#packet
    const { path } = destination
    if (path === null) return this.#refuse('no-path', 'hostUnreachable', arrival.nowMs)
    const { family } = destination.address
    const overheadBytes = outerBytes(family)
    if (path.mtuBytes - overheadBytes < MIN_TUNNEL_MTU_BYTES[family]) return this.#drop('no-path')
    const isLongest = packet.totalBytes + overheadBytes > MAX_PACKET_BYTES
    if (isLongest || this.#isTooBig(destination, overheadBytes, OFFLOAD.finished)) {
      return this.#refuseTooBig(destination, overheadBytes, arrival)
    }
    if (packet.start < overheadBytes) this.#moveToScratch()
    decrementHopLimit(packet)
    if (arrival.offload !== OFFLOAD.finished) finishTransportChecksum(packet)
    this.#identification = (this.#identification + 1) & 0xffff
    const start = encapsulate(packet, destination.address, path, this.#identification)
    return this.#forward('send', start, destination)
  }

  /** A packet that must not be fragmented and does not fit the way; a super-packet's segments do fit. */
  #isTooBig({ path }: Destination, overheadBytes: number, offload: Offload): boolean {
    const packet = this.#packet
    if (path === null || offload === OFFLOAD.unfinishedSuper) return false
    if (packet.totalBytes <= path.mtuBytes - overheadBytes) return false
    return packet.family === 6 || packet.dontFragment
  }

  #refuseTooBig({ path }: Destination, overheadBytes: number, arrival: Arrival): Verdict {
    const mtuBytes = path === null ? 0 : path.mtuBytes - overheadBytes
    // As the kernel has it, the sender is quoted its packet one hop on.
    decrementHopLimit(this.#packet)
    return this.#refuse('too-big', 'packetTooBig', arrival.nowMs, mtuBytes)
  }

  #schedule(service: VirtualService, nowMs: number): Destination | null {
    // A service on port 0, found for another port: only persistence could serve it.
    if (service.key.kind === 'address' && service.key.port !== this.#packet.destinationPort) return null
    if (service.scheduler === null) return null
    copyEndpoints(this.#packet, this.#flow)
    this.#flow.nowMs = nowMs
    return service.scheduler.pick(this.#flow, service.pool)
  }

  readonly #new: NewConnection = {
    ...NO_ENDPOINTS,
    family: 4,
    destination: NO_ADDRESS,
    destinationPort: 0,
    destinationId: 0,
    flags: 0,
    fwmark: 0,
  }

  #connect(service: VirtualService, destination: Destination, { mark, nowMs }: Arrival): number {
    const packet = this.#packet
    const wanted = this.#new
    const method = METHOD[destination.method]
    copyEndpoints(packet, wanted)
    wanted.family = packet.family
    wanted.destination = destination.address
    wanted.destinationPort = destination.port === 0 ? packet.destinationPort : destination.port
    wanted.destinationId = destination.id
    wanted.flags = method | FLAG.inactive | (method === METHOD.masquerading ? 0 : FLAG.noOutput)
    wanted.fwmark = mark
    const record = this.connections.create(wanted, nowMs)
    if (record === NONE) return NONE
    const base = record * RECORD_WORDS
    if (method === METHOD.masquerading) {
      this.connections.words[base + WORD.natDelta] = natDelta(this.connections.words, base)
    }
    destination.bind(false)
    destination.counters.countConnection()
    service.counters.countConnection()
    this.totals.countConnection()
    return record
  }

  /** The endpoints of a connection that was closing start another one: `conn_reuse_mode`. */
  #isReused(record: number, protocol: Protocol): boolean {
    if (
      this.knobs.connReuseMode === 0 ||
      protocol !== this.#protocols.tcp ||
      !protocol.starts(this.#packet)
    ) {
      return false
    }
    const { words } = this.connections
    const base = record * RECORD_WORDS
    if (words[base + WORD.controller] !== NONE) return false
    const state = words[base + WORD.state]
    return state === TIME_WAIT || state === CLOSE
  }

  /** The connection's state after the packet, the timeout that goes with it, and whether it counts as active. */
  #follow(base: number, protocol: Protocol, direction: Direction, destination: Destination): void {
    const { words } = this.connections
    const state = words[base + WORD.state]!
    const next = protocol.next(state, direction, this.#packet)
    words[base + WORD.timeoutTicks] = protocol.timeoutTicks[next]!
    if (next === state) return
    words[base + WORD.state] = next
    const wasActive = (words[base + WORD.flags]! & FLAG.inactive) === 0
    const isActive = protocol.isActive[next]!
    if (isActive === wasActive) return
    words[base + WORD.flags]! ^= FLAG.inactive
    destination.moveActivity(isActive)
  }

  readonly #unbind = (record: number): void => {
    const { words } = this.connections
    const base = record * RECORD_WORDS
    const flags = words[base + WORD.flags]!
    const destination = this.services.destination(words[base + WORD.destinationId]!)
    destination.unbind((flags & FLAG.template) !== 0, (flags & FLAG.inactive) !== 0)
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

  #estimate(): void {
    this.totals.estimate()
    for (const service of this.services) {
      service.counters.estimate()
      for (const destination of service.pool) destination.counters.estimate()
    }
  }

  /** The packet lies too near the start of its bytes for an outer header: a copy goes on instead. */
  #moveToScratch(): void {
    const { bytes, start, end } = this.#packet
    this.#scratch.set(bytes.subarray(start, end), HEADROOM_BYTES)
    this.#packet.read(this.#scratch, HEADROOM_BYTES, HEADROOM_BYTES + end - start)
  }

  #forward(kind: 'accept' | 'rewrite' | 'direct' | 'send', start: number, destination: Destination): Verdict {
    const verdict = this.#verdict
    verdict.kind = kind
    verdict.reason = ''
    verdict.bytes = this.#packet.bytes
    verdict.start = start
    verdict.end = this.#packet.end
    verdict.destination = destination
    verdict.answerBytes = 0
    return verdict
  }

  #pass(reason: PassReason): Verdict {
    this.passed.count(reason)
    return this.#settle('accept', reason, 0)
  }

  #drop(reason: DropReason): Verdict {
    this.dropped.count(reason)
    return this.#settle('drop', reason, 0)
  }

  /** Drops the packet and tells its sender why, as far as the limits on ICMP allow. */
  #refuse(reason: DropReason, kind: IcmpErrorKind, nowMs: number, mtuBytes = 0): Verdict {
    this.dropped.count(reason)
    const packet = this.#packet
    const target = foldAddress(packet.sourceW0, packet.sourceW1, packet.sourceW2, packet.sourceW3)
    // As the kernel's own, path MTU discovery is not limited: a sender that is not told stalls.
    const isUnlimited = kind === 'packetTooBig'
    const isAllowed = mayAnswer(packet) && (isUnlimited || this.#icmpLimit.allows(target, nowMs))
    this.#identification = (this.#identification + 1) & 0xffff
    return this.#settle(
      'drop',
      reason,
      isAllowed ? writeIcmpError(this.answer, packet, kind, mtuBytes, this.#identification) : 0,
    )
  }

  #settle(kind: 'accept' | 'drop', reason: string, answerBytes: number): Verdict {
    const verdict = this.#verdict
    verdict.kind = kind
    verdict.reason = reason
    verdict.destination = null
    verdict.answerBytes = answerBytes
    return verdict
  }
}

const TIME_WAIT = TCP_STATES.indexOf('TIME_WAIT')
const CLOSE = TCP_STATES.indexOf('CLOSE')
const FTP_PORT = 21
const FTP_DATA_PORT = 20
/** A way on which a tunnel leaves less than this is none, as the kernel has it; by the outer family. */
const MIN_TUNNEL_MTU_BYTES = { 4: 68, 6: 1280 } as const
/** What the length in an outer IPv4 header can say; so long a packet has no room left for another header. */
const MAX_PACKET_BYTES = 65_535
