/**
 * Where a stranger goes: the destination of a packet that belongs to no connection, by a template that binds its client
 * or by the service's scheduler, and the connection written down for it.
 */

import type { IpAddress } from '../bytes/address.ts'
import type { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import type { NewConnection } from '../conn/new-connection.ts'
import { startTickOf, TICK_MS, ticksFromSec } from '../conn/ticks.ts'
import { natDelta } from '../encode/nat.ts'
import { ENGINES } from '../persistence/index.ts'
import type { Counters } from '../service/counters.ts'
import { type Destination, METHOD } from '../service/destination.ts'
import { isUnicast } from '../service/flaws.ts'
import { NOBODY_ID } from '../service/nobody.ts'
import type { Flow } from '../service/scheduler.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { Persistence, VirtualService } from '../service/virtual-service.ts'
import { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { copyEndpoints, NO_ADDRESS, NO_ENDPOINTS } from './endpoints.ts'
import type { FtpHelper } from './ftp-helper.ts'
import type { FullNat } from './full-nat.ts'
import type { Knobs } from './knobs.ts'
import type { Notices } from './notices.ts'
import { ANY_PORT, writeTemplateKey } from './template-key.ts'

/** Why a packet was not placed: below every record's number. */
export const UNPLACED = {
  noDestination: -1,
  tableFull: -2,
  noEngineData: -3,
  noLocalPort: -4,
  loopbackSource: -5,
} as const

/** So many that are due make room in a full table, before a newcomer is turned away. */
const RECLAIMED_MAX = 16

export interface PlacementParts {
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly totals: Counters
  readonly knobs: Knobs
  readonly ftp: FtpHelper
  readonly fullNat: FullNat
  readonly notices: Notices
  /** Whether an address is the host's own. */
  readonly isLocal: (address: IpAddress) => boolean
  /** Told of each connection that goes to make room. */
  readonly unbind: (record: number) => void
}

export class Placement {
  readonly #parts: PlacementParts
  readonly #services: ServiceTable
  readonly #connections: ConnectionTable
  readonly #totals: Counters
  readonly #knobs: Knobs
  readonly #flow: Flow = { ...NO_ENDPOINTS, nowMs: 0 }
  readonly #new: NewConnection = emptyConnection()
  readonly #template: NewConnection = emptyConnection()
  /** Of the packet being placed. Handed from step to step in an object, they made a new connection take 7 % longer. */
  #fwmark = 0
  #nowMs = 0
  /** A server's packet, as the client's would be that it answers. */
  readonly #reverse = new Packet()

  constructor(parts: PlacementParts) {
    this.#parts = parts
    this.#services = parts.services
    this.#connections = parts.connections
    this.#totals = parts.totals
    this.#knobs = parts.knobs
  }

  /** The new connection's record, bound and counted, or one of {@link UNPLACED}. */
  place(packet: Packet, service: VirtualService, fwmark: number, nowMs: number): number {
    this.#fwmark = fwmark
    this.#nowMs = nowMs
    const { persistence } = service.settings
    if (persistence) {
      const template = this.#bind(packet, service, persistence, null)
      if (template < 0) return template
      const destination = this.#destinationOf(template)
      const isServicePort = packet.destinationPort === service.port && destination.port !== 0
      const port = isServicePort ? destination.port : packet.destinationPort
      return this.#connect(packet, service, destination, port, template)
    }
    // A service on port 0, found for another port: only persistence could serve it.
    if (service.key.kind === 'address' && service.port !== packet.destinationPort) {
      if (service.port === 0) this.#parts.notices.portZero(nowMs)
      return UNPLACED.noDestination
    }
    const destination = this.#pick(packet, service)
    if (destination === null) return UNPLACED.noDestination
    const port = destination.port === 0 ? packet.destinationPort : destination.port
    return this.#connect(packet, service, destination, port, NONE)
  }

  /**
   * A connection that the masqueraded `server` starts, of a service whose persistence engine knows it from both sides; as
   * if the client had. {@link NONE} where that is not so.
   */
  placeReverse(packet: Packet, server: Destination, fwmark: number, nowMs: number): number {
    const { service } = server
    const { persistence } = service.settings
    if (service.key.kind === 'fwmark' || service.port === 0 || server.port === 0) return NONE
    if (typeof persistence?.engine !== 'string') return NONE
    this.#fwmark = fwmark
    this.#nowMs = nowMs
    const reverse = this.#reverse
    reverse.read(packet.bytes, packet.start, packet.end)
    reverse.turnAround()
    const { w0, w1, w2, w3 } = service.key.address
    reverse.destinationW0 = w0
    reverse.destinationW1 = w1
    reverse.destinationW2 = w2
    reverse.destinationW3 = w3
    reverse.destinationPort = service.port
    const template = this.#bind(reverse, service, persistence, server)
    if (template < 0) return NONE
    return Math.max(NONE, this.#connect(reverse, service, server, server.port, template))
  }

  /**
   * With `cache_bypass`, a packet for which a firewall-mark service has no destination goes on to where it is addressed,
   * and the connection is written down. Otherwise {@link UNPLACED}`.noDestination`.
   */
  bypass(packet: Packet, service: VirtualService, fwmark: number, nowMs: number): number {
    if (this.#knobs.cache_bypass === 0 || service.key.kind !== 'fwmark') return UNPLACED.noDestination
    if (!isUnicast(packet.destination) || this.#parts.isLocal(packet.destination))
      return UNPLACED.noDestination
    this.#nowMs = nowMs
    const wanted = this.#new
    const nobody = this.#services.destination(NOBODY_ID)
    copyEndpoints(packet, wanted)
    wanted.family = packet.family
    wanted.destination = nobody.address
    wanted.destinationPort = 0
    wanted.destinationId = NOBODY_ID
    wanted.flags = METHOD.bypass | FLAG.inactive | FLAG.noOutput | onePacketFlag(packet, service)
    const record = this.#create(wanted, fwmark, NONE)
    if (record === NONE) return UNPLACED.tableFull
    nobody.bind(false)
    return record
  }

  #pick(packet: Packet, service: VirtualService): Destination | null {
    copyEndpoints(packet, this.#flow)
    this.#flow.nowMs = this.#nowMs
    const destination = service.scheduler === null ? null : service.scheduler.pick(this.#flow, service.pool)
    if (destination === null) this.#parts.notices.noDestination(service, this.#nowMs)
    return destination
  }

  /** The template that binds the packet's client: to `only`, or to whomever it bound before, or the scheduler picks. */
  #bind(packet: Packet, service: VirtualService, persistence: Persistence, only: Destination | null): number {
    const engine = persistence.engine === null ? null : ENGINES[persistence.engine as keyof typeof ENGINES]
    const data = engine === null ? null : engine.read(packet)
    if (engine !== null && data === null) return UNPLACED.noEngineData

    writeTemplateKey(this.#template, packet, service, persistence)
    let template = this.#connections.findTemplate(this.#template, data)
    if (template !== NONE && !this.#isUsable(template, only)) {
      this.#connections.invalidateTemplate(template)
      template = NONE
    }
    if (template === NONE) {
      const destination = only ?? this.#pick(packet, service)
      if (destination === null) return UNPLACED.noDestination
      template = this.#makeTemplate(service, destination, persistence)
      if (template === NONE) return UNPLACED.tableFull
      if (data !== null) this.#connections.setEngineData(template, data)
    }
    this.#connections.prolong(template, startTickOf(this.#nowMs))
    return template
  }

  /** Removed destinations bind nobody, and quiesced ones nobody where the knob says so. */
  #isUsable(template: number, only: Destination | null): boolean {
    const destination = this.#destinationOf(template)
    if (only !== null) return destination === only
    const { isAvailable, weight } = destination
    return isAvailable && (this.#knobs.expire_quiescent_template === 0 || weight !== 0)
  }

  #makeTemplate({ key }: VirtualService, destination: Destination, { timeoutSec }: Persistence): number {
    const template = this.#template
    template.destination = destination.address
    template.destinationPort = template.virtualPort === ANY_PORT ? ANY_PORT : destination.port
    template.destinationId = destination.id
    template.flags = flagsOf(destination) | FLAG.template
    const mark = key.kind === 'fwmark' ? key.fwmark | 0 : this.#fwmark
    const record = this.#create(template, mark, NONE)
    if (record === NONE) return NONE
    this.#connections.words[record * RECORD_WORDS + WORD.timeoutTicks] = ticksFromSec(timeoutSec)
    destination.bind(true)
    return record
  }

  #connect(
    packet: Packet,
    service: VirtualService,
    destination: Destination,
    port: number,
    template: number,
  ): number {
    if (isLoopback(packet) && destination.path?.isLocal !== true) return UNPLACED.loopbackSource
    const wanted = this.#new
    copyEndpoints(packet, wanted)
    wanted.family = packet.family
    wanted.destination = destination.address
    wanted.destinationPort = port
    wanted.destinationId = destination.id
    wanted.flags = flagsOf(destination) | onePacketFlag(packet, service)
    const record = this.#create(wanted, this.#fwmark, template)
    if (record === NONE) return UNPLACED.tableFull
    if (destination.method === 'masquerading' && !this.#masquerade(record, destination)) {
      this.#connections.discard(record)
      return UNPLACED.noLocalPort
    }
    if (template !== NONE) this.#connections.control(template, record)
    destination.bind(false)
    destination.counters.countConnection()
    service.counters.countConnection()
    this.#totals.countConnection()
    return record
  }

  /** What masquerading needs to know of a new connection; false where full NAT has no port left for it. */
  #masquerade(record: number, destination: Destination): boolean {
    const { words } = this.#connections
    const base = record * RECORD_WORDS
    words[base + WORD.natDelta] = natDelta(words, base)
    if (destination.fullNat) return this.#parts.fullNat.bind(record, destination)
    this.#parts.ftp.attach(record)
    return true
  }

  /** `controller` is what the new connection will depend on, if anything. */
  #create(wanted: NewConnection, fwmark: number, controller: number): number {
    wanted.fwmark = fwmark
    const record = this.#connections.create(wanted, this.#nowMs)
    if (record !== NONE) return record
    this.#reclaim(controller)
    return this.#connections.create(wanted, this.#nowMs)
  }

  /**
   * A full table first forgets what is due, or all but: a client that comes back must not wait for its own ghost. A template
   * of no time is due as well, but not now.
   */
  #reclaim(controller: number): void {
    const { words } = this.#connections
    const controlled = controller * RECORD_WORDS + WORD.controlled
    if (controller !== NONE) words[controlled]! += 1
    this.#connections.expire(this.#nowMs + TICK_MS, RECLAIMED_MAX, this.#parts.unbind)
    if (controller !== NONE) words[controlled]! -= 1
  }

  #destinationOf(record: number): Destination {
    return this.#services.destination(
      this.#connections.words[record * RECORD_WORDS + WORD.destinationId] as number,
    )
  }
}

/** What a destination contributes to the flags of what is bound to it. */
function flagsOf({ method }: Destination): number {
  return METHOD[method] | FLAG.inactive | (method === 'masquerading' ? 0 : FLAG.noOutput)
}

const onePacketFlag = ({ protocol }: Packet, { settings }: VirtualService): number =>
  settings.onePacket === true && protocol === PROTOCOL.udp ? FLAG.onePacket : 0

/** 127.0.0.0/8 and ::1, which nobody else's packets come from. */
const isLoopback = ({ family, sourceW0: w0, sourceW1: w1, sourceW2: w2, sourceW3: w3 }: Packet): boolean =>
  family === 4 ? w0 >>> 24 === 127 : (w0 | w1 | w2) === 0 && w3 === 1

const emptyConnection = (): NewConnection => ({
  ...NO_ENDPOINTS,
  family: 4,
  destination: NO_ADDRESS,
  destinationPort: 0,
  destinationId: 0,
  flags: 0,
  fwmark: 0,
})
