/** Where a packet goes on that needs more room than the bytes it came in have. */

import type { Packet } from '../wire/packet.ts'
import { HEADROOM_BYTES } from './verdict.ts'

const PACKET_MAX_BYTES = 65_536

export class Scratch {
  readonly #bytes = new Uint8Array(HEADROOM_BYTES + PACKET_MAX_BYTES)

  /** Copies the packet, which then lies in the copy, with room before it; answers where the room behind it ends. */
  moveThere(packet: Packet): number {
    const { bytes, start, end } = packet
    if (bytes !== this.#bytes) {
      this.#bytes.set(bytes.subarray(start, end), HEADROOM_BYTES)
      packet.read(this.#bytes, HEADROOM_BYTES, HEADROOM_BYTES + end - start)
    }
    return this.#bytes.length
  }
}
