/** What goes into the director and what comes out. Both are objects that a caller or the director reuses. */

import type { Offload } from '../encode/offload.ts'
import { LONGEST_OUTER_BYTES } from '../encode/tunnel.ts'
import type { Destination } from '../service/destination.ts'
import type { Reassembled } from '../wire/reassembly.ts'

/** One packet and how it came. */
export interface Arrival {
  /**
   * The IP packet is `[start, end)`; it is rewritten in place, and a tunnel's outer header is written before `start`,
   * where there is room for it (`HEADROOM_BYTES`).
   */
  bytes: Uint8Array
  start: number
  end: number
  /**
   * `inbound`: on its way to a virtual service. `outbound`: forwarded, so perhaps a server's answer; under full NAT also
   * what comes to the director's own address.
   */
  hook: 'inbound' | 'outbound'
  /** The packet's firewall mark as a signed 32-bit number; 0 is none. */
  mark: number
  offload: Offload
  /** Milliseconds on a clock that never goes back. */
  nowMs: number
}

/** Room before a packet in which the longest outer headers fit: a multiple of 4, so that copies stay aligned. */
export const HEADROOM_BYTES = LONGEST_OUTER_BYTES

/**
 * What becomes of the packet; the caller acts on it. One object, overwritten by the next packet.
 *
 * | kind | meaning |
 * |---|---|
 * | `accept` | not ours, or for this host: the kernel carries on with the unchanged packet |
 * | `drop` | nothing goes on; `reason` says why, and `answer` may hold an ICMP error for the sender |
 * | `absorb` | the packet ends here without being lost: a fragment that waits for others; or an ICMP error about a tunnel's packet, which `answer` tells on to the client |
 * | `rewrite` | masquerading: carry on with `[start, end)`, rewritten in place, routed by its new addresses |
 * | `direct` | gatewaying: send `[start, end)` to `destination`'s link address |
 * | `send` | a tunnel, or an answer of our own: send `[start, end)` by its (outer) header |
 *
 * `[start, end)` may be longer than the way takes, where `reassembled` is not null: then it has to be cut again, as
 * `fragment` does; an accepted packet too, since its earlier fragments were absorbed. A tunnel's packet may be too long
 * in any case.
 */
export interface Verdict {
  kind: 'accept' | 'drop' | 'absorb' | 'rewrite' | 'direct' | 'send'
  /** A pass or drop reason; '' for the other kinds. */
  reason: string
  bytes: Uint8Array
  start: number
  end: number
  /** Where the packet's connection goes; null when it belongs to none. */
  destination: Destination | null
  /** Length of the ICMP error in the director's `answer`, 0 when there is none. */
  answerBytes: number
  /** How the packet came, where it came in fragments: `[start, end)` is the whole. Null for all others. */
  reassembled: Reassembled | null
}
