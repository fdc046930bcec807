/** What every scheduler promises, as a table, and the checks that hold one to it. */

import { DEFAULT_SCHEDULER_KNOBS, type SchedulerFactory } from '../lib/service/scheduler.ts'
import { BrokenPromise } from './broken-promise.ts'
import {
  attachedPool,
  emptyPool,
  findsEligible,
  nobodyEligible,
  onlyDestination,
  onlyEligible,
  refill,
  weightReturns,
} from './checks/choice.ts'
import { extremeWeights, hugePool, linearCost, READS_BESIDES, READS_PER_DESTINATION } from './checks/cost.ts'
import { constantCost, fewMove, HASHED_READS_MAX, MOVED_SHARE_MAX, samePick } from './checks/hashing.ts'
import { handsOff, ownDice, ownMemory, previews, repeatable } from './checks/memory.ts'
import { EQUAL_TOLERANCE, equalShares, WEIGHTED_TOLERANCE, weightedShares } from './checks/shares.ts'
import { dice } from './dice.ts'
import type { Subject } from './rig.ts'

const percent = (part: number): string => `${Math.round(part * 100)} %`

interface Row {
  readonly promise: string
  readonly check: (subject: Subject) => void
  /** Promised only by schedulers that compute a client's destination, or that have a `preview`. */
  readonly of?: 'hashing' | 'previewing'
}

const CHECKS = {
  'empty-pool': { check: emptyPool, promise: 'picks nobody from an empty pool' },
  'nobody-eligible': {
    check: nobodyEligible,
    promise: 'picks nobody when everybody is quiesced or overloaded',
  },
  'only-eligible': {
    check: onlyEligible,
    promise:
      'never picks a destination that is quiesced, overloaded or removed, whatever has happened before',
  },
  'finds-eligible': { check: findsEligible, promise: 'finds an eligible destination whenever there is one' },
  'only-destination': { check: onlyDestination, promise: 'sends everybody to the only destination' },
  refill: { check: refill, promise: 'survives a pool that empties and fills again' },
  'attached-pool': { check: attachedPool, promise: 'takes over a pool that is there already' },
  'weight-returns': { check: weightReturns, promise: 'notices a weight that goes to 0 and comes back' },
  'hands-off': { check: handsOff, promise: 'changes neither destinations, pool nor flow, and keeps no flow' },
  repeatable: { check: repeatable, promise: 'picks the same again when the same happens again' },
  'own-dice': { check: ownDice, promise: 'asks no clock and draws no chance but those it is given' },
  'own-memory': { check: ownMemory, promise: 'remembers for one service only' },
  'equal-shares': {
    check: equalShares,
    promise: `gives equal destinations equal shares of the clients, within ${percent(EQUAL_TOLERANCE)}`,
  },
  'weighted-shares': {
    check: weightedShares,
    promise: `gives destinations shares in proportion to their weights, within ${percent(WEIGHTED_TOLERANCE)}`,
  },
  'linear-cost': {
    check: linearCost,
    promise: `reads at most ${READS_PER_DESTINATION} properties a destination, and ${READS_BESIDES} of a table, for a pick`,
  },
  'extreme-weights': {
    check: extremeWeights,
    promise: 'answers at once, whatever the weights: the heaviest overloaded, the lightest eligible',
  },
  'huge-pool': { check: hugePool, promise: 'copes with a pool of a hundred thousand' },
  previews: {
    of: 'previewing',
    check: previews,
    promise: 'picks what its preview says, and is not changed by being asked',
  },
  'same-pick': {
    of: 'hashing',
    check: samePick,
    promise: 'leads a client to the same destination every time, whatever the load',
  },
  'few-move': {
    of: 'hashing',
    check: fewMove,
    promise: `moves at most ${percent(MOVED_SHARE_MAX)} of the clients when one of ten destinations joins or leaves`,
  },
  'constant-cost': {
    of: 'hashing',
    check: constantCost,
    promise: `reads at most ${HASHED_READS_MAX} properties for a pick, however large the pool`,
  },
} as const satisfies Record<string, Row>

/** The short name of a check, by which a scheduler is exempted from it. */
export type CheckName = keyof typeof CHECKS

export interface SchedulerCheckOptions {
  /**
   * What the scheduler does not promise, each with the reason. The reason is held to: a check that the
   * scheduler passes all the same fails, and says that the exemption can go.
   */
  readonly exempt?: Readonly<Partial<Record<CheckName, string>>>
  /** It computes a client's destination from what the flow says, and so promises more. Default false. */
  readonly hashing?: boolean
  /** The service's flags, bits of `SCHEDULER_FLAG`. Default 0. */
  readonly flags?: number
}

/** One test: `run` throws an Error that says what the scheduler did, and what was expected. */
export interface SchedulerCheck {
  readonly name: CheckName
  /** What a test of it would be called. */
  readonly promise: string
  readonly run: () => void
}

/**
 * The checks of a scheduler, in a fixed order; all that they do is the same in every run. `name` is for the
 * messages. Throws a RangeError where an exemption names no check or gives no reason.
 */
export function schedulerChecks(
  name: string,
  factory: SchedulerFactory,
  { exempt = {}, hashing = false, flags = 0 }: SchedulerCheckOptions = {},
): readonly SchedulerCheck[] {
  const rows: [string, Row][] = Object.entries(CHECKS)
  const kinds = {
    hashing,
    previewing: factory({ flags, knobs: DEFAULT_SCHEDULER_KNOBS, random: dice(1) }).preview !== undefined,
  }
  const known = rows.filter(([, row]) => row.of === undefined || kinds[row.of])
  for (const [check, reason] of Object.entries(exempt)) {
    if (!known.some(([each]) => each === check)) {
      const names = known.map(([each]) => each).join(' ')
      throw new RangeError(`exemption '${check}' of scheduler '${name}': expected one of: ${names}`)
    }
    if (reason.trim() === '') {
      throw new RangeError(`exemption '${check}' of scheduler '${name}': expected a reason`)
    }
  }
  const subject: Subject = { factory, flags }
  return known.map(([each, { promise, check }]) => {
    const checkName = each as CheckName
    const reason = exempt[checkName]
    const run = () => breach(() => check(subject))
    return reason === undefined
      ? { name: checkName, promise, run: () => demand(run(), `scheduler '${name}' breaks '${each}'`) }
      : {
          name: checkName,
          promise: `does not promise it ${promise}: ${reason}`,
          run: () => {
            if (run() !== null) return
            throw new Error(`scheduler '${name}' keeps '${each}', from which it is exempt: ${reason}`)
          },
        }
  })
}

/** The promise that was broken, or null. What the scheduler itself throws, goes on. */
function breach(check: () => void): BrokenPromise | null {
  try {
    check()
    return null
  } catch (error) {
    if (error instanceof BrokenPromise) return error
    throw error
  }
}

function demand(broken: BrokenPromise | null, what: string): void {
  if (broken !== null) throw new Error(`${what}: ${broken.message}`, { cause: broken })
}
