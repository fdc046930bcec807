/**
 * What a scheduler remembers and what it lives on: nothing but what it was told, and that for one service.
 */

import { formatEndpoint } from '../../lib/service/key.ts'
import { expect } from '../broken-promise.ts'
import { live, type Moment } from '../life.ts'
import { Rig, type Subject } from '../rig.ts'
import { withoutSurroundings } from '../surroundings.ts'

const SEED = 3

/** The guard around every scheduler under test watches; a life brings it about. */
export function handsOff(subject: Subject): void {
  historyOf(live(new Rig(subject), SEED))
}

export function repeatable(subject: Subject): void {
  const first = historyOf(live(new Rig(subject), SEED))
  const second = historyOf(live(new Rig(subject), SEED))
  expectSame(first, second, 'in the same life lived again')
}

export function ownDice(subject: Subject): void {
  withoutSurroundings(() => historyOf(live(new Rig(subject), SEED)))
}

export function ownMemory(subject: Subject): void {
  const alone = historyOf(live(new Rig(subject), SEED))
  const other = live(new Rig(subject), SEED + 1)
  const together: string[] = []
  for (const moment of live(new Rig(subject), SEED)) {
    together.push(nameOf(moment))
    other.next()
  }
  expectSame(alone, together, 'while another service has a scheduler of the same kind')
}

export function previews(subject: Subject): void {
  const alone = historyOf(live(new Rig(subject), SEED))
  const rig = new Rig(subject)
  rig.guard.previews = true
  expectSame(alone, historyOf(live(rig, SEED)), 'after a preview')
}

const historyOf = (life: Iterable<Moment>): string[] => Array.from(life, nameOf)

const nameOf = ({ picked }: Moment): string => (picked === null ? 'nobody' : formatEndpoint(picked))

function expectSame(expected: readonly string[], found: readonly string[], when: string): void {
  const at = expected.findIndex((each, index) => each !== found[index])
  expect(at === -1, () => `pick ${at + 1} was ${expected[at]}, but ${found[at]} ${when}`)
}
