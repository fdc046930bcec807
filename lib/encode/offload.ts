/** The state of a packet's transport checksum when it was handed over. */

/**
 * `finished`: as it would be on the wire. `unfinished`: the field holds only the pseudo-header's sum, the rest was left
 * to hardware. `unfinishedSuper`: the same on a super-packet, which the kernel segments (and sums) after the verdict.
 */
export const OFFLOAD = { finished: 0, unfinished: 1, unfinishedSuper: 2 } as const
export type Offload = (typeof OFFLOAD)[keyof typeof OFFLOAD]
