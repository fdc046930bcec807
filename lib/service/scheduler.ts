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
  /**
   * The pick that {@link Scheduler.pick} would make now, and why. It changes nothing, not even the scheduler's own memory, and
   * draws no random number. Left out, the director can only say who is eligible.
   */
  preview?(flow: Flow, pool: readonly Destination[]): Preview
  /** The pool has changed, as `change` says. Left out by schedulers that derive nothing from the pool. */
  poolChanged?(pool: readonly Destination[], change: PoolChange): void
  /** Called every few seconds, for what is to be forgotten in time. */
  passTime?(nowMs: number): void
  /** The service's flags were edited: bits `flag-1` … `flag-3` of {@link SCHEDULER_FLAG}. */
  flagsChanged?(flags: number): void
}

/** A pick that is not made yet. */
export interface Preview {
  /** Whom {@link Scheduler.pick} would answer with; null also where chance decides among several. */
  readonly picked: Destination | null
  /** What the choice goes by, and what the scores are: `least overhead / weight`. */
  readonly by: string
  /** Every destination of the pool, in its order. */
  readonly candidates: readonly Candidate[]
}

/** What a scheduler thinks of a destination of its pool. */
export interface Candidate {
  readonly destination: Destination
  /** What it is compared by, as {@link Preview.by} says; null where it is not compared. */
  readonly score: number | null
  /** How likely it is to be picked, from 0 to 1; but for schedulers that draw lots, one of the two. */
  readonly chance: number
  /** Null for those that have a chance. */
  readonly passedOver: PassedOver | null
}

/** Why a destination is passed over, each as a sentence without a full stop. */
export const PASSED_OVER = {
  quiesced: 'its weight is 0',
  overloaded: 'it is past its upper threshold',
  full: 'it has more active connections than weight',
  outdone: 'another scores better, or as well and stands before it',
  lighter: 'another weighs more, or as much and stands before it',
  'not-idle': 'another is idle',
  'later-turn': 'its turn comes later',
  'below-threshold': 'its weight is below the threshold of the present round',
  'other-slot': 'the hash leads to another',
  'not-kept': 'another is kept for the address',
  unexplained: 'the scheduler does not explain itself',
} as const satisfies Record<string, string>
export type PassedOver = keyof typeof PASSED_OVER

/** Why no scheduler takes the destination, or null when it {@link isEligible}. */
export const ineligibility = ({ weight, isOverloaded }: Destination): PassedOver | null =>
  weight <= 0 ? 'quiesced' : isOverloaded ? 'overloaded' : null

/** Settings that the kernel has for single schedulers. */
export interface SchedulerKnobs {
  /** Seconds that what lblc or lblcr have learnt of a virtual address may stay unused. */
  readonly lblc_expiration: number
  readonly lblcr_expiration: number
}

export const DEFAULT_SCHEDULER_KNOBS: SchedulerKnobs = { lblc_expiration: 86_400, lblcr_expiration: 86_400 }

/** A fresh scheduler for one service. `random` gives a number in [0, 1). */
export type SchedulerFactory = (options: {
  readonly flags: number
  readonly random: () => number
  /** Settings of the whole director, to be read when they are needed: they may change at any time. */
  readonly knobs: SchedulerKnobs
}) => Scheduler

/** The three flags a service can hand to its scheduler, as IPVS numbers them. */
export const SCHEDULER_FLAG = { 'flag-1': 0x08, 'flag-2': 0x10, 'flag-3': 0x20 } as const
export type SchedulerFlag = keyof typeof SCHEDULER_FLAG

/** May take a new connection: not quiesced, not past its threshold. */
export const isEligible = (destination: Destination): boolean =>
  !destination.isOverloaded && destination.weight > 0

/** IPVS's measure of load: an active connection weighs 256 inactive ones. */
export const overhead = (destination: Destination): number => destination.active * 256 + destination.inactive
