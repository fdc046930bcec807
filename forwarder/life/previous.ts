/** The configuration and the connections of an earlier run, from its state file. */

import { renameSync } from 'node:fs'
import type { Logger } from 'pino'
import { UsageError } from '../config.ts'
import { type KeepingParts, restore } from './keeping.ts'
import { readState, type State, StateFileError } from './state-file.ts'

/** What to do about the state of an earlier run. */
export interface RestoreOptions {
  readonly statePath: string
  /** A state that cannot be used is put aside, instead of being refused. */
  readonly discardsDamaged: boolean
  readonly log: Pick<Logger, 'info' | 'warn'>
}

/** The state of an earlier run, or null without one; throws {@link UsageError} where it cannot be used. */
export function previousState({ statePath, discardsDamaged, log }: RestoreOptions): State | null {
  try {
    const state = readState(statePath)
    if (state === null) log.info({ statePath }, 'there is no state to restore yet')
    return state
  } catch (error) {
    if (!(error instanceof StateFileError)) throw error
    if (!discardsDamaged) {
      const remedy = `move it away, or start with --discard-damaged-state`
      throw new UsageError(`${error.message}; ${remedy}`, { cause: error })
    }
    const aside = `${statePath}.damaged`
    renameSync(statePath, aside)
    log.warn({ aside }, `${error.message}: put aside, and nothing is restored`)
    return null
  }
}

/** Puts it in force; throws {@link UsageError} where this host cannot do that any more. */
export async function restorePrevious(
  state: State,
  parts: Omit<KeepingParts, 'version'>,
  { statePath, log }: RestoreOptions,
): Promise<void> {
  try {
    const counts = await restore(state, parts)
    const services = state.header.services.length
    if (counts === null)
      log.warn(
        { statePath, services },
        'connections are left out: another uipvs saved them, in another layout',
      )
    else log.info({ statePath, services, connections: counts }, 'what an earlier run left is restored')
  } catch (error) {
    const reason = (error as Error).message
    throw new UsageError(`the state file ${statePath} cannot be put in force: ${reason}`, { cause: error })
  }
}
