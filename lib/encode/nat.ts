/** Masquerading: the packet's destination endpoint is rewritten on the way in, its source endpoint on the way out. */

import { type IpAddress, writeAddress } from '../bytes/address.ts'
import { adjustBy, fold16, invertDelta, wordDelta } from '../bytes/checksum.ts'
import { readU16, writeU16, writeU32 } from '../bytes/octets.ts'
import { WORD } from '../conn/layout.ts'
import type { Packet } from '../wire/packet.ts'
import { hasPorts, PROTOCOL } from '../wire/protocol.ts'
import { adjustTransportChecksum, finishTransportChecksum } from '../wire/transport-checksum.ts'
import { OFFLOAD, type Offload } from './offload.ts'

/** Offsets in the network header (RFC 791 §3.1, RFC 8200 §3) and of the ports in the transport header. */
const IPV4 = { checksum: 10, source: 12, destination: 16 } as const
const IPV6 = { source: 8, destination: 24 } as const
const PORT = { source: 0, destination: 2 } as const
const UDP_CHECKSUM = 6

/**
 * What the rewriting of a connection does to a transport checksum, kept with the connection so that a packet costs
 * one addition. `words[base…]` is the connection's record.
 */
export function natDelta(words: Int32Array, base: number): number {
  let sum = wordDelta(words[base + WORD.ports]! & 0xffff, words[base + WORD.kind]! >>> 16)
  for (let word = 0; word < 4; word++) {
    sum += wordDelta(words[base + WORD.virtual + word]!, words[base + WORD.destination + word]!)
  }
  return fold16(sum)
}

/**
 * What full NAT adds to {@link natDelta}: the client's endpoint is rewritten too, to the director's own. One sum carries
 * both, since it is the sum of the changes that a checksum knows.
 */
export function withLocalDelta(delta: number, words: Int32Array, base: number, local: Local): number {
  let sum = delta + wordDelta(words[base + WORD.ports]! >>> 16, local.port)
  const { w0, w1, w2, w3 } = local.address
  sum += wordDelta(words[base + WORD.client]!, w0) + wordDelta(words[base + WORD.client + 1]!, w1)
  sum += wordDelta(words[base + WORD.client + 2]!, w2) + wordDelta(words[base + WORD.client + 3]!, w3)
  return fold16(sum)
}

/** The director's own endpoint, behind which full NAT puts a client. */
export interface Local {
  readonly address: IpAddress
  readonly port: number
}

/** Client → virtual service becomes client → destination, in place. */
export function rewriteInbound(packet: Packet, words: Int32Array, base: number, offload: Offload): void {
  const { bytes, start } = packet
  const to = base + WORD.destination
  if (packet.family === 4) writeIpv4Address(packet, IPV4.destination, packet.destinationW0, words[to]!)
  else writeIpv6Address(bytes, start + IPV6.destination, words, to)
  const port = words[base + WORD.kind]! >>> 16
  writeTransport(packet, PORT.destination, port, words[base + WORD.natDelta]!, offload)
}

/** Destination → client becomes virtual service → client, in place. */
export function rewriteOutbound(packet: Packet, words: Int32Array, base: number, offload: Offload): void {
  const { bytes, start } = packet
  const from = base + WORD.virtual
  if (packet.family === 4) writeIpv4Address(packet, IPV4.source, packet.sourceW0, words[from]!)
  else writeIpv6Address(bytes, start + IPV6.source, words, from)
  const port = words[base + WORD.ports]! & 0xffff
  writeTransport(packet, PORT.source, port, invertDelta(words[base + WORD.natDelta]!), offload)
}

/**
 * Full NAT, before {@link rewriteInbound}, which settles the transport checksum for both: the packet comes from the
 * director's own endpoint instead of the client's.
 */
export function rewriteClient(packet: Packet, { address, port }: Local): void {
  const { bytes, start, transportStart } = packet
  if (packet.family === 4) writeIpv4Address(packet, IPV4.source, packet.sourceW0, address.w0)
  else writeAddress(bytes, start + IPV6.source, address)
  if (hasPorts(packet.protocol)) writeU16(bytes, transportStart + PORT.source, port)
}

/** The way back, before {@link rewriteOutbound}: the packet goes to the client instead of the director. */
export function rewriteToClient(packet: Packet, words: Int32Array, base: number): void {
  const { bytes, start, transportStart } = packet
  const to = base + WORD.client
  if (packet.family === 4) writeIpv4Address(packet, IPV4.destination, packet.destinationW0, words[to]!)
  else writeIpv6Address(bytes, start + IPV6.destination, words, to)
  if (hasPorts(packet.protocol))
    writeU16(bytes, transportStart + PORT.destination, words[base + WORD.ports]! >>> 16)
}

function writeIpv4Address({ bytes, start }: Packet, at: number, was: number, is: number): void {
  writeU32(bytes, start + at, is)
  const checksum = readU16(bytes, start + IPV4.checksum)
  writeU16(bytes, start + IPV4.checksum, adjustBy(checksum, fold16(wordDelta(was, is))))
}

function writeIpv6Address(bytes: Uint8Array, at: number, words: Int32Array, from: number): void {
  for (let word = 0; word < 4; word++) writeU32(bytes, at + word * 4, words[from + word]!)
}

/** Port and checksum; a later fragment has neither, nor have AH and ESP. */
function writeTransport(packet: Packet, at: number, port: number, delta: number, offload: Offload): void {
  const { bytes, transportStart, protocol } = packet
  if (packet.isLaterFragment || !hasPorts(protocol)) return
  writeU16(bytes, transportStart + at, port)
  // What offload left unfinished is finished here; on a super-packet the kernel does it when it segments.
  if (offload === OFFLOAD.unfinishedSuper) return
  if (offload === OFFLOAD.unfinished || lacksChecksum(packet)) finishTransportChecksum(packet)
  else if (protocol !== PROTOCOL.sctp) adjustTransportChecksum(packet, delta)
  // SCTP's covers no address. Nothing is added to a CRC in passing: it is computed afresh, where all it covers is here.
  else if (!packet.isFragment && hasOtherPorts(packet)) finishTransportChecksum(packet)
}

/** Whether a port was rewritten: the fields of the packet are as it came. */
const hasOtherPorts = ({ bytes, transportStart, sourcePort, destinationPort }: Packet): boolean =>
  readU16(bytes, transportStart + PORT.source) !== sourcePort ||
  readU16(bytes, transportStart + PORT.destination) !== destinationPort

/** A datagram without checksum, which IPVS gives one; a fragment cannot have one, since its rest is elsewhere. */
const lacksChecksum = (packet: Packet): boolean =>
  packet.protocol === PROTOCOL.udp &&
  !packet.isFragment &&
  readU16(packet.bytes, packet.transportStart + UDP_CHECKSUM) === 0
