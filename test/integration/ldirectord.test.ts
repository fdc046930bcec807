/** ldirectord, as it is, with uipvsadm for its ipvsadm: real servers that fail their check leave, and come back. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { type Ldirectord, startLdirectord } from '../support/lab/ldirectord.ts'
import { isInstalled, labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'
import type { Web } from '../support/lab/web.ts'

const obstacle =
  labObstacle() ??
  (isInstalled('ldirectord') ? null : 'missing programs: ldirectord; on Debian: apt-get install ldirectord')
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const VIRTUAL = `${VIP.local.v4}:80`
const [RS1, RS2, RS3] = (['rs1', 'rs2', 'rs3'] as const).map(
  (server) => `${realServerAddresses(server).back.v4}:80`,
) as [string, string, string]

/** Room for a check, what it leads to, and a slow machine. */
const SOON = { timeout: 60_000, interval: 250 }

const settings = (quiescent: 'yes' | 'no', fallback: string) => `
checktimeout = 10
negotiatetimeout = 10
checkinterval = 1
autoreload = no
supervised = yes
quiescent = ${quiescent}
virtual = ${VIRTUAL}
        real = ${RS1} masq 3
        real = ${RS2} masq 1
        fallback = ${fallback}
        service = http
        scheduler = wrr
        protocol = tcp
        checktype = negotiate
        request = "/"
        receive = "rs"
`

describe.skipIf(obstacle !== null)('ldirectord', { timeout: 240_000 }, () => {
  let lab: Lab
  let uipvs: Uipvs
  let ldirectord: Ldirectord
  let control: ControlClient
  const webs = new Map<string, Web>()

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'ldirectord', vips: ['local'] })
    await lab.web('rs3', { body: 'sorry elsewhere\n' })
    await lab.web('director', { body: 'sorry here\n' })
    uipvs = await lab.uipvs()
    control = new ControlClient(uipvs.socketPath)
  }, 60_000)

  beforeEach(async () => {
    for (const server of ['rs1', 'rs2'] as const)
      if (!webs.get(server)?.program.isRunning) await recover(server)
  })

  afterEach(async () => {
    await ldirectord?.stop()
    await control?.flush()
  }, 60_000)

  afterAll(async () => {
    await lab?.destroy()
  })

  it('with quiescent = yes sets the weight of a server that fails to 0, and back when it answers again', async () => {
    ldirectord = await startLdirectord(lab, uipvs, settings('yes', `${RS3} masq`))
    await expect.poll(pool, SOON).toEqual([`${RS1} 3`, `${RS2} 1`])
    expect(await servers(8)).toEqual({ rs1: 6, rs2: 2 })

    await fail('rs1')
    await expect.poll(pool, SOON).toEqual([`${RS1} 0`, `${RS2} 1`])
    expect(await servers(4)).toEqual({ rs2: 4 })

    await recover('rs1')
    await expect.poll(pool, SOON).toEqual([`${RS1} 3`, `${RS2} 1`])
    expect(await servers(8)).toEqual({ rs1: 6, rs2: 2 })
  })

  it('with quiescent = no takes a server that fails away, and brings it back', async () => {
    ldirectord = await startLdirectord(lab, uipvs, settings('no', `${RS3} masq`))
    await expect.poll(pool, SOON).toEqual([`${RS1} 3`, `${RS2} 1`])
    await fail('rs2')
    await expect.poll(pool, SOON).toEqual([`${RS1} 3`])
    expect(await servers(4)).toEqual({ rs1: 4 })
    await recover('rs2')
    await expect.poll(pool, SOON).toEqual([`${RS1} 3`, `${RS2} 1`])
    expect(await servers(8)).toEqual({ rs1: 6, rs2: 2 })
  })

  it.each([
    ['a fallback server elsewhere', `${RS3} masq`, `${RS3} 1`, 'sorry elsewhere'],
    ['the director itself as the fallback server', '127.0.0.1:80 gate', '127.0.0.1:80 1', 'sorry here'],
  ])(
    'sends clients to %s while no server answers, and no longer',
    async (_what, fallback, entry, apology) => {
      ldirectord = await startLdirectord(lab, uipvs, settings('no', fallback))
      await expect.poll(pool, SOON).toEqual([`${RS1} 3`, `${RS2} 1`])
      await fail('rs1')
      await fail('rs2')
      await expect.poll(pool, SOON).toEqual([entry])
      expect(await servers(3)).toEqual({ [apology]: 3 })
      await recover('rs1')
      await recover('rs2')
      await expect.poll(pool, SOON).toEqual([`${RS1} 3`, `${RS2} 1`])
      expect(await servers(8)).toEqual({ rs1: 6, rs2: 2 })
    },
  )

  it('takes its service away when it ends', async () => {
    ldirectord = await startLdirectord(lab, uipvs, settings('yes', `${RS3} masq`))
    await expect.poll(pool, SOON).toHaveLength(2)
    await ldirectord.stop()
    expect((await uipvs.adm(['-Sn'])).stdout).toBe('')
  })

  /** Real servers with their weights. */
  async function pool(): Promise<string[]> {
    const services = await control.services()
    return services
      .flatMap(({ destinations }) =>
        destinations.map(({ address, port, weight }) => `${address}:${port} ${weight}`),
      )
      .sort()
  }

  /** Who answers so many requests, and how often. */
  async function servers(count: number): Promise<Record<string, number>> {
    const { byBody, failed } = await lab.requests('client', `http://${VIP.local.v4}/`, { count, parallel: 1 })
    expect(failed).toBe(0)
    return Object.fromEntries(byBody)
  }

  async function fail(server: 'rs1' | 'rs2'): Promise<void> {
    await webs.get(server)?.stop()
  }

  async function recover(server: 'rs1' | 'rs2'): Promise<void> {
    webs.set(server, await lab.web(server))
  }
})
