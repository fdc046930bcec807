import { describe, expect, it } from 'vitest'
import { printPacket } from '../../lib/wire/print.ts'
import { toHex } from '../support/packets.ts'
import { type Outcome, Stage } from '../support/stage.ts'
import { type ExpectedVerdict, FORWARDING_CASES, type Given } from './forwarding.cases.ts'

function stageWith(given: readonly Given[]): Stage {
  const stage = new Stage()
  for (const { service, to, ...spec } of given) {
    stage.service(service)
    if (to !== undefined) stage.destination(service, to, spec)
  }
  return stage
}

/** As text that a failing test is readable by. */
const shown = (bytes: Uint8Array): string =>
  bytes.length === 0 ? '' : `${printPacket(bytes)} ${toHex(bytes)}`

function expectOutcome(outcome: Outcome, verdict: ExpectedVerdict, where: string): void {
  expect(outcome.kind, where).toBe(verdict.kind)
  expect(shown(outcome.out), where).toBe('out' in verdict ? shown(verdict.out) : '')
  expect(outcome.reason, where).toBe('reason' in verdict ? verdict.reason : '')
  expect(outcome.destination, where).toBe('destination' in verdict ? verdict.destination : null)
  expect(outcome.answer, where).toEqual(verdict.kind === 'drop' ? verdict.answer : null)
}

describe('the director', () => {
  it.each(FORWARDING_CASES.map((each) => [each.name, each] as const))('%s', (_name, { given, when }) => {
    const stage = stageWith(given)
    for (const [index, { from, packet, verdict, ...sending }] of when.entries()) {
      const outcome = from === 'client' ? stage.inbound(packet, sending) : stage.outbound(packet, sending)
      expectOutcome(outcome, verdict, `packet ${index}: ${printPacket(packet)}`)
    }
  })

  it('has no two cases of one name', () => {
    const names = FORWARDING_CASES.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})
