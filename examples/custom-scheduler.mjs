// @ts-check
/**
 * A scheduler of one's own, which IPVS does not have: rendezvous hashing. A client always comes to the same
 * destination, in proportion to the weights, and when a destination leaves, nobody's clients move but its
 * own.
 *
 *     node examples/custom-scheduler.mjs          # prints where some clients are led
 *     node --test examples/                       # holds it to the conformance suite
 */

import { fileURLToPath } from 'node:url'
import {
  Director,
  emitIpv4,
  emitTcp,
  foldAddress,
  formatEndpoint,
  granted,
  IPV4_HEADER_BYTES,
  isEligible,
  OFFLOAD,
  PROTOCOL,
  parseAddress,
  parseEndpoint,
  parseServiceKey,
  SCHEDULERS,
  TCP_FLAG,
  TCP_HEADER_BYTES,
} from 'uipvs'

/** @import { Destination, IpAddress, SchedulerFactory, ServiceKey } from 'uipvs' */

/**
 * Each eligible destination draws a number from client and address; the highest, by weight, takes the client.
 * @type {SchedulerFactory}
 */
export const rendezvous = () => ({
  pick(flow, pool) {
    const client = foldAddress(flow.clientW0, flow.clientW1, flow.clientW2, flow.clientW3)
    /** @type {Destination | null} */
    let best = null
    let most = Number.NEGATIVE_INFINITY
    for (const destination of pool) {
      if (!isEligible(destination)) continue
      const { w0, w1, w2, w3 } = destination.address
      const draw = (scatter(client ^ scatter(foldAddress(w0, w1, w2, w3) + destination.port)) + 0.5) / 2 ** 32
      const score = destination.weight / -Math.log(draw)
      if (score > most) [best, most] = [destination, score]
    }
    return best
  },
})

/**
 * A 32-bit number to another: neighbours land far apart. The finalizer of MurmurHash3.
 * @param {number} word
 */
function scatter(word) {
  const once = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35)
  return (twice ^ (twice >>> 16)) >>> 0
}

function main() {
  const director = new Director({
    nowMs: 0,
    random: Math.random,
    schedulers: { ...SCHEDULERS, rendezvous },
  })
  const service = /** @type {ServiceKey} */ (parseServiceKey('tcp:10.0.0.1:80'))
  granted(director.services.add(service, { scheduler: 'rendezvous', schedulerFlags: 0 }))
  for (const host of [1, 2, 3]) {
    const endpoint = /** @type {{ address: IpAddress, port: number }} */ (
      parseEndpoint(`192.168.1.${host}:80`)
    )
    granted(
      director.services.addDestination(service, endpoint, {
        method: 'masquerading',
        weight: host,
        upperThreshold: 0,
        lowerThreshold: 0,
      }),
    )
  }
  for (let client = 1; client <= 12; client++) {
    const bytes = synFrom(`10.9.0.${client}`)
    const verdict = director.process({
      bytes,
      start: 0,
      end: bytes.length,
      hook: 'inbound',
      mark: 0,
      offload: OFFLOAD.finished,
      nowMs: 0,
    })
    const whom = verdict.destination === null ? verdict.reason : formatEndpoint(verdict.destination)
    console.log(`10.9.0.${client} → ${whom}`)
  }
}

/**
 * The first packet of a connection to the service. Its TCP checksum is left out: nobody looks at it here.
 * @param {string} client
 */
function synFrom(client) {
  const bytes = new Uint8Array(IPV4_HEADER_BYTES + TCP_HEADER_BYTES)
  const at = emitIpv4(bytes, 0, {
    trafficClass: 0,
    identification: 1,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    ttl: 64,
    protocol: PROTOCOL.tcp,
    source: /** @type {IpAddress} */ (parseAddress(client)),
    destination: /** @type {IpAddress} */ (parseAddress('10.0.0.1')),
    options: new Uint8Array(),
    payloadBytes: TCP_HEADER_BYTES,
  })
  emitTcp(bytes, at, {
    sourcePort: 40_000,
    destinationPort: 80,
    sequence: 1,
    acknowledgment: 0,
    flags: TCP_FLAG.syn,
    window: 65_535,
    urgentPointer: 0,
    options: new Uint8Array(),
  })
  return bytes
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
