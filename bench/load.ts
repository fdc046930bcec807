/** What the library's benchmarks are made of: a director with one service, and clients' packets by the million. */

import { IpAddress, parseAddress } from '../lib/bytes/address.ts'
import { checksum } from '../lib/bytes/checksum.ts'
import { writeU16, writeU32 } from '../lib/bytes/octets.ts'
import { Director } from '../lib/director/director.ts'
import { type Arrival, HEADROOM_BYTES } from '../lib/director/verdict.ts'
import { OFFLOAD } from '../lib/encode/offload.ts'
import type { Destination, ForwardingMethod } from '../lib/service/destination.ts'
import type { ServiceKey } from '../lib/service/key.ts'

export type Family = 4 | 6

const VIRTUAL = { 4: parseAddress('10.0.0.1') as IpAddress, 6: parseAddress('fd00::1') as IpAddress }
const PORT = 53
const UDP_BYTES = 44
const PORTS_PER_CLIENT = 60_000

const service = (family: Family): ServiceKey => ({
  kind: 'address',
  transport: 'udp',
  address: VIRTUAL[family],
  port: PORT,
})

export interface Setting {
  readonly method: ForwardingMethod
  readonly family: Family
  readonly servers: number
  readonly scheduler: string
  readonly connectionLimit: number
}

/** A director with one UDP service over so many destinations, of weights 1 to 3. */
export function makeDirector({ method, family, servers, scheduler, connectionLimit }: Setting): Director {
  const director = new Director({ nowMs: 0, random: () => 0.5, connectionLimit })
  director.services.add(service(family), { scheduler, schedulerFlags: 0 })
  for (let index = 0; index < servers; index++) {
    const address =
      family === 4 ? new IpAddress(4, 0xc0a80001 + index) : new IpAddress(6, 0xfd010000, 0, 0, 1 + index)
    const settings = { method, weight: 1 + (index % 3), upperThreshold: 0, lowerThreshold: 0 }
    const destination = director.services.addDestination(service(family), { address, port: PORT }, settings)
    if ('refused' in destination) throw new Error(destination.message)
    setPath(destination, family)
  }
  return director
}

function setPath(destination: Destination, family: Family): void {
  const sourceAddress = family === 4 ? new IpAddress(4, 0x0a0000fe) : new IpAddress(6, 0xfd000000, 0, 0, 0xfe)
  destination.path = { sourceAddress, mtuBytes: 1500 }
}

/** Packets that lie as a receive area holds them, each with headroom, to be handed over in one go. */
export class Batch {
  readonly #director: Director
  readonly #family: Family
  readonly #area: readonly Uint8Array[]
  readonly #arrival: Arrival

  constructor(director: Director, family: Family, packets: number) {
    this.#director = director
    this.#family = family
    const packetBytes = (family === 4 ? 20 : 40) + UDP_BYTES
    this.#area = Array.from({ length: packets }, () => new Uint8Array(HEADROOM_BYTES + packetBytes))
    this.#arrival = {
      bytes: this.#area[0] as Uint8Array,
      start: HEADROOM_BYTES,
      end: HEADROOM_BYTES + packetBytes,
      hook: 'inbound',
      mark: 0,
      offload: OFFLOAD.finished,
      nowMs: 0,
    }
  }

  /** The packets are, from now on, those of the clients that this names. */
  fill(nextClient: () => number): void {
    for (const bytes of this.#area) writePacket(bytes, this.#family, nextClient())
  }

  /** Hands every packet to the director, announced first as a queue does; the nanoseconds that it took. */
  process(nowMs: number): number {
    const arrival = this.#arrival
    const director = this.#director
    arrival.nowMs = nowMs
    const from = process.hrtime.bigint()
    for (const bytes of this.#area) director.expect(bytes, HEADROOM_BYTES, 'inbound')
    director.fetchExpected()
    for (const bytes of this.#area) {
      arrival.bytes = bytes
      director.process(arrival)
    }
    return Number(process.hrtime.bigint() - from)
  }
}

/** The UDP packet of client number `client`, behind the headroom of `bytes`. */
function writePacket(bytes: Uint8Array, family: Family, client: number): void {
  const at = HEADROOM_BYTES
  const port = 1024 + (client % PORTS_PER_CLIENT)
  const host = Math.floor(client / PORTS_PER_CLIENT)
  const transport = at + (family === 4 ? 20 : 40)
  bytes.fill(0, at)
  if (family === 4) {
    writeU32(bytes, at, 0x4500_0040)
    writeU32(bytes, at + 8, 0x4011_0000)
    writeU32(bytes, at + 12, 0x0a090000 + host)
    writeU32(bytes, at + 16, VIRTUAL[4].w0)
    writeU16(bytes, at + 10, checksum(bytes, at, at + 20))
  } else {
    writeU32(bytes, at, 0x6000_0000)
    writeU32(bytes, at + 4, (UDP_BYTES << 16) | 0x1140)
    writeU32(bytes, at + 8, 0xfd090000)
    writeU32(bytes, at + 20, host)
    writeU32(bytes, at + 24, VIRTUAL[6].w0)
    writeU32(bytes, at + 36, 1)
  }
  writeU16(bytes, transport, port)
  writeU16(bytes, transport + 2, PORT)
  writeU16(bytes, transport + 4, UDP_BYTES)
  writeU16(bytes, transport + 6, 0x1234)
}
