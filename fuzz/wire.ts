/** Reading as a target: whatever the octets, it comes to the same and looks at nothing around them. */

import fc from 'fast-check'
import { emitIcmp, ICMP_HEADER_BYTES, icmpAt, parseIcmp } from '../lib/wire/icmp.ts'
import { emitIcmpv6, icmpv6At, parseIcmpv6 } from '../lib/wire/icmpv6.ts'
import { emitIpv4, ipv4At, parseIpv4 } from '../lib/wire/ipv4.ts'
import { emitIpv6, ipv6At, parseIpv6 } from '../lib/wire/ipv6.ts'
import { perFragmentHeaderBytes } from '../lib/wire/ipv6-extensions.ts'
import type { Malformed } from '../lib/wire/malformed.ts'
import { Packet } from '../lib/wire/packet.ts'
import { printPacket } from '../lib/wire/print.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { emitSctp, NO_SCTP_CHUNK, nextSctpChunk, parseSctp, sctpAt, sctpChunkType } from '../lib/wire/sctp.ts'
import { emitTcp, parseTcp, tcpAt } from '../lib/wire/tcp.ts'
import {
  finishTransportChecksum,
  ipv4ChecksumIsValid,
  transportChecksumIsValid,
} from '../lib/wire/transport-checksum.ts'
import { emitUdp, parseUdp, udpAt } from '../lib/wire/udp.ts'
import { fromHex, toHex } from '../test/support/packets.ts'
import { mutated, mutation } from './mutation.ts'
import { SEEDS } from './seeds.ts'
import { must, type Target } from './target.ts'

interface Octets {
  readonly hex: string
}

export const wire: Target<Octets> = {
  about: 'reading: packets, quotations, every header',
  share: 2,
  cases: () =>
    fc
      .tuple(fc.constantFrom(...SEEDS), fc.array(mutation(), { maxLength: 5 }))
      .map(([seed, mutations]) => ({ hex: toHex(mutated(seed, mutations)) })),
  check: ({ hex }, tally) => {
    const octets = fromHex(hex)
    const [first, second] = PLACEMENTS.map((place) => reportOf(place(octets)))
    for (const name of Object.keys(first!)) {
      const [one, other] = [JSON.stringify(first![name]), JSON.stringify(second![name])]
      must(one === other, () => `what is read does not depend on what lies around: ${name}, ${one}, ${other}`)
    }
    tally?.count(`${first!['read']}`)
    expectLaws(octets)
  },
  describe: ({ hex }) => [printPacket(fromHex(hex)), hex],
}

/** Octets among others. */
interface Area {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** Among garbage, and at the very end of the memory, beyond which there are no numbers. */
const PLACEMENTS: readonly ((octets: Uint8Array) => Area)[] = [
  (octets) => placed(octets, { before: 7, behind: 64, garbage: 0xa5 }),
  (octets) => placed(octets, { before: 4, behind: 0, garbage: 0x5a }),
]

function placed(
  octets: Uint8Array,
  { before, behind, garbage }: { before: number; behind: number; garbage: number },
): Area {
  const bytes = new Uint8Array(before + octets.length + behind).fill(garbage)
  bytes.set(octets, before)
  return { bytes, start: before, end: before + octets.length }
}

type At = (bytes: Uint8Array, start: number, end: number) => object & ({ kind: string } | Malformed)

/** Every header there is, read at the start and wherever the packet has its transport header. */
const HEADERS = {
  ipv4: { at: ipv4At, parse: parseIpv4, emit: emitIpv4 },
  ipv6: { at: ipv6At, parse: parseIpv6, emit: emitIpv6 },
  tcp: { at: tcpAt, parse: parseTcp, emit: emitTcp },
  udp: { at: udpAt, parse: parseUdp, emit: emitUdp },
  sctp: { at: sctpAt, parse: parseSctp, emit: emitSctp },
  icmp: {
    at: icmpAt,
    parse: parseIcmp,
    emit: (bytes: Uint8Array, at: number, header: ReturnType<typeof parseIcmp>) =>
      emitIcmp(bytes, at, at + ICMP_HEADER_BYTES, header),
  },
  icmpv6: { at: icmpv6At, parse: parseIcmpv6, emit: emitIcmpv6 },
} as const

/** Everything that can be asked of these octets, places counted from their start. */
function reportOf({ bytes, start, end }: Area): Record<string, unknown> {
  const packet = new Packet()
  const flaw = packet.read(bytes, start, end)
  const report: Record<string, unknown> = { read: flaw?.reason ?? 'sound' }
  if (flaw === null) {
    report['packet'] = valuesOf(packet, start)
    report['checksums'] = [ipv4ChecksumIsValid(packet), transportChecksumIsValid(packet)]
    if (packet.family === 6) report['repeated'] = perFragmentHeaderBytes(bytes, start, packet.end)
    if (packet.protocol === PROTOCOL.sctp && !packet.isLaterFragment)
      report['chunks'] = chunksOf(packet, start)
  }
  const quoted = new Packet()
  const quotedFlaw = quoted.readQuoted(bytes, start, end)
  report['quoted'] = quotedFlaw?.reason ?? valuesOf(quoted, start)
  report['text'] = printPacket(bytes, start, end)
  const transportStart = quotedFlaw === null ? quoted.transportStart : start
  for (const [name, { at }] of Object.entries(HEADERS)) {
    const places = name === 'ipv4' || name === 'ipv6' ? [start] : [start, transportStart]
    report[name] = places.map((place) => {
      const found = (at as At)(bytes, place, end)
      return found.kind === 'malformed' ? (found as Malformed).reason : valuesOf(found, start)
    })
  }
  return report
}

/** Where something stands, in whatever object: told from the start of the octets. */
const PLACE = /^(?:start|end|\w+Start)$/

/** The fields and getters of an object, as text where they are values of their own. */
function valuesOf(of: object, origin: number): Record<string, unknown> {
  const getters = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(of)))
  const names = [
    ...Object.keys(of),
    ...getters.flatMap(([name, { get }]) => (get === undefined ? [] : [name])),
  ]
  const values: Record<string, unknown> = {}
  for (const name of names) {
    if (name === 'bytes') continue
    const value = (of as Record<string, unknown>)[name]
    if (typeof value === 'number' && value >= 0 && PLACE.test(name)) values[name] = value - origin
    else values[name] = typeof value === 'object' ? `${value}` : value
  }
  return values
}

