/**
 * Nanoseconds per packet and bytes per connection of the library alone: no kernel, no queue. Each figure is the
 * minimum and median of several rounds, after a warm-up, on packets that are laid out as a receive area holds them.
 */

import { IpAddress, parseAddress } from '../lib/bytes/address.ts'
import { checksum } from '../lib/bytes/checksum.ts'
import { writeU16, writeU32 } from '../lib/bytes/octets.ts'
import { Director } from '../lib/director/director.ts'
import type { Arrival } from '../lib/director/verdict.ts'
import { OFFLOAD } from '../lib/encode/offload.ts'
import type { ForwardingMethod } from '../lib/service/destination.ts'
import type { ServiceKey } from '../lib/service/key.ts'

export interface LibraryFigure {
  readonly name: string
  readonly connections: number
  readonly minNs: number
  readonly medianNs: number
}

const HEADROOM_BYTES = 64
const ROUNDS = 9
const PACKETS_PER_ROUND = 400_000

const VIRTUAL = { 4: parseAddress('10.0.0.1') as IpAddress, 6: parseAddress('fd00::1') as IpAddress }
const service = (family: 4 | 6): ServiceKey => ({
  kind: 'address',
  transport: 'udp',
  address: VIRTUAL[family],
  port: 53,
})

/** A director with one UDP service over `servers` destinations. */
function makeDirector(
  method: ForwardingMethod,
  family: 4 | 6,
  servers: number,
  limit: number,
  scheduler = 'rr',
): Director {
  const director = new Director({ nowMs: 0, random: () => 0.5, connectionLimit: limit })
  director.services.add(service(family), { scheduler, schedulerFlags: 0 })
  for (let index = 0; index < servers; index++) {
    const address =
      family === 4 ? new IpAddress(4, 0xc0a80001 + index) : new IpAddress(6, 0xfd010000, 0, 0, 1 + index)
    const settings = { method, weight: 1, upperThreshold: 0, lowerThreshold: 0 }
    const destination = director.services.addDestination(service(family), { address, port: 53 }, settings)
    if ('refused' in destination) throw new Error(destination.message)
    const sourceAddress =
      family === 4 ? new IpAddress(4, 0x0a0000fe) : new IpAddress(6, 0xfd000000, 0, 0, 0xfe)
    destination.path = { sourceAddress, mtuBytes: 1500 }
  }
  return director
}

/** The 64-byte UDP packet of client number `index`, at the headroom's end of `bytes`. */
function writePacket(bytes: Uint8Array, family: 4 | 6, index: number): number {
  const at = HEADROOM_BYTES
  const port = 1024 + (index % 60_000)
  const client = Math.floor(index / 60_000)
  const transport = at + (family === 4 ? 20 : 40)
  const udpBytes = 44
  bytes.fill(0, at, transport + udpBytes)
  if (family === 4) {
    writeU32(bytes, at, 0x4500_0040)
    writeU32(bytes, at + 8, 0x4011_0000)
    writeU32(bytes, at + 12, 0x0a090000 + client)
    writeU32(bytes, at + 16, VIRTUAL[4].w0)
    writeU16(bytes, at + 10, checksum(bytes, at, at + 20))
  } else {
    writeU32(bytes, at, 0x6000_0000)
    writeU32(bytes, at + 4, (udpBytes << 16) | 0x1140)
    writeU32(bytes, at + 8, 0xfd090000)
    writeU32(bytes, at + 20, client)
    writeU32(bytes, at + 24, VIRTUAL[6].w0)
    writeU32(bytes, at + 36, 1)
  }
  writeU16(bytes, transport, port)
  writeU16(bytes, transport + 2, 53)
  writeU16(bytes, transport + 4, udpBytes)
  writeU16(bytes, transport + 6, 0x1234)
  return transport + udpBytes
}

const arrivalOf = (bytes: Uint8Array): Arrival => ({
  bytes,
  start: HEADROOM_BYTES,
  end: bytes.length,
  hook: 'inbound',
  mark: 0,
  offload: OFFLOAD.finished,
  nowMs: 1,
})

/** A pseudo-random walk over all clients that never repeats within `count`: cache misses as traffic has them. */
const scatter = (index: number, count: number): number => (index * 7_919 + 13) % count

function established(
  name: string,
  method: ForwardingMethod,
  family: 4 | 6,
  connections: number,
): LibraryFigure {
  const director = makeDirector(method, family, 10, connections + 1024)
  const bytes = new Uint8Array(HEADROOM_BYTES + 128)
  const arrival = arrivalOf(bytes)
  for (let index = 0; index < connections; index++) {
    arrival.start = HEADROOM_BYTES
    arrival.end = writePacket(bytes, family, index)
    director.process(arrival)
  }
  // The packets lie prepared, as many as a receive area holds, and only their addresses change between rounds.
  const slots = 64
  const area = Array.from({ length: slots }, () => new Uint8Array(HEADROOM_BYTES + 128))
  const times: number[] = []
  let next = 0
  for (let round = 0; round < ROUNDS + 2; round++) {
    let spentNs = 0n
    for (let done = 0; done < PACKETS_PER_ROUND; done += slots) {
      let end = 0
      for (const each of area) end = writePacket(each, family, scatter(next++, connections))
      arrival.end = end
      const from = process.hrtime.bigint()
      for (const each of area) director.expect(each, HEADROOM_BYTES, 'inbound')
      director.fetchExpected()
      for (const each of area) {
        arrival.bytes = each
        director.process(arrival)
      }
      spentNs += process.hrtime.bigint() - from
    }
    if (round >= 2) times.push(Number(spentNs) / PACKETS_PER_ROUND)
  }
  return figure(name, connections, times)
}

