/** Generic routing encapsulation, version 0, without key and sequence number. RFC 2784, RFC 7676. */

import type { Family } from '../bytes/address.ts'
import { checksum } from '../bytes/checksum.ts'
import { writeU16, writeU32 } from '../bytes/octets.ts'
import type { TunnelChecksum } from '../service/tunnel.ts'
import type { Packet } from '../wire/packet.ts'

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+---------------------+-----+-------------------------------+
// |C|       0             |  0  |         Protocol type         |
// |      Checksum, if C         |               0               |
// +-----------------------------+-------------------------------+
const BASE_BYTES = 4
const CHECKSUM_BYTES = 4
const HAS_CHECKSUM = 0x8000

/** The protocol types are Ethernet's. */
const ETHER_TYPE: Readonly<Record<Family, number>> = { 4: 0x0800, 6: 0x86dd }

/** What stands between the outer IP header and the packet. */
export const greBytes = (kind: TunnelChecksum): number =>
  kind === 'full' ? BASE_BYTES + CHECKSUM_BYTES : BASE_BYTES

/** Writes the header right before the packet; its checksum covers itself and the whole packet. */
export function writeGre({ bytes, start, end, family }: Packet, kind: TunnelChecksum): void {
  const at = start - greBytes(kind)
  writeU16(bytes, at, kind === 'full' ? HAS_CHECKSUM : 0)
  writeU16(bytes, at + 2, ETHER_TYPE[family])
  if (kind !== 'full') return
  writeU32(bytes, at + BASE_BYTES, 0)
  writeU16(bytes, at + BASE_BYTES, checksum(bytes, at, end))
}
