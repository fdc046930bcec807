/** What must be so of the director's tables at every moment, and at the end of all time. */

import { NONE, RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'
import type { Counts } from '../../lib/service/counters.ts'
import type { Destination } from '../../lib/service/destination.ts'
import { must } from '../target.ts'
import type { World } from './world.ts'

const boundTo = ({ active, inactive, persistent }: Destination): number => active + inactive + persistent

/** The table keeps its bound, and destinations count exactly what it holds. */
export function expectBalance({ director, destinations }: World): void {
  const { connections } = director
  must(
    connections.size <= connections.limit,
    () => `${connections.size} connections, limit ${connections.limit}`,
  )
  let bound = 0
  for (const each of destinations) {
    const counts = [each.active, each.inactive, each.persistent]
    must(
      counts.every((count) => count >= 0),
      () => `${each.address}:${each.port} counts ${counts}`,
    )
    bound += boundTo(each)
  }
  must(
    bound === connections.size,
    () => `destinations count ${bound} connections, the table has ${connections.size}`,
  )
  const found = new Map<number, number>()
  const controlled = new Map<number, number>()
  for (const record of connections.records()) {
    const id = connections.words[record * RECORD_WORDS + WORD.destinationId]!
    found.set(id, (found.get(id) ?? 0) + 1)
    const controller = connections.words[record * RECORD_WORDS + WORD.controller]!
    if (controller !== NONE) controlled.set(controller, (controlled.get(controller) ?? 0) + 1)
  }
  // Those that have ended but are not collected yet are bound and in no listing.
  for (const each of destinations) {
    // A forgotten destination's number is given to another.
    if (director.services.destination(each.id) !== each) continue
    must(
      (found.get(each.id) ?? 0) <= boundTo(each),
      () => `more connections to ${each.address} than it counts`,
    )
  }
  for (const [controller, count] of controlled) {
    const counted = connections.words[controller * RECORD_WORDS + WORD.controlled]!
    must(count <= counted, () => `record ${controller} controls ${count}, and counts ${counted}`)
  }
}

const KINDS = [
  'connections',
  'inPackets',
  'outPackets',
  'inBytes',
  'outBytes',
] as const satisfies (keyof Counts)[]

/** What was counted for all is what was counted for each. */
export function expectSums({ director, destinations }: World): void {
  const total = director.totals.current()
  const each = [...destinations].map(({ counters }) => counters.current())
  for (const kind of KINDS) {
    const sum = each.reduce((before, counts) => before + counts[kind], 0)
    must(sum === total[kind], () => `destinations counted ${sum} ${kind}, the director ${total[kind]}`)
  }
}

/** Longer than TCP's longest timeout, 15 minutes; and what puts off the end of what controls others. */
const LONGEST_MS = 1_000_000
const POSTPONED_MS = 100_000

/** In time everything is forgotten. */
export function expectEmptyInTheEnd({ director, destinations }: World, nowMs: number): void {
  const later = nowMs + LONGEST_MS
  for (const at of [later, later + POSTPONED_MS, later + 2 * POSTPONED_MS]) {
    for (let calls = 0; !director.passTime(at, 64); calls++)
      must(calls < 10_000, 'passing time comes to an end')
  }
  must(director.connections.size === 0, () => `${director.connections.size} connections are there for ever`)
  for (const each of destinations)
    must(boundTo(each) === 0, () => `${each.address} counts ${boundTo(each)} for ever`)
}
