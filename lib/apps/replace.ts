/** Other text in a TCP segment: the packet becomes longer or shorter, and every length and checksum says so. */

import { readU8, writeU16 } from '../bytes/octets.ts'
import { OFFLOAD, type Offload } from '../encode/offload.ts'
import { Ipv4View } from '../wire/ipv4.ts'
import { IPV6_HEADER_BYTES, Ipv6View } from '../wire/ipv6.ts'
import type { Packet } from '../wire/packet.ts'
import { finishTransportChecksum, pseudoHeaderSum } from '../wire/transport-checksum.ts'

const DATA_OFFSET = 12
const CHECKSUM = 16
const LENGTH_MAX = 0xffff

/** The octets `[fromBytes, toBytes)` of a TCP payload give way to `bytes`. */
export interface Replacement {
  /** Counted from the start of the payload. */
  readonly fromBytes: number
  readonly toBytes: number
  readonly bytes: Uint8Array
}

/** By how much the packet becomes longer; negative: shorter. */
export const growthOf = ({ fromBytes, toBytes, bytes }: Replacement): number =>
  bytes.length - (toBytes - fromBytes)

/** Where the payload of a whole TCP segment begins. */
export const payloadStart = ({ bytes, transportStart }: Packet): number =>
  transportStart + (readU8(bytes, transportStart + DATA_OFFSET) >>> 4) * 4

/**
 * Puts the replacement into a whole TCP segment, in place, and moves `packet.end`. The checksum is computed afresh, so
 * it must have been right; what was left to offload stays so. False, and nothing changed, when there is no room before
 * `writableEnd` or the length would not fit its field.
 */
export function replacePayload(
  packet: Packet,
  replacement: Replacement,
  { offload, writableEnd }: { offload: Offload; writableEnd: number },
): boolean {
  const { bytes, start, end, family } = packet
  const newEnd = end + growthOf(replacement)
  const counted = family === 4 ? newEnd - start : newEnd - start - IPV6_HEADER_BYTES
  if (newEnd > writableEnd || counted > LENGTH_MAX) return false

  const from = payloadStart(packet) + replacement.fromBytes
  const to = payloadStart(packet) + replacement.toBytes
  bytes.copyWithin(from + replacement.bytes.length, to, end)
  bytes.set(replacement.bytes, from)
  packet.end = newEnd
  if (family === 4) new Ipv4View(bytes, start).setTotalBytesWithChecksum(counted)
  else new Ipv6View(bytes, start).payloadBytes = counted
  writeChecksum(packet, offload)
  return true
}

function writeChecksum(packet: Packet, offload: Offload): void {
  if (offload === OFFLOAD.finished) {
    finishTransportChecksum(packet)
    return
  }
  const { bytes, transportStart, end } = packet
  writeU16(bytes, transportStart + CHECKSUM, pseudoHeaderSum(packet, end - transportStart))
}
