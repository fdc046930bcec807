/** What must be so of every packet, whatever it was. */

import { readU8, readU16 } from '../../lib/bytes/octets.ts'
import { HEADROOM_BYTES } from '../../lib/director/verdict.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { formatEndpoint } from '../../lib/service/key.ts'
import { Packet } from '../../lib/wire/packet.ts'
import { hasPorts, PROTOCOL } from '../../lib/wire/protocol.ts'
import { TCP_FLAG } from '../../lib/wire/tcp.ts'
import {
  checksumOffset,
  ipv4ChecksumIsValid,
  pseudoHeaderSum,
  transportChecksumIsValid,
} from '../../lib/wire/transport-checksum.ts'
import { decapsulate } from '../../test/support/decapsulate.ts'
import { toHex } from '../../test/support/packets.ts'
import { must } from '../target.ts'
import type { Observation } from './observation.ts'

type Oracle = (seen: Observation) => void

const GOING_ON: readonly string[] = ['rewrite', 'direct', 'send']

/** Throws what is wrong with what came of the packet. */
export function judge(seen: Observation): void {
  for (const oracle of ORACLES) oracle(seen)
}

const staysInItsMemory: Oracle = ({ verdict, arrival, memory, firstWritable, garbage }) => {
  const isGarbage = (octet: number) => octet === garbage
  must(memory.subarray(0, firstWritable).every(isGarbage), 'nothing is written before the headroom')
  must(memory.subarray(arrival.end).every(isGarbage), 'nothing is written behind the packet')
  const { start, end, bytes } = verdict
  must(
    Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= bytes.length,
    () => `a verdict lies within its bytes: [${start}, ${end}) of ${bytes.length}`,
  )
  if (bytes !== memory || !GOING_ON.includes(verdict.kind)) return
  must(
    start >= Math.max(firstWritable, arrival.start - HEADROOM_BYTES) && end <= arrival.end,
    () =>
      `a verdict is the packet and its headroom: [${start}, ${end}), given [${arrival.start}, ${arrival.end})`,
  )
}

const acceptedIsUntouched: Oracle = ({ verdict, before, memory, arrival }) => {
  if (verdict.kind !== 'accept') return
  const after = memory.subarray(arrival.start, arrival.end)
  must(isEqual(before, after), () => `an accepted packet stays as it is, not ${toHex(after)}`)
}

/** Every packet is one of forwarded, passed for a reason, dropped for a reason, absorbed; and counted as that, once. */
const isCountedOnce: Oracle = ({ verdict, counted }) => {
  const { kind, reason, destination } = verdict
  const hasReason = reason !== ''
  must(
    hasReason === (kind === 'drop' || (kind === 'accept' && destination === null)),
    () => `${kind}: '${reason}'`,
  )
  must(!hasReason || destination === null, () => `${kind} ${reason}: what does not go on has no destination`)
  const expected = hasReason ? [`${kind === 'drop' ? 'drop' : 'pass'} ${reason}`] : []
  // A fragment may be the end of others that wait, or of its own datagram.
  const own = counted.filter((each) => !each.startsWith('drop fragment-'))
  must(
    own.join() === expected.join(),
    () => `${kind} ${reason} counts as '${expected.join()}', not as '${own.join()}'`,
  )
}

/** What was foretold has come; where lots are drawn, only what does not depend on them. */
const isAsForetold: Oracle = ({ verdict, explanation }) => {
  if (explanation?.verdict.isCertain !== true) return
  const { kind, reason, destination } = explanation.verdict
  const found = verdict.destination === null ? null : formatEndpoint(verdict.destination)
  must(
    kind === verdict.kind && reason === verdict.reason && destination === found,
    () =>
      `${kind} ${reason} ${destination} was foretold, and came ${verdict.kind} ${verdict.reason} ${found}`,
  )
}

/** The ICMP error is a sound packet to the sender of one that was dropped, no longer than one may be. */
const answerIsSound: Oracle = ({ verdict, before, answer }) => {
  if (verdict.answerBytes === 0) return
  const icmp = soundPacket(answer, 'the ICMP error')
  must(checksumsAreValid(icmp), () => `the checksums of the ICMP error are right: ${toHex(answer)}`)
  must(answer.length <= (icmp.family === 4 ? 576 : 1280), () => `${answer.length} octets of ICMP error`)
  // A tunnel's error is told on to the client whose packet it is about.
  if (verdict.kind === 'absorb') return
  must(verdict.kind === 'drop', () => `only a dropped packet is answered, not ${verdict.kind}`)
  const cause = soundPacket(before, 'an answered packet')
  must(`${icmp.destination}` === `${cause.source}`, () => `the ICMP error goes to ${cause.source}`)
  must(!cause.isLaterFragment || verdict.reassembled !== null, 'a later fragment is not answered')
}

/** Whatever goes on is a sound packet, and where its checksums were right they still are. */
const outputIsSound: Oracle = (seen) => {
  const { out, before, verdict, arrival } = seen
  if (out.length === 0) return
  const sent = soundPacket(out, `a packet to ${verdict.kind}`)
  const came = soundPacket(before, 'a packet that goes on')
  // What was put together of several has no counterpart to compare it with.
  if (came.isFragment) return
  must(
    !ipv4ChecksumIsValid(came) || ipv4ChecksumIsValid(sent),
    () => `the header checksum stays right: ${toHex(out)}`,
  )
  if (verdict.kind === 'send') {
    // A tunnel's is looked at within; an answer of the director's own is a ping's.
    must(
      verdict.destination !== null || checksumsAreValid(sent),
      () => `the checksums of an answer are right: ${toHex(out)}`,
    )
    return
  }
  if (arrival.offload === OFFLOAD.finished) {
    must(
      !transportChecksumIsValid(came) || transportChecksumIsValid(sent),
      () => `the transport checksum stays right: ${toHex(out)}`,
    )
  } else if (arrival.offload === OFFLOAD.unfinished && isUnfinished(came)) {
    // A super-packet's is computed by the kernel when it segments it, whatever stands there.
    must(
      isUnfinished(sent) || transportChecksumIsValid(sent),
      () => `an unfinished checksum is finished, or still can be: ${toHex(out)}`,
    )
  }
  if (!isHelped(came) && !isHelped(sent)) hasChangedOnlyEnds(came, sent)
}

