/** Every forwarding method, protocol, family and kind of VIP: requests and large transfers by curl, nginx and socat. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { CLIENT, endpoint } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Web } from '../support/lab/web.ts'
import { download, randomText, sha256, startSums, upload } from '../support/transfers.ts'
import {
  listeningWays,
  portOf,
  SERVER_OF,
  serverAddressOf,
  serverPortOf,
  servicesOf,
  vipOf,
  WAYS,
} from '../support/ways.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const MTU_BYTES = 1500
const IP_HEADER_BYTES = { v4: 20, v6: 40 } as const
const UDP_HEADER_BYTES = 8
const TUNNELS = WAYS.filter(([, { method }]) => method === 'ipip')

describe.skipIf(obstacle !== null)('the director forwards', () => {
  const text = randomText(5_000_000)
  const sum = sha256(text)
  let lab: Lab
  let control: ControlClient
  const webs = new Map<number, Web>()

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'fwd' })
    await lab.decapsulate('rs3')
    await Promise.all(
      listeningWays().flatMap((way) => {
        const host = SERVER_OF[way.method]
        return [
          lab
            .web(host, { port: serverPortOf(way, 'web'), body: text })
            .then((web) => webs.set(portOf(way, 'web'), web)),
          startSums(lab, host, serverPortOf(way, 'sum')),
          lab.udpEcho(host, serverPortOf(way, 'echo')),
        ]
      }),
    )
    const services = servicesOf(
      WAYS.map(([, way]) => way),
      ['web', 'sum', 'echo'],
    )
    control = new ControlClient((await lab.uipvs({ config: { services } })).socketPath)
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(WAYS)('5 MB down unharmed: %s', async (_title, way) => {
    const port = portOf(way, 'web')
    expect(await download(lab, 'client', `http://${endpoint(vipOf(way), port)}/`)).toBe(sum)
    const visits = await webs.get(port)?.visits()
    const seenAs = way.method === 'masquerading' ? serverAddressOf(way) : vipOf(way)
    expect(visits?.at(-1)).toMatchObject({ client: CLIENT[way.service], server: seenAs })
  })

  it.each(WAYS)('5 MB up unharmed: %s', async (_title, way) => {
    const to = { address: vipOf(way), port: portOf(way, 'sum') }
    expect(await upload(lab, 'client', { ...to, content: text })).toBe(sum)
  })

  it.each(WAYS)('datagrams of all sizes up to the MTU: %s', async (_title, way) => {
    await forgetPathMtus(lab)
    const host = SERVER_OF[way.method]
    const outerBytes = way.method === 'ipip' ? IP_HEADER_BYTES[way.server] : 0
    // The answer must fit too: it is longer by the name of the server.
    const answerBytes = way.method === 'ipip' ? 0 : `${host}:`.length
    const longest = MTU_BYTES - IP_HEADER_BYTES[way.service] - UDP_HEADER_BYTES - outerBytes - answerBytes
    for (const bytes of [1, 2, 512, longest - 1, longest]) {
      const to = { address: vipOf(way), port: portOf(way, 'echo') }
      const answer = await lab.udpRequest('client', { ...to, text: text.slice(0, bytes) })
      const isWhole = answer === `${host}:${text.slice(0, bytes)}`
      expect({ bytes, isWhole, beginning: answer?.slice(0, 4) }).toEqual({
        bytes,
        isWhole: true,
        beginning: `${host}:`,
      })
    }
  })

  it.each(TUNNELS)(
    'and tells the sender of too long a packet how long it may be: %s',
    async (_title, way) => {
      await forgetPathMtus(lab)
      const before = (await control.info()).dropped['too-big'] ?? 0
      const longest = MTU_BYTES - IP_HEADER_BYTES[way.service] - UDP_HEADER_BYTES
      const target = `UDP${way.service.slice(1)}:${endpoint(vipOf(way), portOf(way, 'echo'))}`
      const options = { input: text.slice(0, longest), mayFail: true }
      const { stderr } = await lab.exec('client', ['socat', '-t', '3', 'STDIO', target], options)
      expect(stderr).toContain('Message too long')
      expect((await control.info()).dropped['too-big']).toBe(before + 1)
      expect(await learnedMtu(lab, vipOf(way))).toBe(MTU_BYTES - IP_HEADER_BYTES[way.server])
    },
  )

  it('without dropping anything else', async () => {
    const { dropped, queues } = await control.info()
    const reasons = Object.entries(dropped).filter(([reason, count]) => count > 0 && reason !== 'too-big')
    expect(reasons).toEqual([])
    for (const queue of queues) expect(queue).toMatchObject({ verdictErrors: 0, overruns: 0, malformed: 0 })
  })
})

describe.skipIf(obstacle !== null)(
  'a director whose way to real servers is narrower than from clients',
  () => {
    const NARROW_MTU_BYTES = 1400
    const text = randomText(1_000_000)
    const sum = sha256(text)
    const ways = WAYS.filter(([, { vip }]) => vip === 'routed')
    let lab: Lab

    beforeAll(async () => {
      lab = await Lab.create({ prefix: 'fwdmtu' })
      await lab.exec('director', ['ip', 'link', 'set', 'back', 'mtu', String(NARROW_MTU_BYTES)])
      await lab.decapsulate('rs3')
      const services = servicesOf(
        ways.map(([, way]) => way),
        ['sum'],
      )
      await Promise.all([
        ...listeningWays().map((way) => startSums(lab, SERVER_OF[way.method], serverPortOf(way, 'sum'))),
        lab.uipvs({ config: { services } }),
      ])
    })

    afterAll(async () => {
      await lab?.destroy()
    })

    it.each(ways)('lets senders find that out: %s', async (_title, way) => {
      await forgetPathMtus(lab)
      const to = { address: vipOf(way), port: portOf(way, 'sum') }
      expect(await upload(lab, 'client', { ...to, content: text })).toBe(sum)
      const outerBytes = way.method === 'ipip' ? IP_HEADER_BYTES[way.server] : 0
      expect(await learnedMtu(lab, vipOf(way))).toBe(NARROW_MTU_BYTES - outerBytes)
    })
  },
)

/** What the client was told of the way to an address; null where nothing. */
async function learnedMtu(lab: Lab, address: string): Promise<number | null> {
  const { stdout } = await lab.exec('client', ['ip', 'route', 'get', address])
  const mtu = / mtu (\d+)/.exec(stdout)?.[1]
  return mtu === undefined ? null : Number(mtu)
}

/** Methods share VIPs here: what a tunnel taught the client would shorten its packets for the others too. */
async function forgetPathMtus(lab: Lab): Promise<void> {
  for (const family of ['-4', '-6']) await lab.exec('client', ['ip', family, 'route', 'flush', 'cache'])
}
