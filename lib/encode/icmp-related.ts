/** ICMP errors about a masqueraded connection: the outer address and the quoted packet's endpoint change together. */

import { writeAddress } from '../bytes/address.ts'
import { checksum, pseudoHeaderSum6 } from '../bytes/checksum.ts'
import { writeU16, writeU32 } from '../bytes/octets.ts'
import { WORD } from '../conn/layout.ts'
import type { Packet } from '../wire/packet.ts'
import { hasPorts, PROTOCOL } from '../wire/protocol.ts'
import type { Local } from './nat.ts'

/** Where the addresses stand in an IP header, and the checksum in IPv4's and ICMP's. */
const AT = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const
const IPV4_CHECKSUM = 10
const ICMP_CHECKSUM = 2

/**
 * An error from the client's side, about an answer: it goes to the destination, and the answer it quotes comes from there.
 * `packet` is the error, `quoted` what it is about, both in the same bytes; `local` where full NAT hides the client.
 */
export function relateInbound(
  packet: Packet,
  quoted: Packet,
  words: Int32Array,
  base: number,
  local: Local | null,
): void {
  const to = base + WORD.destination
  writeAddressWords(packet, 'destination', words, to)
  writeAddressWords(quoted, 'source', words, to)
  writePort(quoted, 0, words[base + WORD.kind]! >>> 16)
  if (local !== null) {
    writeAddress(packet.bytes, packet.start + AT[packet.family].source, local.address)
    writeAddress(quoted.bytes, quoted.start + AT[quoted.family].destination, local.address)
    writePort(quoted, 2, local.port)
  }
  finish(packet, quoted)
}

/** An error from the server's side, about a request: it comes from the virtual service, to which the request went. */
export function relateOutbound(
  packet: Packet,
  quoted: Packet,
  words: Int32Array,
  base: number,
  local: Local | null,
): void {
  const from = base + WORD.virtual
  writeAddressWords(packet, 'source', words, from)
  writeAddressWords(quoted, 'destination', words, from)
  writePort(quoted, 2, words[base + WORD.ports]! & 0xffff)
  if (local !== null) {
    const client = base + WORD.client
    writeAddressWords(packet, 'destination', words, client)
    writeAddressWords(quoted, 'source', words, client)
    writePort(quoted, 0, words[base + WORD.ports]! >>> 16)
  }
  finish(packet, quoted)
}

/** Whether the ICMP checksum of a packet is right. */
export const icmpChecksumIsValid = (packet: Packet): boolean =>
  checksum(packet.bytes, packet.transportStart, packet.end, pseudoSum(packet)) === 0

/** ICMPv6 covers the addresses, ICMP does not. */
const pseudoSum = (packet: Packet): number =>
  packet.family === 4
    ? 0
    : pseudoHeaderSum6(packet.bytes, packet.start, PROTOCOL.icmpv6, packet.end - packet.transportStart)

function writeAddressWords(
  { bytes, start, family }: Packet,
  which: 'source' | 'destination',
  words: Int32Array,
  from: number,
): void {
  const at = start + AT[family][which]
  const count = family === 4 ? 1 : 4
  for (let word = 0; word < count; word++) writeU32(bytes, at + word * 4, words[from + word]!)
}

function writePort(quoted: Packet, at: number, port: number): void {
  if (hasPorts(quoted.protocol) && !quoted.isLaterFragment)
    writeU16(quoted.bytes, quoted.transportStart + at, port)
}

/** The quoted transport's checksum stays as it is: nobody can verify a part. All others are computed afresh. */
function finish(packet: Packet, quoted: Packet): void {
  const { bytes, transportStart, end } = packet
  writeHeaderChecksum(quoted)
  writeHeaderChecksum(packet)
  writeU16(bytes, transportStart + ICMP_CHECKSUM, 0)
  writeU16(bytes, transportStart + ICMP_CHECKSUM, checksum(bytes, transportStart, end, pseudoSum(packet)))
}

function writeHeaderChecksum({ bytes, start, headerBytes, family }: Packet): void {
  if (family === 6) return
  writeU16(bytes, start + IPV4_CHECKSUM, 0)
  writeU16(bytes, start + IPV4_CHECKSUM, checksum(bytes, start, start + headerBytes))
}
