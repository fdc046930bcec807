/** The options of a TCP header, one after another. RFC 9293 §3.1. */

import { readU8 } from '../bytes/octets.ts'

export const TCP_OPTION = { end: 0, noOperation: 1, maximumSegmentSize: 2, sack: 5 } as const

/** Kind and length, which every option but the first two kinds begins with. */
export const TCP_OPTION_HEADER_BYTES = 2

/** Where the option at `at` ends, at most at `end`, the header's; -1 where the list ends, or is malformed. */
export function tcpOptionEnd(bytes: Uint8Array, at: number, end: number): number {
  const kind = readU8(bytes, at)
  if (kind === TCP_OPTION.end) return -1
  if (kind === TCP_OPTION.noOperation) return at + 1
  const optionBytes = at + 1 < end ? readU8(bytes, at + 1) : 0
  return optionBytes < TCP_OPTION_HEADER_BYTES || at + optionBytes > end ? -1 : at + optionBytes
}
