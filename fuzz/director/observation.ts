/** One packet through a director, seen from outside: what lay where before, and what came of it. */

import type { Director } from '../../lib/director/director.ts'
import type { Explanation } from '../../lib/director/explanation.ts'
import { type Arrival, HEADROOM_BYTES, type Verdict } from '../../lib/director/verdict.ts'

/** How packets are laid into memory. Two runs of a case differ in nothing else, so nothing else may come of it. */
export interface Placement {
  /** What fills the memory around. */
  readonly garbage: number
  /** Octets behind the packet that are not its own. */
  readonly behindBytes: number
  /** Whether every packet has all the room before it that there can be. */
  readonly hasHeadroom: boolean
  /** Whether the director is told of each packet, and asked about it, before it comes. */
  readonly looksFirst: boolean
}

export const PLACEMENTS = {
  roomy: { garbage: 0xa5, behindBytes: 40, hasHeadroom: true, looksFirst: false },
  /** The packet ends where the memory does: what is read beyond is no number. */
  tight: { garbage: 0x5a, behindBytes: 0, hasHeadroom: false, looksFirst: true },
} as const satisfies Record<string, Placement>

/** Before the headroom, where nobody may write. */
const GUARD_BYTES = 32

export interface Observation {
  /** The packet as it came. */
  readonly before: Uint8Array
  readonly arrival: Arrival
  /** All the memory there was, guards included, as it is now. */
  readonly memory: Uint8Array
  /** Where in it the packet and its headroom began. */
  readonly firstWritable: number
  readonly garbage: number
  readonly verdict: Verdict
  /** What was foretold; null where nobody was asked. */
  readonly explanation: Explanation | null
  readonly director: Director
  /** The reasons counted for this packet: of passes and drops, each as often as it was counted. */
  readonly counted: readonly string[]
  /** What goes on; nothing of a packet that was dropped or let pass. */
  readonly out: Uint8Array
  /** The ICMP error, or nothing. */
  readonly answer: Uint8Array
}

export interface Arriving {
  readonly packet: Uint8Array
  readonly hook: Arrival['hook']
  readonly mark: number
  readonly offload: Arrival['offload']
  readonly headroomBytes: number
  readonly nowMs: number
  /** Whether the director is asked what would become of it, where it is asked at all: that takes long. */
  readonly isAsked: boolean
}

export function observe(director: Director, arriving: Arriving, placement: Placement): Observation {
  const { packet, hook, mark, offload, nowMs } = arriving
  const headroomBytes = placement.hasHeadroom ? HEADROOM_BYTES : arriving.headroomBytes
  const firstWritable = headroomBytes === HEADROOM_BYTES ? GUARD_BYTES : 0
  const start = firstWritable + headroomBytes
  const end = start + packet.length
  const memory = new Uint8Array(end + placement.behindBytes).fill(placement.garbage)
  memory.set(packet, start)
  const arrival = { bytes: memory, start, end, hook, mark, offload, nowMs }
  // What only looks must change nothing: the other placement does without.
  if (placement.looksFirst) {
    director.expect(memory, start, hook)
    director.fetchExpected()
  }
  const explanation = placement.looksFirst && arriving.isAsked ? director.explain(arrival) : null
  const before = countsOf(director)
  const verdict = { ...director.process(arrival) }
  const goesOn = GOING_ON.includes(verdict.kind)
  return {
    before: packet,
    arrival,
    memory,
    firstWritable,
    garbage: placement.garbage,
    verdict,
    explanation,
    director,
    counted: difference(before, countsOf(director)),
    out: goesOn ? verdict.bytes.slice(verdict.start, verdict.end) : new Uint8Array(0),
    answer: director.answer.slice(0, verdict.answerBytes),
  }
}

const GOING_ON: readonly Verdict['kind'][] = ['rewrite', 'direct', 'send']

type Counts = readonly (readonly [what: string, count: number])[]

const countsOf = ({ passed, dropped }: Director): Counts => [
  ...Object.entries(passed.toObject()).map(([reason, count]) => [`pass ${reason}`, count] as const),
  ...Object.entries(dropped.toObject()).map(([reason, count]) => [`drop ${reason}`, count] as const),
]

const difference = (before: Counts, after: Counts): string[] => {
  const was = new Map(before)
  return after.flatMap(([what, count]) => new Array<string>(count - (was.get(what) ?? 0)).fill(what))
}
