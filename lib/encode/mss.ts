/**
 * The maximum segment size that a SYN announces, lowered to what fits a narrower way: for tunnels, so that nobody has to
 * learn of their overhead by losing packets. RFC 9293 §3.7.1.
 */

import { adjustBy, fold16, wordDelta } from '../bytes/checksum.ts'
import { readU8, readU16, writeU16 } from '../bytes/octets.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { TCP_FLAG, TCP_HEADER_BYTES } from '../wire/tcp.ts'
import { TCP_OPTION, TCP_OPTION_HEADER_BYTES, tcpOptionEnd } from '../wire/tcp-options.ts'
import { OFFLOAD, type Offload } from './offload.ts'

const DATA_OFFSET = 12
const CHECKSUM = 16
const MSS_OPTION_BYTES = 4
/** What every host takes, and so the least that is ever asked for: RFC 9293 §3.7.1, RFC 8200 §5 less the headers. */
const MSS_MIN_BYTES = { 4: 536, 6: 1220 } as const
const NETWORK_HEADER_BYTES = { 4: 20, 6: 40 } as const

/**
 * Lowers the announced size of a whole SYN so that its sender's peer keeps to packets of `mtuBytes`; whether the packet
 * was changed. Anything but a SYN, and one that announces nothing, is left alone.
 */
export function clampMss(packet: Packet, mtuBytes: number, offload: Offload): boolean {
  const { bytes, transportStart, family } = packet
  if (packet.protocol !== PROTOCOL.tcp || (packet.tcpFlags & TCP_FLAG.syn) === 0) return false
  const at = mssOptionAt(bytes, transportStart)
  if (at < 0) return false
  const fitting = Math.max(mtuBytes - NETWORK_HEADER_BYTES[family] - TCP_HEADER_BYTES, MSS_MIN_BYTES[family])
  const announced = readU16(bytes, at)
  if (announced <= fitting) return false
  writeU16(bytes, at, fitting)
  if (offload !== OFFLOAD.finished) return true
  // The checksum sums words of the header: an option may begin at an odd octet.
  const delta = fold16(wordDelta(announced, fitting))
  const swapped = ((delta & 0xff) << 8) | (delta >>> 8)
  const checksum = readU16(bytes, transportStart + CHECKSUM)
  const isEven = ((at - transportStart) & 1) === 0
  writeU16(bytes, transportStart + CHECKSUM, adjustBy(checksum, isEven ? delta : swapped))
  return true
}

/** Where the announced size stands, or -1. A malformed option ends the search. */
function mssOptionAt(bytes: Uint8Array, start: number): number {
  const end = start + (readU8(bytes, start + DATA_OFFSET) >>> 4) * 4
  for (let at = start + TCP_HEADER_BYTES; at < end; ) {
    const next = tcpOptionEnd(bytes, at, end)
    if (next < 0) return -1
    const isMss = readU8(bytes, at) === TCP_OPTION.maximumSegmentSize
    if (isMss && next - at === MSS_OPTION_BYTES) return at + TCP_OPTION_HEADER_BYTES
    at = next
  }
  return -1
}
