/**
 * Where a stranger goes: the destination of a packet that belongs to no connection, by a template that binds its client
 * or by the service's scheduler, and the connection written down for it.
 */

import type { Family } from '../bytes/address.ts'
import type { ConnectionTable, NewConnection } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import { startTickOf, ticksFromSec } from '../conn/ticks.ts'
import { natDelta } from '../encode/nat.ts'
import { ENGINES } from '../persistence/index.ts'
import type { Counters } from '../service/counters.ts'
import { type Destination, METHOD } from '../service/destination.ts'
import type { Flow } from '../service/scheduler.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { Persistence, VirtualService } from '../service/virtual-service.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { copyEndpoints, NO_ADDRESS, NO_ENDPOINTS } from './endpoints.ts'
import type { Knobs } from './knobs.ts'

/** Why a packet was not placed: below every record's number. */
export const UNPLACED = { noDestination: -1, tableFull: -2, noEngineData: -3 } as const

const FTP_PORT = 21
/** What a template's ports are where it binds a client for all of them. */
const ANY_PORT = 0

export interface PlacementParts {
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly totals: Counters
  readonly knobs: Knobs
}

export class Placement {
  readonly #services: ServiceTable
  readonly #connections: ConnectionTable
  readonly #totals: Counters
  readonly #knobs: Knobs
  readonly #flow: Flow = { ...NO_ENDPOINTS, nowMs: 0 }
  readonly #new: NewConnection = emptyConnection()
  readonly #template: NewConnection = emptyConnection()

  constructor({ services, connections, totals, knobs }: PlacementParts) {
    this.#services = services
    this.#connections = connections
    this.#totals = totals
    this.#knobs = knobs
  }

  /** The new connection's record, bound and counted, or one of {@link UNPLACED}. */
  place(packet: Packet, service: VirtualService, fwmark: number, nowMs: number): number {
    const { persistence } = service.settings
    if (persistence) return this.#placeByTemplate(packet, service, persistence, fwmark, nowMs)
    // A service on port 0, found for another port: only persistence could serve it.
    if (service.key.kind === 'address' && service.port !== packet.destinationPort)
      return UNPLACED.noDestination
    const destination = this.#pick(packet, service, nowMs)
    if (destination === null) return UNPLACED.noDestination
    const port = destination.port === 0 ? packet.destinationPort : destination.port
    return this.#connect(packet, service, destination, { port, fwmark, nowMs, template: NONE })
  }

  #pick(packet: Packet, service: VirtualService, nowMs: number): Destination | null {
    if (service.scheduler === null) return null
    copyEndpoints(packet, this.#flow)
    this.#flow.nowMs = nowMs
    return service.scheduler.pick(this.#flow, service.pool)
  }

  #placeByTemplate(
    packet: Packet,
    service: VirtualService,
    persistence: Persistence,
    fwmark: number,
    nowMs: number,
  ): number {
    const engine = persistence.engine === null ? null : ENGINES[persistence.engine as keyof typeof ENGINES]
    const data = engine === null ? null : engine.read(packet)
    if (engine !== null && data === null) return UNPLACED.noEngineData

    this.#writeTemplateKey(packet, service, persistence)
    let template = this.#connections.findTemplate(this.#template, data)
    if (template !== NONE && !this.#isUsable(template)) {
      this.#connections.invalidateTemplate(template)
      template = NONE
    }
    if (template === NONE) {
      const destination = this.#pick(packet, service, nowMs)
      if (destination === null) return UNPLACED.noDestination
      template = this.#makeTemplate(service, destination, persistence, fwmark, nowMs)
      if (template === NONE) return UNPLACED.tableFull
      if (data !== null) this.#connections.setEngineData(template, data)
    }

    const destination = this.#destinationOf(template)
    const isServicePort = packet.destinationPort === service.port && destination.port !== 0
    const port = isServicePort ? destination.port : packet.destinationPort
    const record = this.#connect(packet, service, destination, { port, fwmark, nowMs, template })
    this.#connections.prolong(template, startTickOf(nowMs))
    return record
  }

  /** Removed destinations bind nobody, and quiesced ones nobody where the knob says so. */
  #isUsable(template: number): boolean {
    const { isAvailable, weight } = this.#destinationOf(template)
    return isAvailable && (this.#knobs.expire_quiescent_template === 0 || weight !== 0)
  }

