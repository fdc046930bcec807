// @ts-check
/**
 * The conformance suite on the scheduler beside this file; every other test runner's `it` will do as well.
 *
 *     node --test examples/
 */

import { describe, it } from 'node:test'
import { schedulerChecks } from 'uipvs/testing'
import { rendezvous } from './custom-scheduler.mjs'

const checks = schedulerChecks('rendezvous', rendezvous, {
  hashing: true,
  exempt: { 'constant-cost': 'every destination draws a number for every client' },
})

describe('rendezvous', () => {
  for (const { promise, run } of checks) it(promise, run)
})
