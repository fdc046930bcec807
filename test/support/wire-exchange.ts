/** One exchange with a virtual service by socat, and the packets that it caused on both sides of the director. */

import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { CLIENT, endpoint } from './lab/addresses.ts'
import type { Lab } from './lab/lab.ts'
import { ETHER_TYPE, type Frame } from './lab/pcap.ts'
import { readPacket } from './packets.ts'
import { type Kind, PROTOCOL_OF, portOf, SERVER_OF, vipOf, type Way } from './ways.ts'

export interface ExchangeOptions {
  readonly ttl?: number
  readonly trafficClass?: number
  /** More socat address options, such as `mtudiscover=0`. */
  readonly socket?: readonly string[]
  /** False where no answer is to be waited for. */
  readonly isAnswered?: boolean
}

export interface Exchange {
  /** The client's port, of this exchange alone. */
  readonly clientPort: number
  /** What socat received; '' for nothing. */
  readonly answer: string
  /** On the client's device, towards the service and back. */
  readonly sent: readonly Frame[]
  readonly answers: readonly Frame[]
  /** On the back device of the method's real server, from the director; tunnelled packets with their outer headers. */
  readonly received: readonly Frame[]
}

const TRAFFIC = 'tcp or udp or ip proto 4 or ip proto 41 or ip6 proto 4 or ip6 proto 41'

/** Client ports, one an exchange, below those that the kernel gives out. */
let lastPort = 20_000

/** Sends `text` to the way's service of the kind and, for TCP, closes the connection. */
export async function exchange(
  lab: Lab,
  way: Way,
  kind: Kind,
  text: string,
  { ttl = 64, trafficClass = 0, socket = [], isAnswered = true }: ExchangeOptions = {},
): Promise<Exchange> {
  const clientPort = ++lastPort
  const server = SERVER_OF[way.method]
  const captures = await Promise.all([
    lab.capture('client', 'front', TRAFFIC),
    lab.capture(server, 'back', TRAFFIC),
  ])
  const header =
    way.service === 'v4'
      ? [`ttl=${ttl}`, `tos=${trafficClass}`]
      : [`ipv6-unicast-hops=${ttl}`, `ipv6-tclass=${trafficClass}`]
  const protocol = `${PROTOCOL_OF[kind].toUpperCase()}${way.service.slice(1)}`
  const target = `${protocol}:${endpoint(vipOf(way), portOf(way, kind))}`
  const options = [`sourceport=${clientPort}`, ...header, ...socket]
  const program = lab.spawn('client', [
    'socat',
    '-T',
    '5',
    '-t',
    '3',
    'STDIO',
    [target, ...options].join(','),
  ])
  // A connection is closed and followed to its end; a datagram is done with once it is answered.
  if (kind === 'echo') program.write(text)
  else program.end(text)
  if (kind !== 'echo') await program.exited
  else if (isAnswered) await program.until('answer', () => program.stdout !== '')
  else await captures[0].wait((frame) => isBetween(frame, way, clientPort, 'to the service'))
  program.kill('SIGKILL')
  await program.exited

  const isSent = (frame: Frame) => isBetween(frame, way, clientPort, 'to the service')
  const sent = (await captures[0].stop()).filter(isSent)
  const answers = captures[0].frames.filter((frame) => isBetween(frame, way, clientPort, 'to the client'))
  const isReceived = (frame: Frame) => innermost(frame)?.sourcePort === clientPort
  if (isAnswered) await captures[1].wait(isReceived, { count: sent.length })
  const received = (await captures[1].stop()).filter(isReceived)
  return { clientPort, answer: program.stdout, sent, answers, received }
}

function isBetween(
  frame: Frame,
  way: Way,
  clientPort: number,
  direction: 'to the service' | 'to the client',
): boolean {
  const packet = innermost(frame)
  if (packet === null) return false
  const client = `${CLIENT[way.service]} ${clientPort}`
  const source = `${packet.source} ${packet.sourcePort}`
  const destination = `${packet.destination} ${packet.destinationPort}`
  return direction === 'to the service' ? source === client : destination === client
}

/** The frame's packet, or the one within a tunnel's; null for what is no IP. */
function innermost({ etherType, packet }: Frame): ReturnType<typeof readPacket> | null {
  if (etherType !== ETHER_TYPE.ipv4 && etherType !== ETHER_TYPE.ipv6) return null
  const outer = readPacket(packet)
  const isTunnel = outer.protocol === PROTOCOL.ipip || outer.protocol === PROTOCOL.ipv6
  return isTunnel ? readPacket(packet.subarray(outer.transportStart)) : outer
}
