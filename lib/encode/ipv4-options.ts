/** IPv4 options in fragments: the first has them all, the later ones those whose copied flag is set. RFC 791 §3.1. */

import { readU8, writeU8 } from '../bytes/octets.ts'

const COPIED = 0x80
const END_OF_LIST = 0
const NO_OPERATION = 1

/**
 * Copies the options of `bytes[start, end)` that every fragment repeats to `out` at `at`, padded to a multiple of 4
 * octets, and answers how many that are. Behind an option whose length cannot be, nothing is believed.
 */
export function copyRepeatedOptions(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  let to = at
  for (let from = start; from < end; ) {
    const type = readU8(bytes, from)
    if (type === END_OF_LIST) break
    if (type === NO_OPERATION) {
      from++
      continue
    }
    const optionEnd = from + (from + 1 < end ? readU8(bytes, from + 1) : 0)
    if (optionEnd < from + 2 || optionEnd > end) break
    if ((type & COPIED) !== 0) {
      out.set(bytes.subarray(from, optionEnd), to)
      to += optionEnd - from
    }
    from = optionEnd
  }
  while (((to - at) & 3) !== 0) writeU8(out, to++, END_OF_LIST)
  return to - at
}
