/** Every scenario on the kernel's IPVS and on uipvs, side by side under one kernel. */

import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { umlObstacle } from '../uml/kit.ts'
import { Uml } from '../uml/uml.ts'
import { disagreements } from './compare.ts'
import { play } from './play.ts'
import { parseScenario } from './scenario.ts'

const FOLDER = new URL('./files/', import.meta.url)
const SCENARIOS = readdirSync(FOLDER).map((name) =>
  parseScenario(readFileSync(new URL(name, FOLDER), 'utf8')),
)

const obstacle = await umlObstacle()
if (obstacle !== null) console.warn(`NOT RUN: ${obstacle}`)

describe.skipIf(obstacle !== null)('the kernel and uipvs agree', () => {
  let uml: Uml
  beforeAll(async () => {
    uml = await Uml.boot({ memoryMib: 768, lifeMs: 3_000_000 })
  })
  afterAll(() => uml?.close())

  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    const kernel = await play(uml, scenario, 'kernel')
    const uipvs = await play(uml, scenario, 'uipvs')
    expect(disagreements(scenario, kernel, uipvs)).toEqual([])
  })
})
