/** The director as a target: a scenario is played twice, and everything is looked at. */

import { formatEndpoint } from '../../lib/service/key.ts'
import { printPacket } from '../../lib/wire/print.ts'
import { fromHex, toHex } from '../../test/support/packets.ts'
import { must, type Tally, type Target } from '../target.ts'
import { expectBalance, expectEmptyInTheEnd, expectSums } from './invariants.ts'
import { type Observation, observe, PLACEMENTS, type Placement } from './observation.ts'
import { judge } from './oracles.ts'
import { type Scenario, type Step, scenarios } from './scenario.ts'
import { type MakeDirector, World } from './world.ts'

export const director: Target<Scenario> = {
  about: 'the director, packet by packet, among services of every kind',
  share: 6,
  cases: scenarios,
  check: (scenario, tally) => checkScenario(scenario, { tally }),
  describe: ({ services, steps, knobs, ...rest }) => [
    JSON.stringify({ ...rest, knobs }),
    ...services.map((each) => JSON.stringify(each)),
    ...steps.map(describeStep),
  ],
}

/** Plays the scenario on both placements. `make` is for tests that show that flaws are found. */
export function checkScenario(
  scenario: Scenario,
  { make, tally }: { readonly make?: MakeDirector; readonly tally?: Tally | undefined } = {},
): void {
  const first = play(scenario, PLACEMENTS.roomy, make, tally)
  const second = play(scenario, PLACEMENTS.tight, make)
  for (const [index, line] of first.entries()) {
    must(
      line === second[index],
      () => `what comes of it does not depend on what lies around:\n${line}\n${second[index]}`,
    )
  }
}

/** One step in so many. */
const ASKED_EVERY = 3

/** What came of each step, in a line each. */
function play(scenario: Scenario, placement: Placement, make?: MakeDirector, tally?: Tally): string[] {
  const world = new World(scenario, make)
  const { director } = world
  let nowMs = 0
  const lines: string[] = []
  for (const [index, step] of scenario.steps.entries()) {
    try {
      if (step.kind === 'packet') {
        const seen = observe(
          director,
          { ...step, packet: fromHex(step.hex), nowMs, isAsked: index % ASKED_EVERY === 0 },
          placement,
        )
        tally?.count(seen.verdict.reason || seen.verdict.kind)
        judge(seen)
        lines.push(summary(seen))
      } else if (step.kind === 'pass') {
        nowMs += step.ms
        for (let calls = 0; !director.passTime(nowMs, 8); calls++)
          must(calls < 10_000, 'passing time comes to an end')
      } else change(world, step)
      expectBalance(world)
    } catch (error) {
      throw new Error(`step ${index}, ${describeStep(step)}: ${(error as Error).message}`, { cause: error })
    }
  }
  expectSums(world)
  lines.push(JSON.stringify([director.totals.current(), director.connections.size]))
  expectEmptyInTheEnd(world, nowMs)
  return lines
}

function change(world: World, step: Exclude<Step, { kind: 'packet' | 'pass' }>): void {
  switch (step.kind) {
    case 'knob':
      world.director.knobs[step.name] = step.value
      break
    case 'add-service':
      world.addService(step.service)
      break
    case 'remove-service':
      world.removeService(step.service)
      break
    case 'edit-service':
      world.editService(step.service, step)
      break
    case 'add-server':
      world.addServer(step.service, step.server)
      break
    case 'remove-server':
      world.removeServer(step.service, step.server)
      break
    case 'edit-server':
      world.editServer(step.service, step.server, {
        weight: step.weight,
        upperThreshold: step.upperThreshold,
        lowerThreshold: 0,
      })
      break
  }
}

const summary = ({ verdict: { kind, reason, destination }, out, answer }: Observation): string =>
  `${kind} ${reason} ${destination === null ? '' : formatEndpoint(destination)} ${toHex(out)} ${toHex(answer)}`

function describeStep(step: Step): string {
  if (step.kind !== 'packet') return JSON.stringify(step)
  const { hex, hook, mark, offload } = step
  return `${hook} mark ${mark} offload ${offload}: ${printPacket(fromHex(hex))}`
}
