/** What one expects of a scheduler that computes a client's destination rather than looks for one. */

import type { Destination } from '../../lib/service/destination.ts'
import { formatEndpoint } from '../../lib/service/key.ts'
import { expect } from '../broken-promise.ts'
import { Rig, type Subject } from '../rig.ts'

/** A prime: whoever takes turns is out of step when the clients come again. */
const CLIENTS = 1999
const HOSTS = 10
/** Of all clients, when one of {@link HOSTS} destinations joins or leaves: twice what cannot be helped. */
export const MOVED_SHARE_MAX = 2 / HOSTS
/** Of places and properties, for one pick from a pool of a thousand. */
export const HASHED_READS_MAX = 16

export function samePick(subject: Subject): void {
  const rig = rigOf(subject, HOSTS)
  const before = picksOf(rig)
  const after = picksOf(rig)
  const at = before.findIndex((each, client) => each !== after[client])
  expect(
    at === -1,
    () => `a client of ${nameOf(before[at])} was led to ${nameOf(after[at])} when it came again`,
  )
}

export function fewMove(subject: Subject): void {
  for (const host of [1, HOSTS >> 1, HOSTS]) {
    const rig = rigOf(subject, HOSTS)
    const whole = picksOf(rig)
    rig.remove(host)
    const without = picksOf(rig)
    expectFewMoved(whole, without, `when one of ${HOSTS} destinations left`)
    rig.add(host)
    expectFewMoved(without, picksOf(rig), `when a destination joined ${HOSTS - 1} others`)
  }
}

export function constantCost(subject: Subject): void {
  const rig = rigOf(subject, 1000)
  for (let client = 0; client < 100; client++) {
    rig.guard.reads = 0
    rig.pick(client)
    const { reads } = rig.guard
    expect(
      reads <= HASHED_READS_MAX,
      () => `read destinations ${reads} times for a pick of 1000, expected at most ${HASHED_READS_MAX} times`,
    )
  }
}

function rigOf(subject: Subject, hosts: number): Rig {
  const rig = new Rig(subject)
  rig.whileUnscheduled(() => {
    for (let host = 1; host <= hosts; host++) rig.add(host)
  })
  return rig
}

/** Whom each client comes to. Their connections stay: load must make no difference. */
const picksOf = (rig: Rig): (Destination | null)[] =>
  Array.from({ length: CLIENTS }, (_, client) => rig.place(client))

function expectFewMoved(
  before: readonly (Destination | null)[],
  after: readonly (Destination | null)[],
  when: string,
): void {
  const moved = before.filter((each, client) => each !== after[client]).length
  const most = Math.floor(CLIENTS * MOVED_SHARE_MAX)
  expect(moved <= most, () => `${moved} of ${CLIENTS} clients moved ${when}, expected at most ${most}`)
}

const nameOf = (picked: Destination | null | undefined): string =>
  picked == null ? 'nobody' : formatEndpoint(picked)