/** Addresses, ports, hop limit and checksums are all that changes, of a quoted packet too. */
function hasChangedOnlyEnds(came: Packet, sent: Packet, clampsMss = false): void {
  must(
    came.totalBytes === sent.totalBytes,
    () => `the length stays ${came.totalBytes}, not ${sent.totalBytes}`,
  )
  const mayChange = new Set<number>(CHANGING_AT[came.family])
  const at = came.transportStart
  if (hasPorts(came.protocol)) for (let offset = 0; offset < 4; offset++) mayChange.add(at + offset)
  const checksumAt = CHECKSUM_AT[came.protocol]
  if (checksumAt !== undefined)
    for (let offset = 0; offset < checksumAt[1]; offset++) mayChange.add(at + checksumAt[0] + offset)
  if (clampsMss && came.protocol === PROTOCOL.tcp && (came.tcpFlags & TCP_FLAG.syn) !== 0) {
    const optionsEnd = at + (readU8(came.bytes, at + 12) >>> 4) * 4
    for (let place = at + 20; place < optionsEnd; place++) mayChange.add(place)
  }
  const isError = came.protocol === PROTOCOL.icmp || came.protocol === PROTOCOL.icmpv6
  const end = isError ? at + 8 : came.end
  for (let place = came.start; place < end; place++) {
    if (readU8(came.bytes, place) === readU8(sent.bytes, place) || mayChange.has(place)) continue
    must(false, `octet ${place} stays ${readU8(came.bytes, place)}, not ${readU8(sent.bytes, place)}`)
  }
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)
const CHANGING_AT = { 4: [8, 10, 11, ...range(12, 20)], 6: [7, ...range(8, 40)] } as const
/** Offset and width. */
const CHECKSUM_AT: Readonly<Record<number, readonly [number, number]>> = {
  [PROTOCOL.tcp]: [16, 2],
  [PROTOCOL.udp]: [6, 2],
  [PROTOCOL.sctp]: [8, 4],
  [PROTOCOL.icmp]: [2, 2],
  [PROTOCOL.icmpv6]: [2, 2],
}

/** The FTP helper may put other text in place of a packet's. */
const isHelped = ({ protocol, sourcePort, destinationPort }: Packet): boolean =>
  protocol === PROTOCOL.tcp && (sourcePort === 21 || destinationPort === 21)

/** The far end of a tunnel gets the packet that came, one hop on, with its checksum finished. */
const tunnelCarriesThePacket: Oracle = ({ verdict, out, before, arrival }) => {
  if (verdict.kind !== 'send' || verdict.destination === null) return
  const { inner, outer } = decapsulate(out)
  must(ipv4ChecksumIsValid(outer), () => `the outer header checksum is right: ${toHex(out)}`)
  const came = soundPacket(before, 'a packet that goes on')
  if (came.isFragment) return
  const arrived = soundPacket(inner, 'the inner packet')
  must(arrived.hopLimit === came.hopLimit - 1, () => `the inner packet is one hop on: ${toHex(inner)}`)
  must(
    !ipv4ChecksumIsValid(came) || ipv4ChecksumIsValid(arrived),
    () => `the inner checksum is right: ${toHex(inner)}`,
  )
  if (arrival.offload !== OFFLOAD.finished && isUnfinished(came)) {
    must(transportChecksumIsValid(arrived), () => `the inner transport checksum is finished: ${toHex(inner)}`)
  }
  hasChangedOnlyEnds(came, arrived, verdict.destination.tunnel.clampsMss === true)
  must(
    `${came.source} ${came.destination}` === `${arrived.source} ${arrived.destination}`,
    () => `the inner packet keeps its ends: ${toHex(inner)}`,
  )
}

const ORACLES: readonly Oracle[] = [
  staysInItsMemory,
  acceptedIsUntouched,
  isCountedOnce,
  isAsForetold,
  answerIsSound,
  outputIsSound,
  tunnelCarriesThePacket,
]

function soundPacket(bytes: Uint8Array, what: string): Packet {
  const packet = new Packet()
  const flaw = packet.read(bytes, 0, bytes.length)
  must(flaw === null, () => `${what} is sound, not ${flaw?.reason}: ${toHex(bytes)}`)
  return packet
}

const checksumsAreValid = (packet: Packet): boolean =>
  ipv4ChecksumIsValid(packet) && transportChecksumIsValid(packet)

/** Whether the checksum field holds what offload expects there, for a whole packet. */
function isUnfinished(packet: Packet): boolean {
  const { bytes, transportStart, end, protocol } = packet
  if (!hasPorts(protocol) || protocol === PROTOCOL.sctp || packet.isFragment) return false
  const transportBytes = protocol === PROTOCOL.udp ? readU16(bytes, transportStart + 4) : end - transportStart
  const standing = readU16(bytes, transportStart + checksumOffset(protocol))
  // 0 and 0xffff are one number in one's complement.
  return standing % 0xffff === pseudoHeaderSum(packet, transportBytes) % 0xffff
}

const isEqual = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((octet, index) => octet === other[index])