/** New connections only, a batch of distinct clients at a time. */
function fresh(name: string, scheduler: string, servers: number, connections: number): LibraryFigure {
  const slots = 64
  const area = Array.from({ length: slots }, () => new Uint8Array(HEADROOM_BYTES + 128))
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const director = makeDirector('masquerading', 4, servers, connections + 1024, scheduler)
    const arrival = arrivalOf(area[0] as Uint8Array)
    let spentNs = 0n
    let made = 0
    while (made < connections) {
      for (const each of area) arrival.end = writePacket(each, 4, made++)
      const from = process.hrtime.bigint()
      for (const each of area) director.expect(each, HEADROOM_BYTES, 'inbound')
      director.fetchExpected()
      for (const each of area) {
        arrival.bytes = each
        director.process(arrival)
      }
      spentNs += process.hrtime.bigint() - from
    }
    if (round > 0) times.push(Number(spentNs) / made)
  }
  return figure(name, connections, times)
}

function figure(name: string, connections: number, times: number[]): LibraryFigure {
  const sorted = [...times].sort((a, b) => a - b)
  return {
    name,
    connections,
    minNs: sorted[0] as number,
    medianNs: sorted[Math.floor(sorted.length / 2)] as number,
  }
}

/** Inserts, ages and expires connections; the longest single call of `passTime`. */
function expiry(connections: number): { insertNs: number; expireNs: number; longestPauseMs: number } {
  const director = makeDirector('masquerading', 4, 10, connections + 1024)
  const bytes = new Uint8Array(HEADROOM_BYTES + 128)
  const arrival = arrivalOf(bytes)
  const insertFrom = performance.now()
  for (let index = 0; index < connections; index++) {
    arrival.end = writePacket(bytes, 4, index)
    arrival.nowMs = index / 1000
    director.process(arrival)
  }
  const insertNs = ((performance.now() - insertFrom) * 1e6) / connections
  let longestPauseMs = 0
  const expireFrom = performance.now()
  for (let nowMs = 1000; director.connections.size > 0; nowMs += 1000) {
    for (let isDone = false; !isDone; ) {
      const from = performance.now()
      isDone = director.passTime(nowMs)
      longestPauseMs = Math.max(longestPauseMs, performance.now() - from)
    }
  }
  return { insertNs, expireNs: ((performance.now() - expireFrom) * 1e6) / connections, longestPauseMs }
}

/** Resident bytes that a connection takes, all tables included. */
function bytesPerConnection(connections: number): number {
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  const director = makeDirector('masquerading', 4, 10, connections)
  const bytes = new Uint8Array(HEADROOM_BYTES + 128)
  const arrival = arrivalOf(bytes)
  for (let index = 0; index < connections; index++) {
    arrival.end = writePacket(bytes, 4, index)
    director.process(arrival)
  }
  globalThis.gc?.()
  if (director.connections.size !== connections) throw new Error('not every connection was made')
  return (process.memoryUsage().rss - before) / connections
}

export function runLibrary(): LibraryFigure[] {
  const sizes = [1_000, 1_000_000]
  return [
    ...sizes.map((size) => established('established, masquerading, IPv4', 'masquerading', 4, size)),
    ...sizes.map((size) => established('established, masquerading, IPv6', 'masquerading', 6, size)),
    ...sizes.map((size) => established('established, gatewaying, IPv4', 'gatewaying', 4, size)),
    ...sizes.map((size) => established('established, ipip, IPv4', 'ipip', 4, size)),
    fresh('new connection, rr over 10', 'rr', 10, 1_000_000),
    fresh('new connection, mh over 100', 'mh', 100, 200_000),
    fresh('new connection, wlc over 100', 'wlc', 100, 200_000),
  ]
}

/** What a million connections take, and the longest pause while they come and go. */
export interface TableFigures {
  readonly connections: number
  readonly bytesEach: number
  readonly insertNs: number
  readonly expireNs: number
  readonly longestPauseMs: number
}

/** Measured first in a fresh process: resident memory that another measurement freed would be counted as free. */
export function runTable(connections = 1_000_000): TableFigures {
  const bytesEach = bytesPerConnection(connections)
  return { connections, bytesEach, ...expiry(connections) }
}

export const formatTable = ({
  connections,
  bytesEach,
  insertNs,
  expireNs,
  longestPauseMs,
}: TableFigures): string =>
  [
    `${connections} connections: ${bytesEach.toFixed(0)} bytes each, all tables included`,
    `inserted in ${insertNs.toFixed(0)} ns, aged and expired in ${expireNs.toFixed(0)} ns each; longest pause ${longestPauseMs.toFixed(1)} ms`,
  ].join('\n')

/** As an aligned table. */
export function formatLibrary(figures: readonly LibraryFigure[]): string {
  const rows = figures.map(
    ({ name, connections, minNs, medianNs }) =>
      `${name.padEnd(36)}${String(connections).padStart(10)}${minNs.toFixed(0).padStart(8)}${medianNs.toFixed(0).padStart(8)}`,
  )
  return [
    `${'ns per packet'.padEnd(36)}${'conns'.padStart(10)}${'min'.padStart(8)}${'median'.padStart(8)}`,
    ...rows,
  ].join('\n')
}
