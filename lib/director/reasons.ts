/** Why a packet did not go to a destination: the keys of the director's counters. */

import { MALFORMED_REASONS } from '../wire/malformed.ts'
import { REASSEMBLY_REASONS } from '../wire/reassembly.ts'

/** Left to the kernel, unchanged. */
export const PASS_REASONS = [
  'protocol-not-followed',
  'no-service',
  'not-a-connection-start',
  'no-connection',
  'ftp-data',
] as const
export type PassReason = (typeof PASS_REASONS)[number]

/** Dropped, where the packet itself was well-formed. */
const OWN_DROP_REASONS = [
  'no-destination',
  'no-engine-data',
  'drop-packet',
  'unanswerable',
  'icmp-fragment',
  'icmp-checksum',
  'destination-removed',
  'connection-table-full',
  'hop-limit-exceeded',
  'too-big',
  'no-path',
  'no-local-port',
  'loopback-source',
  'transport-checksum',
  'too-long',
] as const
/** Fragments that were given up, by how. */
const FRAGMENT_DROP_REASONS = REASSEMBLY_REASONS.map((reason) => `fragment-${reason}` as const)
export const DROP_REASONS = [...MALFORMED_REASONS, ...OWN_DROP_REASONS, ...FRAGMENT_DROP_REASONS] as const
export type DropReason = string

/** A counter for each of `reasons`. */
export class ReasonCounters {
  readonly #counts: Map<string, number>

  constructor(reasons: readonly string[]) {
    this.#counts = new Map(reasons.map((reason) => [reason, 0]))
  }

  count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1)
  }

  /** Every reason with its count, those that never happened included. */
  toObject(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}
