/** Real servers on the director itself: reached through the service, beside others, under the service's name. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DIRECTOR, endpoint, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

describe.skipIf(obstacle !== null)('a real server on the director', () => {
  let lab: Lab
  let uipvs: Uipvs

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'local' })
    await lab.web('director', { port: 8080 })
    await lab.web('rs1', { port: 8080 })
    uipvs = await lab.uipvs()
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(['v4', 'v6'] as const)('takes its turn by masquerading: IP%s', async (family) => {
    for (const vip of [VIP.routed[family], VIP.local[family]]) {
      const service = endpoint(vip, 80)
      await uipvs.adm(['-A', '-t', service, '-s', 'rr'])
      for (const address of [DIRECTOR.back[family], realServerAddresses('rs1').back[family]])
        await uipvs.adm(['-a', '-t', service, '-r', endpoint(address, 8080), '-m'])
      const load = await lab.requests('client', `http://${service}/`, { count: 10 })
      expect(load.failed).toBe(0)
      expect(Object.fromEntries(load.byBody)).toEqual({ director: 5, rs1: 5 })
    }
  })

  it('is the host’s own again when the service goes', async () => {
    await uipvs.adm(['-C'])
    const own = await lab.curl('client', `http://${endpoint(VIP.local.v4, 8080)}/`)
    expect(own).toMatchObject({ status: 200, body: 'director\n' })
  })

  it('gets what is addressed to it by gatewaying, without a change', async () => {
    const service = endpoint(VIP.local.v4, 8080)
    await uipvs.adm(['-A', '-t', service, '-s', 'rr'])
    await uipvs.adm(['-a', '-t', service, '-r', endpoint(DIRECTOR.back.v4, 8080), '-g'])
    const answer = await lab.curl('client', `http://${service}/`)
    expect(answer).toMatchObject({ status: 200, body: 'director\n' })
    expect((await uipvs.adm(['-Lnc'])).stdout).toContain(service)
  })
})
