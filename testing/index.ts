/**
 * For whoever writes a scheduler: what the director relies on, as checks for any test runner. Needs nothing
 * but the library.
 *
 * @example
 * import { it } from 'node:test'
 * import { schedulerChecks } from 'uipvs/testing'
 *
 * for (const { promise, run } of schedulerChecks('mine', mine)) it(promise, run)
 */

export {
  type CheckName,
  type SchedulerCheck,
  type SchedulerCheckOptions,
  schedulerChecks,
} from './scheduler-checks.ts'
