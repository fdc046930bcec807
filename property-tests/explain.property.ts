import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { printExplanation } from '../lib/director/explain-text.ts'
import type { Change, Explanation } from '../lib/director/explanation.ts'
import { type Arrival, HEADROOM_BYTES } from '../lib/director/verdict.ts'
import { type Field, headerFields } from '../lib/wire/fields.ts'
import { readPacket } from '../test/support/packets.ts'
import { type Outcome, outcomeOf, type Stage } from '../test/support/stage.ts'
import {
  change,
  makeStage,
  type PacketStep,
  packetsOf,
  type SentPacket,
  type Setting,
  type Step,
  setting,
  story,
} from './arbitraries/traffic.ts'

function arrivalOf(
  { bytes: packet, hook }: SentPacket,
  { flow, offload }: PacketStep,
  nowMs: number,
): Arrival {
  const bytes = new Uint8Array(HEADROOM_BYTES + packet.length)
  bytes.set(packet, HEADROOM_BYTES)
  return { bytes, start: HEADROOM_BYTES, end: bytes.length, hook, mark: flow.mark, offload, nowMs }
}

const processed = ({ director }: Stage, arrival: Arrival): Outcome =>
  outcomeOf(director, director.process(arrival))

const scene = (): fc.Arbitrary<[Setting, Step[]]> =>
  setting().chain((setting) => fc.tuple(fc.constant(setting), story(setting)))

/** Goes through the story on a stage; `each` is told of every packet before it is processed, and gives the outcome. */
function live(
  stage: Stage,
  setting: Setting,
  steps: readonly Step[],
  each: (packet: SentPacket, step: PacketStep) => Outcome,
): void {
  let last: Uint8Array | null = null
  for (const step of steps) {
    if (step.kind !== 'packet') change(stage, setting, step)
    else {
      for (const packet of packetsOf(step, last)) {
        const { out, kind } = each(packet, step)
        if (kind === 'rewrite') last = out
      }
    }
  }
}

/** All that a director counts and remembers, as far as it can be seen. */
const everythingOf = ({ director, connections }: Stage): unknown => ({
  connections: connections.map((each) => JSON.stringify(each)),
  totals: director.totals.current(),
  dropped: director.dropped.toObject(),
  passed: director.passed.toObject(),
  knobs: { ...director.knobs },
  services: [...director.services].map(({ counters, pool }) => ({
    counts: counters.current(),
    pool: pool.map((each) => [
      `${each.address}`,
      each.active,
      each.inactive,
      each.persistent,
      each.isOverloaded,
      each.path?.mtuBytes,
    ]),
  })),
})

/** What the explanation says of the packet is what the outcome shows. */
function expectTrue(explanation: Explanation, packet: Uint8Array, outcome: Outcome): void {
  const { verdict, scheduling, sent } = explanation
  const text = printExplanation(explanation)
  if (!verdict.isCertain) {
    const possible = scheduling?.candidates.filter(({ chance }) => chance! > 0) ?? []
    if (outcome.destination !== null && scheduling !== null)
      expect(
        possible.map(({ destination }) => hostOf(destination)),
        text,
      ).toContain(hostOf(outcome.destination))
    return
  }
  expect({ kind: verdict.kind, reason: verdict.reason, destination: verdict.destination }, text).toEqual({
    kind: outcome.kind,
    reason: outcome.reason,
    destination: outcome.destination,
  })
  expect(verdict.answer?.isSent ?? false, text).toBe(outcome.answer !== null)
  if (outcome.out.length === 0) {
    expect(sent, text).toBeNull()
    return
  }
  expect(sent?.lengthBytes, text).toBe(outcome.out.length)
  if (explanation.packet.fragment !== null) return
  expectChanges(sent!.changes, packet, outcome, text)
}

const hostOf = (endpoint: string): string => endpoint.replace(/:\d+$/, '')

function expectChanges(
  changes: readonly Change[],
  packet: Uint8Array,
  { out, kind, destination }: Outcome,
  text: string,
): void {
  const before = headerFields(readPacket(packet))
  const isTunnelled = kind === 'send' && destination !== null
  const shown = isTunnelled ? out.subarray(out.length - readPacket(packet).totalBytes) : out
  expect(applied(before, changes), text).toEqual(new Map(headerFields(readPacket(shown))))
  if (!isTunnelled) return
  const outer = headerFields(readPacket(out)).filter(([name]) => name !== 'payload')
  for (const [name, value] of outer)
    expect(changes, text).toContainEqual({ field: `outer.${name}`, from: null, to: value })
}

function applied(fields: readonly Field[], changes: readonly Change[]): ReadonlyMap<string, unknown> {
  const result = new Map<string, unknown>(fields)
  for (const { field, from, to } of changes) {
    if (field.startsWith('outer.')) continue
    expect(result.get(field) ?? null).toBe(from)
    if (to === null) result.delete(field)
    else result.set(field, to)
  }
  return result
}

