/** The same small suite with every way in and every way out: each pair of drivers must forward as the default one does. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { EGRESS_DRIVERS } from '../../forwarder/egress/index.ts'
import { QUEUE_DRIVERS } from '../../forwarder/queue/index.ts'
import { endpoint } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'
import { randomText, sha256, startSums, upload } from '../support/transfers.ts'
import { listeningWays, portOf, SERVER_OF, serverPortOf, servicesOf, vipOf, WAYS } from '../support/ways.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

/** One VIP of each kind, and tunnels within their family. */
const SOME_WAYS = WAYS.filter(
  ([, { service, server, vip }]) => service === server && vip === (service === 'v4' ? 'local' : 'routed'),
)
const PAIRS = Object.keys(QUEUE_DRIVERS).flatMap((queueDriver) =>
  Object.keys(EGRESS_DRIVERS).map((egressDriver) => [queueDriver, egressDriver] as const),
)

describe.skipIf(obstacle !== null)('packets taken and let go', () => {
  const text = randomText(500_000)
  let lab: Lab

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'drivers' })
    await lab.decapsulate('rs3')
    await Promise.all(
      listeningWays().flatMap((way) => {
        const host = SERVER_OF[way.method]
        return [
          lab.web(host, { port: serverPortOf(way, 'web') }),
          startSums(lab, host, serverPortOf(way, 'sum')),
          lab.udpEcho(host, serverPortOf(way, 'echo')),
        ]
      }),
    )
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  describe.each(PAIRS)('by %s and %s', (queueDriver, egressDriver) => {
    let uipvs: Uipvs
    let before: string

    beforeAll(async () => {
      before = await lab.snapshot('director')
      const services = servicesOf(
        SOME_WAYS.map(([, way]) => way),
        ['web', 'sum', 'echo'],
      )
      uipvs = await lab.uipvs({ config: { queueDriver, egressDriver, services } })
    })

    it.each(SOME_WAYS)('reach the real server and come back: %s', async (_title, way) => {
      const host = SERVER_OF[way.method]
      const url = `http://${endpoint(vipOf(way), portOf(way, 'web'))}/`
      const { byBody, failed } = await lab.requests('client', url, { count: 30 })
      expect({ failed, byBody }).toEqual({ failed: 0, byBody: new Map([[host, 30]]) })
      const sums = { address: vipOf(way), port: portOf(way, 'sum'), content: text }
      expect(await upload(lab, 'client', sums)).toBe(sha256(text))
      const echo = { address: vipOf(way), port: portOf(way, 'echo'), text: 'hello' }
      expect(await lab.udpRequest('client', echo)).toBe(`${host}:hello`)
    })

    it('with nothing lost, and nothing left behind', async () => {
      const { dropped, queues } = await new ControlClient(uipvs.socketPath).info()
      const reasons = Object.entries(dropped).filter(([reason, count]) => count > 0 && reason !== 'too-big')
      expect(reasons).toEqual([])
      for (const queue of queues) expect(queue).toMatchObject({ verdictErrors: 0, overruns: 0, malformed: 0 })
      expect(await uipvs.stop()).toBe(0)
      expect(await lab.snapshot('director')).toBe(before)
    })
  })
})