  /** Who is bound, and for what: a client's network, and the service's port, all ports, or a firewall mark. */
  #writeTemplateKey(packet: Packet, { key, port }: VirtualService, { granularity }: Persistence): void {
    const template = this.#template
    copyEndpoints(packet, template)
    template.family = packet.family
    template.clientPort = ANY_PORT
    template.clientW0 = packet.sourceW0 & maskWord(packet.family, granularity, 0)
    template.clientW1 = packet.sourceW1 & maskWord(packet.family, granularity, 1)
    template.clientW2 = packet.sourceW2 & maskWord(packet.family, granularity, 2)
    template.clientW3 = packet.sourceW3 & maskWord(packet.family, granularity, 3)
    if (key.kind === 'fwmark') {
      template.protocol = PROTOCOL_OF_MARKS
      template.virtualW0 = key.fwmark | 0
      template.virtualW1 = 0
      template.virtualW2 = 0
      template.virtualW3 = 0
    }
    const isOnePort = packet.destinationPort === port && port !== FTP_PORT && key.kind === 'address'
    template.virtualPort = isOnePort ? port : ANY_PORT
  }

  #makeTemplate(
    service: VirtualService,
    destination: Destination,
    { timeoutSec }: Persistence,
    fwmark: number,
    nowMs: number,
  ): number {
    const template = this.#template
    template.destination = destination.address
    template.destinationPort = template.virtualPort === ANY_PORT ? ANY_PORT : destination.port
    template.destinationId = destination.id
    template.flags = flagsOf(destination) | FLAG.template
    template.fwmark = service.key.kind === 'fwmark' ? service.key.fwmark | 0 : fwmark
    const record = this.#connections.create(template, nowMs)
    if (record === NONE) return NONE
    this.#connections.words[record * RECORD_WORDS + WORD.timeoutTicks] = ticksFromSec(timeoutSec)
    destination.bind(true)
    return record
  }

  #connect(
    packet: Packet,
    service: VirtualService,
    destination: Destination,
    { port, fwmark, nowMs, template }: { port: number; fwmark: number; nowMs: number; template: number },
  ): number {
    const wanted = this.#new
    const isOnePacket = service.settings.onePacket === true && packet.protocol === PROTOCOL.udp
    copyEndpoints(packet, wanted)
    wanted.family = packet.family
    wanted.destination = destination.address
    wanted.destinationPort = port
    wanted.destinationId = destination.id
    wanted.flags = flagsOf(destination) | (isOnePacket ? FLAG.onePacket : 0)
    wanted.fwmark = fwmark
    const { words } = this.#connections
    const record = this.#connections.create(wanted, nowMs)
    if (record === NONE) return UNPLACED.tableFull
    const base = record * RECORD_WORDS
    if (destination.method === 'masquerading') words[base + WORD.natDelta] = natDelta(words, base)
    if (template !== NONE) this.#connections.control(template, record)
    destination.bind(false)
    destination.counters.countConnection()
    service.counters.countConnection()
    this.#totals.countConnection()
    return record
  }

  #destinationOf(record: number): Destination {
    return this.#services.destination(
      this.#connections.words[record * RECORD_WORDS + WORD.destinationId] as number,
    )
  }
}

/** Templates of firewall marks are of every protocol: `IP` in listings. */
const PROTOCOL_OF_MARKS = 0

/** What a destination contributes to the flags of what is bound to it. */
function flagsOf({ method }: Destination): number {
  return METHOD[method] | FLAG.inactive | (method === 'masquerading' ? 0 : FLAG.noOutput)
}

/** One word of the mask that tells clients apart. */
function maskWord(family: Family, granularity: number, word: number): number {
  if (family === 4) return word === 0 ? granularity : 0
  const bits = granularity - word * 32
  if (bits >= 32) return -1
  return bits <= 0 ? 0 : -1 << (32 - bits)
}

const emptyConnection = (): NewConnection => ({
  ...NO_ENDPOINTS,
  family: 4,
  destination: NO_ADDRESS,
  destinationPort: 0,
  destinationId: 0,
  flags: 0,
  fwmark: 0,
})
