/** TTL and hop limit: who forwards a packet takes one off. */

import { adjust } from '../bytes/checksum.ts'
import { readU8, readU16, writeU8, writeU16 } from '../bytes/octets.ts'
import type { Packet } from '../wire/packet.ts'

const IPV4_TTL = 8
const IPV4_CHECKSUM = 10
const IPV6_HOP_LIMIT = 7

/** Takes one off, in place, the IPv4 header checksum following. The hop limit must be above 0. */
export function decrementHopLimit({
  bytes,
  start,
  family,
}: Pick<Packet, 'bytes' | 'start' | 'family'>): void {
  if (family === 6) {
    writeU8(bytes, start + IPV6_HOP_LIMIT, readU8(bytes, start + IPV6_HOP_LIMIT) - 1)
    return
  }
  const word = readU16(bytes, start + IPV4_TTL)
  writeU16(bytes, start + IPV4_TTL, word - 0x100)
  const checksum = readU16(bytes, start + IPV4_CHECKSUM)
  writeU16(bytes, start + IPV4_CHECKSUM, adjust(checksum, word, word - 0x100))
}
