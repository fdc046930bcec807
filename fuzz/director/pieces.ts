/** Packets in fragments, as they may come. */

import { IPV6_HEADER_BYTES } from '../../lib/wire/ipv6.ts'
import { Packet } from '../../lib/wire/packet.ts'
import { fragment4, fragment6 } from '../../test/support/packets.ts'

export const PIECE_ORDERS = {
  'as sent': (pieces) => pieces,
  backwards: (pieces) => [...pieces].reverse(),
  'some twice': (pieces) => pieces.flatMap((piece, index) => (index % 2 === 0 ? [piece, piece] : [piece])),
  'one lost': (pieces) => pieces.filter((_, index) => index !== 1),
} as const satisfies Record<string, (pieces: readonly Uint8Array[]) => readonly Uint8Array[]>

const MAX_PIECES = 12

/** The packet in pieces of so much data or more; where it cannot be cut, as it is. */
export function inPieces(
  bytes: Uint8Array,
  wantedBytes: number,
  order: keyof typeof PIECE_ORDERS,
): readonly Uint8Array[] {
  const packet = new Packet()
  if (packet.read(bytes, 0, bytes.length) !== null || packet.isFragment) return [bytes]
  const leastBytes = Math.ceil(bytes.length / MAX_PIECES / 8) * 8
  const dataBytes = Math.max(wantedBytes, leastBytes)
  const sent = bytes.subarray(0, packet.end)
  if (packet.family === 4) return PIECE_ORDERS[order](fragment4(sent, dataBytes))
  return packet.headerBytes === IPV6_HEADER_BYTES ? PIECE_ORDERS[order](fragment6(sent, dataBytes)) : [bytes]
}