describe('Director.explain', () => {
  it('foretells the verdict, the destination, the answer and every changed field, and changes nothing itself', () => {
    fc.assert(
      fc.property(scene(), fc.integer({ min: 1, max: 2 }), ([setting, steps], times) => {
        const looked = makeStage(setting)
        const unlooked = makeStage(setting)
        const outcomes: Outcome[] = []
        live(looked, setting, steps, (packet, step) => {
          const arrival = arrivalOf(packet, step, looked.nowMs)
          const untouched = { ...arrival, bytes: arrival.bytes.slice() }
          let explanation: Explanation | null = null
          for (let call = 0; call < times; call++) explanation = looked.director.explain(arrival)
          expect(arrival).toEqual(untouched)
          const outcome = processed(looked, arrival)
          expectTrue(explanation!, packet.bytes, outcome)
          outcomes.push(outcome)
          return outcome
        })
        let at = 0
        live(unlooked, setting, steps, (packet, step) => {
          const outcome = processed(unlooked, arrivalOf(packet, step, unlooked.nowMs))
          expect(outcome).toEqual(outcomes[at++])
          return outcome
        })
        expect(everythingOf(looked)).toEqual(everythingOf(unlooked))
      }),
      { numRuns: 100 },
    )
  })

  it('answers plain values, and text without a hole in it', () => {
    fc.assert(
      fc.property(scene(), ([setting, steps]) => {
        const stage = makeStage(setting)
        live(stage, setting, steps, (packet, step) => {
          const arrival = arrivalOf(packet, step, stage.nowMs)
          const explanation = stage.director.explain(arrival)
          expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation)
          expect(printExplanation(explanation)).not.toMatch(/undefined|NaN|\[object/)
          return processed(stage, arrival)
        })
      }),
      { numRuns: 30 },
    )
  })

  it('leaves the last verdict and its answer as they are', () => {
    fc.assert(
      fc.property(scene(), ([setting, steps]) => {
        const stage = makeStage(setting)
        live(stage, setting, steps, (packet, step) => {
          const arrival = arrivalOf(packet, step, stage.nowMs)
          const verdict = stage.director.process(arrival)
          const outcome = outcomeOf(stage.director, verdict)
          stage.director.explain(arrivalOf(packet, step, stage.nowMs))
          expect(outcomeOf(stage.director, verdict)).toEqual(outcome)
          return outcome
        })
      }),
      { numRuns: 30 },
    )
  })
})

describe('the traffic that explanations are held to', () => {
  it('comes to every part of an explanation, and to every end that a packet can come to', () => {
    const seen = new Map<string, number>()
    const see = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
    for (const [setting_, steps] of fc.sample(scene(), { numRuns: 300, seed: 1 })) {
      const stage = makeStage(setting_)
      live(stage, setting_, steps, (packet, step) => {
        const arrival = arrivalOf(packet, step, stage.nowMs)
        const { verdict, connection, template, service, ...others } = stage.director.explain(arrival)
        see(`${verdict.kind} ${verdict.reason}`)
        see(`service ${service?.found}`)
        see(`connection ${connection?.passedOver}`)
        see(`template ${template?.passedOver}`)
        see(`certain ${verdict.isCertain}`)
        see(`fragment ${others.packet.fragment}`)
        if (verdict.answer) see(`answer ${verdict.answer.kind} ${verdict.answer.isSent}`)
        for (const [name, part] of Object.entries(others)) if (part !== null) see(name)
        for (const { passedOver } of others.scheduling?.candidates ?? []) see(`candidate ${passedOver}`)
        see(`method ${others.forwarding?.method}`)
        return processed(stage, arrival)
      })
    }
    const missing = MUST_BE_SEEN.filter((what) => !seen.has(what))
    expect(missing, `seen: ${[...seen.keys()].sort().join(', ')}`).toEqual([])
  })
})

/** Without which the properties above would hold of too little. */
const MUST_BE_SEEN = [
  ...['accept no-connection', 'accept no-service', 'accept not-a-connection-start', 'absorb ', 'direct '],
  ...['drop connection-table-full', 'drop drop-packet', 'drop hop-limit-exceeded', 'drop icmp-checksum'],
  ...['drop no-destination', 'drop no-engine-data', 'drop no-path', 'drop too-big', 'drop unanswerable'],
  ...['rewrite ', 'send ', 'certain false', 'certain true', 'fragment completes', 'fragment waits'],
  ...['answer hostUnreachable true', 'answer packetTooBig true', 'answer portUnreachable true'],
  ...['connection destination-removed', 'connection null', 'connection reused', 'template null'],
  ...['method bypass', 'method gatewaying', 'method ipip', 'method masquerading'],
  ...['service any-port', 'service connection', 'service exact', 'service ftp', 'service mark'],
  ...['candidate quiesced', 'candidate overloaded', 'candidate other-slot', 'candidate not-kept'],
  ...['dropping', 'opened', 'scheduling', 'forwarding', 'sent'],
]
