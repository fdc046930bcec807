/** Fragments of an outer packet that does not fit its way: IPv4 by RFC 791 §3.2, IPv6 by RFC 8200 §4.5. */

import { checksum } from '../bytes/checksum.ts'
import { readU8, readU16, writeU8, writeU16, writeU32 } from '../bytes/octets.ts'

const IPV4_BYTES = 20
const IPV6_BYTES = 40
const FRAGMENT_HEADER_BYTES = 8
const FRAGMENT_PROTOCOL = 44
const MORE_FRAGMENTS = 0x2000

/**
 * Cuts the packet `[start, end)`, whose header must be a bare one as {@link encapsulate} writes it, into fragments of
 * at most `mtuBytes`; `emit` is given each, in order, at the start of `out`, which it must have done with on return.
 * `mtuBytes` is at least what every link must carry, 68 octets by IPv4 and 1280 by IPv6, and `out` has room for it.
 */
export function fragment(
  bytes: Uint8Array,
  start: number,
  end: number,
  options: { mtuBytes: number; identification: number; out: Uint8Array },
  emit: (out: Uint8Array, length: number) => void,
): void {
  const { mtuBytes, identification, out } = options
  const isIpv6 = readU8(bytes, start) >>> 4 === 6
  const headerBytes = isIpv6 ? IPV6_BYTES : IPV4_BYTES
  const prefixBytes = isIpv6 ? IPV6_BYTES + FRAGMENT_HEADER_BYTES : IPV4_BYTES
  const payloadStart = start + headerBytes
  const step = (mtuBytes - prefixBytes) & ~7
  for (let from = payloadStart; from < end; from += step) {
    const to = Math.min(from + step, end)
    out.set(bytes.subarray(start, payloadStart), 0)
    out.set(bytes.subarray(from, to), prefixBytes)
    const length = prefixBytes + to - from
    const offset = from - payloadStart
    if (isIpv6) writeIpv6Fragment(out, length, offset, to < end, identification)
    else writeIpv4Fragment(out, length, offset, to < end)
    emit(out, length)
  }
}

function writeIpv4Fragment(out: Uint8Array, length: number, offset: number, isMore: boolean): void {
  writeU16(out, 2, length)
  writeU16(out, 6, (isMore ? MORE_FRAGMENTS : 0) | (offset >>> 3))
  writeU16(out, 10, 0)
  writeU16(out, 10, checksum(out, 0, IPV4_BYTES))
}

function writeIpv6Fragment(
  out: Uint8Array,
  length: number,
  offset: number,
  isMore: boolean,
  id: number,
): void {
  writeU8(out, IPV6_BYTES, readU8(out, 6))
  writeU8(out, IPV6_BYTES + 1, 0)
  writeU16(out, IPV6_BYTES + 2, offset | (isMore ? 1 : 0))
  writeU32(out, IPV6_BYTES + 4, id)
  writeU16(out, 4, length - IPV6_BYTES)
  writeU8(out, 6, FRAGMENT_PROTOCOL)
}

/** Whether an IPv4 packet forbids its fragmentation; IPv6 packets leave it to their sender, which we are. */
export const forbidsFragments = (bytes: Uint8Array, start: number): boolean =>
  readU8(bytes, start) >>> 4 === 4 && (readU16(bytes, start + 6) & 0x4000) !== 0
