/** A virtual service with the scheduler under test, and a crowd of clients for it. */

import { type Family, IpAddress } from '../lib/bytes/address.ts'
import type { Destination, DestinationSettings } from '../lib/service/destination.ts'
import type { DestinationKey, ServiceKey } from '../lib/service/key.ts'
import { granted } from '../lib/service/refusal.ts'
import type { Flow, Scheduler, SchedulerFactory } from '../lib/service/scheduler.ts'
import { ServiceTable } from '../lib/service/service-table.ts'
import type { VirtualService } from '../lib/service/virtual-service.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { dice } from './dice.ts'
import { Guard } from './guard.ts'

/** The scheduler that a rig is about. */
export interface Subject {
  readonly factory: SchedulerFactory
  /** Bits of `SCHEDULER_FLAG`. */
  readonly flags: number
}

const NAME = 'tested'

export class Rig {
  readonly guard = new Guard()
  readonly #table: ServiceTable
  readonly #service: VirtualService
  readonly #key: ServiceKey
  readonly #flags: number
  #nowMs = 0

  /**
   * The service is known by a firewall mark, so that its clients may speak to different virtual addresses.
   */
  constructor({ factory, flags }: Subject, family: Family = 4) {
    this.#table = new ServiceTable({
      schedulers: { [NAME]: (options) => this.guard.around(factory(options)) },
      random: dice(1),
    })
    this.#flags = flags
    this.#key = { kind: 'fwmark', fwmark: 1, family }
    this.#service = granted(this.#table.add(this.#key, { scheduler: NAME, schedulerFlags: flags }))
  }

  /** Newest first, as the scheduler gets it. */
  get pool(): readonly Destination[] {
    return this.#service.pool
  }

  get scheduler(): Scheduler {
    return this.#service.scheduler as Scheduler
  }

  /** A destination of weight 1 unless said. `host` is a number of 1 to 65,535 of the test's own. */
  add(host: number, settings: Partial<DestinationSettings> = {}): Destination {
    return granted(this.#table.addDestination(this.#key, this.#at(host), { ...PLAIN, ...settings }))
  }

  /** A destination whose only connection is one too many for another. */
  addOverloaded(host: number, settings: Partial<DestinationSettings> = {}): Destination {
    const destination = this.add(host, { ...settings, upperThreshold: 1 })
    destination.bind(false)
    return destination
  }

  edit(host: number, settings: Partial<DestinationSettings>): void {
    granted(this.#table.editDestination(this.#key, this.#at(host), { ...PLAIN, ...settings }))
  }

  remove(host: number): void {
    granted(this.#table.removeDestination(this.#key, this.#at(host)))
  }

  /** Takes the scheduler away, lets `act` happen, and gives the service a fresh one. */
  whileUnscheduled(act: () => void): void {
    granted(this.#table.edit(this.#key, { scheduler: 'none', schedulerFlags: 0 }))
    act()
    granted(this.#table.edit(this.#key, { scheduler: NAME, schedulerFlags: this.#flags }))
  }

  pick(client: number): Destination | null {
    this.#nowMs++
    return this.scheduler.pick(this.flow(client), this.pool)
  }

  /** A connection: picked, bound and active, as the director does. */
  place(client: number): Destination | null {
    const picked = this.pick(client)
    picked?.bind(false)
    picked?.moveActivity(true)
    return picked
  }

  passTime(ms: number): void {
    this.#nowMs += ms
    this.scheduler.passTime?.(this.#nowMs)
  }

  /**
   * A client of a network of its own, and a virtual address of its own: neighbouring numbers share no more
   * than chance has it.
   */
  flow(client: number): Flow {
    const isIpv4 = this.#key.kind === 'fwmark' && this.#key.family === 4
    const spread = Math.imul(client, 2_654_435_761)
    const mixed = Math.imul(spread ^ (spread >>> 15), 2_246_822_519)
    return {
      protocol: PROTOCOL.tcp,
      clientW0: isIpv4 ? (0x0a000000 + spread) | 0 : 0x20010db8,
      clientW1: 0,
      clientW2: isIpv4 ? 0 : mixed,
      clientW3: isIpv4 ? 0 : spread,
      clientPort: 1024 + (client % 60_000),
      virtualW0: isIpv4 ? (0xc0000000 + (mixed >>> 4)) | 0 : 0x20010db8,
      virtualW1: isIpv4 ? 0 : 1,
      virtualW2: 0,
      virtualW3: isIpv4 ? 0 : mixed,
      virtualPort: 80,
      nowMs: this.#nowMs,
    }
  }

  #at(host: number): DestinationKey {
    const isIpv4 = this.#key.kind === 'fwmark' && this.#key.family === 4
    const address = isIpv4 ? new IpAddress(4, 0xac100000 + host) : new IpAddress(6, 0xfd000000, 0, 0, host)
    return { address, port: 80 }
  }
}

const PLAIN: DestinationSettings = { method: 'masquerading', weight: 1, upperThreshold: 0, lowerThreshold: 0 }