/** The types of the chunks; there is an end to them. */
function chunksOf({ bytes, transportStart, end }: Packet, origin: number): (number | string)[] {
  const found: (number | string)[] = []
  for (let at = transportStart + 12; at < end; ) {
    const type = sctpChunkType(bytes, at, end)
    if (type === NO_SCTP_CHUNK) break
    const next = nextSctpChunk(bytes, at, end)
    found.push(type, next - origin)
    must(next > at, () => `a chunk comes after the one before it: ${next} after ${at}`)
    at = next
  }
  return found
}

function expectLaws(octets: Uint8Array): void {
  const packet = new Packet()
  const isSound = packet.read(octets, 0, octets.length) === null
  must(packet.end <= octets.length, () => `a packet ends within its octets, not at ${packet.end}`)
  must(!printPacket(octets).includes('\n'), 'a packet is printed in one line')
  for (const [name, header] of Object.entries(HEADERS))
    expectRoundTrip(name, header as unknown as Header, octets)
  if (!isSound) return
  const { start, transportStart, end } = packet
  must(
    start < transportStart && transportStart <= end,
    () => `the transport header is within: ${transportStart}`,
  )
  const quoted = new Packet()
  must(quoted.readQuoted(octets, 0, octets.length) === null, 'a sound packet can be quoted')
  for (const field of ['protocol', 'transportStart', 'sourcePort', 'destinationPort', 'tcpFlags'] as const)
    must(
      quoted[field] === packet[field],
      () => `quoted, ${field} stays ${packet[field]}, not ${quoted[field]}`,
    )
  const copy = octets.slice()
  packet.read(copy, 0, copy.length)
  finishTransportChecksum(packet)
  // ICMP's is nobody's to finish: no hardware leaves it undone.
  const isFinished = transportChecksumIsValid(packet) || packet.protocol === PROTOCOL.icmp
  must(isFinished, () => `a finished checksum is right: ${toHex(copy)}`)
  must(
    toHex(copy.subarray(packet.end)) === toHex(octets.subarray(packet.end)),
    'a checksum is written within the packet',
  )
}

interface Header {
  readonly at: At
  readonly parse: (view: object) => object
  readonly emit: (bytes: Uint8Array, at: number, header: object) => number
}

interface Movable {
  at(bytes: Uint8Array, start: number): object
}

/** What was parsed, written and parsed again, is the same; and a view moved to it sees what a new one does. */
function expectRoundTrip(name: string, { at, parse, emit }: Header, octets: Uint8Array): void {
  const view = at(octets, 0, octets.length)
  if (view.kind === 'malformed') return
  const parsed = parse(view)
  const written = new Uint8Array(octets.length).fill(0xa5)
  emit(written, 0, parsed)
  const again = at(written, 0, written.length)
  must(again.kind !== 'malformed', () => `${name}: what was parsed can be written, not ${toHex(written)}`)
  const [one, other] = [JSON.stringify(parsed), JSON.stringify(parse(again))]
  must(one === other, () => `${name}: what was parsed is written, ${one}, not ${other}`)
  const moved = (again as unknown as Movable).at(octets, 0)
  const seen = JSON.stringify(parse(moved))
  must(seen === one, () => `${name}: a view that is moved sees ${one}, not ${seen}`)
}
