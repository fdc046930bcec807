/**
 * Counts the garbage collections that packets of established connections cause, for the integration tests:
 *
 *     node --max-semi-space-size=1 allocation-child.js     prints `[{ name, collections: [0, 0, 1, …] }, …]`
 *
 * Each way of forwarding has some rounds. The young generation has a mebibyte: were it only one number a packet that is
 * put on the heap, 12 octets, every round would have several collections. What the compiler leaves shows in a round or two.
 */

import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { parseAddress } from '../../lib/bytes/address.ts'
import { Director } from '../../lib/director/director.ts'
import { type Arrival, HEADROOM_BYTES } from '../../lib/director/verdict.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import type { ForwardingMethod } from '../../lib/service/destination.ts'
import { formatEndpoint, parseEndpoint, parseServiceKey, type Transport } from '../../lib/service/key.ts'
import { isRefusal } from '../../lib/service/refusal.ts'
import { tcp4, tcp6, udp4, udp6 } from './packets.ts'

const ROUNDS = 3
const PACKETS_PER_ROUND = 300_000
/** Until the compiler has seen enough of each way to be done with it. */
const WARM_UP_PACKETS = 300_000
const CONNECTIONS = 64
const MS_PER_PACKET = 0.0013
/** An observer is told of collections some turns of the event loop later. */
const TOLD_MS = 20

interface Way {
  readonly method: ForwardingMethod
  readonly transport: Transport & keyof typeof BUILDERS
  readonly family: 4 | 6
}

const BUILDERS = { tcp: { 4: tcp4, 6: tcp6 }, udp: { 4: udp4, 6: udp6 } }
const ENDPOINTS = {
  4: { client: '10.9.0.1', virtual: '10.0.0.1:80', server: '192.168.1.1:8080', director: '192.168.1.254' },
  6: { client: '[fd09::1]', virtual: '[fd00::1]:80', server: '[fd01::1]:8080', director: 'fd01::254' },
}

const METHODS: readonly ForwardingMethod[] = ['masquerading', 'gatewaying', 'ipip']
const TRANSPORTS = ['tcp', 'udp'] as const
const FAMILIES = [4, 6] as const

/** A packet as it came, and where the director gets it, over and over: it is rewritten in place. */
interface Prepared {
  readonly original: Uint8Array
  readonly bytes: Uint8Array
  readonly hook: Arrival['hook']
}

function prepare({ method, transport, family }: Way): Prepared[] {
  const { client, virtual, server } = ENDPOINTS[family]
  const build = BUILDERS[transport][family]
  const packets: Prepared[] = []
  const add = (hook: Arrival['hook'], source: string, destination: string) => {
    const original = build({ source, destination, payload: 'twelve octets' })
    packets.push({ original, bytes: new Uint8Array(HEADROOM_BYTES + original.length), hook })
  }
  for (let port = 1024; port < 1024 + CONNECTIONS; port++) {
    add('inbound', `${client}:${port}`, virtual)
    if (method === 'masquerading') add('outbound', server, `${client}:${port}`)
  }
  return packets
}

function makeDirector({ method, transport, family }: Way): Director {
  const { virtual, server, director: own } = ENDPOINTS[family]
  const director = new Director({ nowMs: 0, random: () => 0.5, connectionLimit: 1024 })
  const key = parseServiceKey(`${transport}:${formatEndpoint(parseEndpoint(virtual)!)}`)!
  const service = director.services.add(key, { scheduler: 'wlc', schedulerFlags: 0 })
  if (isRefusal(service)) throw new Error(service.message)
  const settings = { method, weight: 1, upperThreshold: 0, lowerThreshold: 0 }
  const destination = director.services.addDestination(key, parseEndpoint(server)!, settings)
  if (isRefusal(destination)) throw new Error(destination.message)
  destination.path = { sourceAddress: parseAddress(own)!, mtuBytes: 1500 }
  director.knobs.sloppy_tcp = 1
  return director
}

const arrival: Arrival = {
  bytes: new Uint8Array(0),
  start: HEADROOM_BYTES,
  end: 0,
  hook: 'inbound',
  mark: 0,
  offload: OFFLOAD.finished,
  nowMs: 0,
}

/** Batches, as a queue brings them. Throws where a packet did not go on. */
function send(director: Director, packets: readonly Prepared[], count: number): void {
  for (let sent = 0; sent < count; sent += packets.length) {
    for (const { original, bytes, hook } of packets) {
      bytes.set(original, HEADROOM_BYTES)
      director.expect(bytes, HEADROOM_BYTES, hook)
    }
    director.fetchExpected()
    for (const { bytes, hook } of packets) {
      arrival.bytes = bytes
      arrival.end = bytes.length
      arrival.hook = hook
      arrival.nowMs += MS_PER_PACKET
      const { kind, reason } = director.process(arrival)
      if (kind === 'accept' || kind === 'drop') throw new Error(`a packet was left behind: ${reason}`)
    }
  }
}

let collections = 0
const observer = new PerformanceObserver((list) => {
  collections += list.getEntries().length
})
observer.observe({ entryTypes: ['gc'] })

const results: { name: string; collections: number[] }[] = []
for (const method of METHODS) {
  for (const transport of TRANSPORTS) {
    for (const family of FAMILIES) {
      const way = { method, transport, family }
      const director = makeDirector(way)
      const packets = prepare(way)
      send(director, packets, WARM_UP_PACKETS)
      const result = { name: `${method}, ${transport}, IPv${family}`, collections: [] as number[] }
      for (let round = 0; round < ROUNDS; round++) {
        await pause(TOLD_MS)
        collections = 0
        send(director, packets, PACKETS_PER_ROUND)
        await pause(TOLD_MS)
        result.collections.push(collections)
      }
      results.push(result)
    }
  }
}
observer.disconnect()
process.stdout.write(`${JSON.stringify(results)}\n`)
