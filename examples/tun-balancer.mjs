// @ts-check
/**
 * A balancer that is a network device: whatever is routed to the tun device is balanced, and comes out of it
 * again for the kernel to route on. No netfilter, no queue; masquerading, IPv4 and IPv6.
 *
 *     node examples/tun-balancer.mjs DEVICE SERVICE SERVER...
 *     node examples/tun-balancer.mjs lb0 tcp:10.79.0.100:80 10.78.0.11:8080 10.78.0.12:8080
 *
 * As root. Then both directions are led into the device: clients' packets by the virtual address, the
 * servers' answers by the network that they come from (here 10.78.0.0/24, on the device `back`):
 *
 *     ip link set lb0 up
 *     ip route add 10.79.0.100 dev lb0
 *     ip route add default dev lb0 table 100
 *     ip rule add iif back from 10.78.0.0/24 lookup 100
 *     sysctl -w net.ipv4.ip_forward=1 net.ipv4.conf.lb0.rp_filter=0
 *
 * Ends on SIGINT or SIGTERM, with a line for each server.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  Director,
  formatEndpoint,
  granted,
  HEADROOM_BYTES,
  OFFLOAD,
  Packet,
  parseEndpoint,
  parseServiceKey,
} from 'uipvs'
import { openTun } from 'uipvs/tun'

/** @import { Arrival, IpAddress } from 'uipvs' */
/** @import { Tun } from 'uipvs/tun' */

const USAGE = 'usage: tun-balancer.mjs DEVICE SERVICE SERVER...   (SERVICE as tcp:10.0.0.1:80)'
/** How long a signal may have to wait for its turn. */
const WAIT_MS = 100
const BATCH_MAX = 64
const PACKET_BYTES_MAX = 65_535

try {
  const { device, director, virtualAddress } = directorOf(process.argv.slice(2))
  const tun = openTun(device)
  console.log(`balancing on ${tun.name}`)
  await balance(tun, director, virtualAddress)
  tun.close()
  for (const { pool } of director.services) {
    for (const destination of pool) {
      const { connections, inPackets, outPackets } = destination.counters.current()
      const packets = `${inPackets} packets in, ${outPackets} out`
      console.log(`${formatEndpoint(destination)}  ${connections} connections, ${packets}`)
    }
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

/** @param {string[]} argv */
function directorOf([device, service = '', ...servers]) {
  const key = parseServiceKey(service)
  if (device === undefined || servers.length === 0) throw new Error(USAGE)
  if (key?.kind !== 'address')
    throw new Error(`service '${service}': expected tcp:10.0.0.1:80 or udp:[fd00::1]:53`)
  const director = new Director({
    nowMs: performance.now(),
    random: Math.random,
    // The kernel routes what we write, and takes one off the hop limit as it does.
    kernelForwards: { masquerading: true, gatewaying: true },
  })
  granted(director.services.add(key, { scheduler: 'wlc', schedulerFlags: 0 }))
  for (const server of servers) {
    const endpoint = parseEndpoint(server)
    if (endpoint === null) throw new Error(`server '${server}': expected 192.168.1.1:80 or [fd00::1]:80`)
    granted(
      director.services.addDestination(key, endpoint, {
        method: 'masquerading',
        weight: 1,
        upperThreshold: 0,
        lowerThreshold: 0,
      }),
    )
  }
  return { device, director, virtualAddress: key.address }
}

/** @param {Tun} tun @param {Director} director @param {IpAddress} virtualAddress */
async function balance(tun, director, virtualAddress) {
  let isEnding = false
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => (isEnding = true))
  const bytes = new Uint8Array(HEADROOM_BYTES + PACKET_BYTES_MAX)
  const packet = new Packet()
  while (!isEnding) {
    tun.wait(WAIT_MS)
    for (let count = 0; count < BATCH_MAX; count++) {
      const length = tun.read(bytes, HEADROOM_BYTES)
      if (length === 0) break
      const end = HEADROOM_BYTES + length
      const isInbound =
        packet.read(bytes, HEADROOM_BYTES, end) === null && packet.destination.equals(virtualAddress)
      settle(tun, director, {
        bytes,
        start: HEADROOM_BYTES,
        end,
        hook: isInbound ? 'inbound' : 'outbound',
        mark: 0,
        offload: OFFLOAD.finished,
        nowMs: performance.now(),
      })
    }
    director.passTime(performance.now())
    await nextTurn()
  }
}

/**
 * What the director says is done: everything that goes on is written, and the kernel routes it.
 * @param {Tun} tun
 * @param {Director} director
 * @param {Arrival} arrival
 */
function settle(tun, director, arrival) {
  const { kind, bytes, start, end, answerBytes } = director.process(arrival)
  if (answerBytes > 0) tun.write(director.answer, 0, answerBytes)
  if (kind === 'rewrite') tun.write(bytes, start, end)
  // Not of a service: a server's other traffic goes on. What a client sent would come back to us for ever.
  if (kind === 'accept' && arrival.hook === 'outbound') tun.write(bytes, start, end)
}
