/** What a scheduler is. The implementations are in `sched/`; a user's own is a value of this shape. */

import type { Destination } from './destination.ts'

/**
 * The connection to be placed. One reused object, valid during the call; addresses are big-endian words as signed
 * 32-bit numbers, IPv4 in `…W0` alone.
 */
export interface Flow {
  /** IP protocol number. */
  protocol: number
  clientW0: number
  clientW1: number
  clientW2: number
  clientW3: number
  clientPort: number
  virtualW0: number
  virtualW1: number
  virtualW2: number
  virtualW3: number
  virtualPort: number
  nowMs: number
}

/** How a pool came to differ: `index` is the destination's place (for `removed`, the place it had). */
export type PoolChange =
  | { readonly kind: 'attached' }
  | {
      readonly kind: 'added' | 'edited' | 'removed'
      readonly index: number
      readonly destination: Destination
    }

/**
 * Picks the destination of a new connection. It reads no bytes and no clock, and changes nothing but its own
 * memory: `flow` carries all it may know.
 */
export interface Scheduler {
  /** The destination for `flow`, or null when none may take it. `pool` is newest first. */
  pick(flow: Flow, pool: readonly Destination[]): Destination | null
  /** The pool has changed, as `change` says. Left out by schedulers that derive nothing from the pool. */
  poolChanged?(pool: readonly Destination[], change: PoolChange): void
  /** Called every few seconds, for what is to be forgotten in time. */
  passTime?(nowMs: number): void
  /** The service's flags were edited: bits `flag-1` … `flag-3` of {@link SCHEDULER_FLAG}. */
  flagsChanged?(flags: number): void
}

/** A fresh scheduler for one service. `random` gives a number in [0, 1). */
export type SchedulerFactory = (options: {
  readonly flags: number
  readonly random: () => number
}) => Scheduler

/** The three flags a service can hand to its scheduler, as IPVS numbers them. */
export const SCHEDULER_FLAG = { 'flag-1': 0x08, 'flag-2': 0x10, 'flag-3': 0x20 } as const
export type SchedulerFlag = keyof typeof SCHEDULER_FLAG

/** May take a new connection: not quiesced, not past its threshold. */
export const isEligible = (destination: Destination): boolean =>
  !destination.isOverloaded && destination.weight > 0

/** IPVS's measure of load: an active connection weighs 256 inactive ones. */
export const overhead = (destination: Destination): number => destination.active * 256 + destination.inactive
