/** Fragments of a packet that does not fit its way: IPv4 by RFC 791 §3.2, IPv6 by RFC 8200 §4.5. */

import { checksum } from '../bytes/checksum.ts'
import { readU8, readU16, writeU8, writeU16 } from '../bytes/octets.ts'
import { emitFragmentHeader, nextHeaderField, perFragmentHeaderBytes } from '../wire/ipv6-extensions.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { copyRepeatedOptions } from './ipv4-options.ts'

const IPV4_BYTES = 20
const IPV4_TOTAL_LENGTH = 2
const IPV4_FLAGS_OFFSET = 6
const IPV4_CHECKSUM = 10
const IPV6_BYTES = 40
const IPV6_PAYLOAD_LENGTH = 4
const FRAGMENT_HEADER_BYTES = 8
const MORE_FRAGMENTS = 0x2000

export interface FragmentOptions {
  /**
   * No fragment is longer. At least what every link must carry, 68 octets by IPv4 and 1280 by IPv6; for a packet that
   * came in fragments, its longest one, if the way does not ask for less.
   */
  readonly mtuBytes: number
  /** 32 bits, for IPv6 alone: must not repeat soon. IPv4 fragments keep the identification of their packet. */
  readonly identification: number
  /** Has room for `mtuBytes`. */
  readonly out: Uint8Array
  /**
   * How the packet came, if in fragments. As the kernel has it, IPv6 fragments are made as they were where they fit;
   * IPv4 packets are cut anew.
   */
  readonly as?: { readonly repeatedBytes: number; readonly dataBytes: readonly number[] } | undefined
}

/** Takes the fragment `out[0, length)`, which is overwritten by the next. */
export type EmitFragment = (out: Uint8Array, length: number) => void

/**
 * Cuts the whole packet `[start, end)`, which was read before, into fragments; `emit` is given each, in order, at the
 * start of `out`, and must have done with it on return. A packet that fits is given as it is. False, and nothing
 * given, when the headers alone leave no room for data.
 */
export function fragment(
  bytes: Uint8Array,
  start: number,
  end: number,
  options: FragmentOptions,
  emit: EmitFragment,
): boolean {
  if (end - start > options.mtuBytes) {
    const isIpv6 = readU8(bytes, start) >>> 4 === 6
    return isIpv6 ? cutIpv6(bytes, start, end, options, emit) : cutIpv4(bytes, start, end, options, emit)
  }
  options.out.set(bytes.subarray(start, end), 0)
  emit(options.out, end - start)
  return true
}

function cutIpv4(
  bytes: Uint8Array,
  start: number,
  end: number,
  { mtuBytes, out }: FragmentOptions,
  emit: EmitFragment,
): boolean {
  const payloadStart = start + (readU8(bytes, start) & 0x0f) * 4
  const optionsStart = start + IPV4_BYTES
  if (mtuBytes - (payloadStart - start) < 8) return false
  for (let from = payloadStart; from < end; ) {
    let headerBytes = IPV4_BYTES
    out.set(bytes.subarray(start, optionsStart), 0)
    // The first fragment has the options of the packet, the later ones only those that ask for it.
    if (from > payloadStart)
      headerBytes += copyRepeatedOptions(bytes, optionsStart, payloadStart, out, IPV4_BYTES)
    else {
      out.set(bytes.subarray(optionsStart, payloadStart), IPV4_BYTES)
      headerBytes = payloadStart - start
    }
    const to = Math.min(from + ((mtuBytes - headerBytes) & ~7), end)
    out.set(bytes.subarray(from, to), headerBytes)
    finishIpv4(out, headerBytes, headerBytes + to - from, (from - payloadStart) | (to < end ? 1 : 0))
    emit(out, headerBytes + to - from)
    from = to
  }
  return true
}

/** @param offsetAndMore the offset in octets, a multiple of 8, and in bit 0 whether more follow */
function finishIpv4(out: Uint8Array, headerBytes: number, totalBytes: number, offsetAndMore: number): void {
  writeU8(out, 0, 0x40 | (headerBytes >>> 2))
  writeU16(out, IPV4_TOTAL_LENGTH, totalBytes)
  writeU16(out, IPV4_FLAGS_OFFSET, ((offsetAndMore & 1) === 0 ? 0 : MORE_FRAGMENTS) | (offsetAndMore >>> 3))
  writeU16(out, IPV4_CHECKSUM, 0)
  writeU16(out, IPV4_CHECKSUM, checksum(out, 0, headerBytes))
}

function cutIpv6(
  bytes: Uint8Array,
  start: number,
  end: number,
  { mtuBytes, identification, out, as }: FragmentOptions,
  emit: EmitFragment,
): boolean {
  const repeatedBytes = as?.repeatedBytes ?? perFragmentHeaderBytes(bytes, start, end)
  const prefixBytes = repeatedBytes + FRAGMENT_HEADER_BYTES
  const longest = (mtuBytes - prefixBytes) & ~7
  if (longest < 8) return false
  const payloadStart = start + repeatedBytes
  const cuts =
    as !== undefined && isPossible(as.dataBytes, end - payloadStart, mtuBytes - prefixBytes)
      ? as.dataBytes
      : []
  const field = nextHeaderField(bytes, start, payloadStart) - start
  const nextHeader = readU8(bytes, start + field)

  for (let from = payloadStart, index = 0; from < end; index++) {
    const to = Math.min(from + (cuts[index] ?? longest), end)
    const fragmentOffset = from - payloadStart
    const length = prefixBytes + to - from
    out.set(bytes.subarray(start, payloadStart), 0)
    writeU8(out, field, PROTOCOL.fragment)
    writeU16(out, IPV6_PAYLOAD_LENGTH, length - IPV6_BYTES)
    emitFragmentHeader(out, repeatedBytes, {
      nextHeader,
      fragmentOffset,
      moreFragments: to < end,
      identification,
    })
    out.set(bytes.subarray(from, to), prefixBytes)
    emit(out, length)
    from = to
  }
  return true
}

/** Whether the packet can be cut as it was: it is as long as it was, and each part fits. */
function isPossible(dataBytes: readonly number[], totalBytes: number, longest: number): boolean {
  let sum = 0
  for (const each of dataBytes) {
    if (each > longest) return false
    sum += each
  }
  return sum === totalBytes
}

/** Whether an IPv4 packet forbids its fragmentation; IPv6 packets leave it to their sender, which we are. */
export const forbidsFragments = (bytes: Uint8Array, start: number): boolean =>
  readU8(bytes, start) >>> 4 === 4 && (readU16(bytes, start + IPV4_FLAGS_OFFSET) & 0x4000) !== 0
