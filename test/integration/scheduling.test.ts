/** Whom connections go to: the schedulers' promises, and what changes of a service do to connections that live. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { endpoint, NETS, type RealServer, VIP, type VipKind } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Conversation } from '../support/lab/traffic.ts'
import type { Web } from '../support/lab/web.ts'
import { VirtualService, type VirtualServiceOptions } from '../support/virtual-service.ts'
import type { Family } from '../support/ways.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const SERVERS = ['rs1', 'rs2', 'rs3'] as const
const WEB_PORT = 80
const TALK_PORT = 7
const ECHO_PORT = 53
const EQUAL = { rs1: {}, rs2: {}, rs3: {} }
const THREE_TWO_ONE = { rs1: { weight: 3 }, rs2: { weight: 2 }, rs3: { weight: 1 } }

describe.skipIf(obstacle !== null)('connections', () => {
  let lab: Lab
  let control: ControlClient
  const webs = new Map<RealServer, Web>()
  let lastPort = 8000
  /** Up to 99: the next is a VIP. */
  let lastClient = 19

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'sched' })
    await Promise.all(
      SERVERS.flatMap((server) => [
        lab.web(server, { port: WEB_PORT }).then((web) => webs.set(server, web)),
        lab.tcpEcho(server, TALK_PORT),
        lab.udpEcho(server, ECHO_PORT),
      ]),
    )
    await Promise.all(SERVERS.map((server) => lab.decapsulate(server)))
    control = new ControlClient((await lab.uipvs()).socketPath)
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  describe('go where the scheduler says:', () => {
    it.each(['v4', 'v6'] as const)('wrr by weight, exactly, over IP%s', async (family) => {
      const service = await web('wrr', THREE_TWO_ONE, { family })
      expect(await load(service, 120)).toEqual({ rs1: 60, rs2: 40, rs3: 20 })
      await service.edit('rs1', { weight: 1 })
      await service.edit('rs2', { weight: 1 })
      expect(await load(service, 120)).toEqual({ rs1: 40, rs2: 40, rs3: 40 })
    })

    it('rr in turn, whatever the weights', async () => {
      expect(await load(await web('rr', THREE_TWO_ONE), 120)).toEqual({ rs1: 40, rs2: 40, rs3: 40 })
    })

    it('lc where the fewest are, and those that became idle count for little', async () => {
      const service = await talk('lc', EQUAL)
      const held = await hold(service, 9)
      expect(countsOf(held)).toEqual({ rs1: 3, rs2: 3, rs3: 3 })
      for (const { conversation } of held.filter(({ server }) => server === 'rs2')) await conversation.close()
      await settled(service, 'rs2', { activeConnections: 0, inactiveConnections: 3 })
      const more = await hold(service, 3)
      expect(countsOf(more)).toEqual({ rs2: 3 })
      await release([...held, ...more])
    })

    it('wlc in proportion to the weights', async () => {
      const service = await talk('wlc', THREE_TWO_ONE)
      const held = await hold(service, 12)
      expect(countsOf(held)).toEqual({ rs1: 6, rs2: 4, rs3: 2 })
      await release(held)
      // One after the other, what counts is how many there were; the one before may or may not be over yet.
      const counts = await load(await web('wlc', THREE_TWO_ONE), 120, 1)
      for (const [server, share] of [
        ['rs1', 60],
        ['rs2', 40],
        ['rs3', 20],
      ] as const) {
        expect(counts[server]).toBeGreaterThanOrEqual(share - 2)
        expect(counts[server]).toBeLessThanOrEqual(share + 2)
      }
    })

    it('sh keeps a client on one real server, and clients apart', async () => {
      const service = await web('sh', EQUAL)
      const used = new Set<string>()
      for (let clients = 0; clients < 12; clients++) {
        const from = await freshClient('v4')
        const { byBody, failed } = await lab.requests('client', service.url, { count: 10, from })
        expect({ from, servers: byBody.size, failed }).toEqual({ from, servers: 1, failed: 0 })
        for (const server of byBody.keys()) used.add(server)
      }
      expect(used.size).toBe(3)
    })

    it('datagrams with the same endpoints stay together, those of others are scheduled', async () => {
      const service = await datagrams('rr', EQUAL)
      const [address, port] = [VIP.routed.v4, lastPort]
      const ask = (fromPort: number) =>
        lab
          .udpRequest('client', { address, port, text: 'who?', fromPort })
          .then((answer) => answer?.split(':')[0])
      const first = [await ask(4001), await ask(4002), await ask(4003)]
      expect([...first].sort()).toEqual([...SERVERS])
      expect([await ask(4001), await ask(4002), await ask(4003)]).toEqual(first)
      await service.delete()
    })

    it('a client that uses its port again is scheduled again', async () => {
      const service = await web('rr', EQUAL)
      const servers: string[] = []
      for (let time = 0; time < 3; time++) {
        // nginx closes first, so that the client's port is free again at once.
        const target = `TCP4:${service.endpoint},sourceport=4100`
        const input = 'GET / HTTP/1.0\r\n\r\n'
        const { stdout } = await lab.exec('client', ['socat', '-t', '3', 'STDIO,ignoreeof', target], {
          input,
        })
        servers.push(stdout.trim().split('\n').at(-1) as string)
      }
      expect(servers.sort()).toEqual([...SERVERS])
    })

    it('by firewall mark, several ports are one service', async () => {
      const ports = [9001, 9002]
      const mark = ['--set-mark', '5']
      for (const [command, address] of [
        ['iptables', VIP.routed.v4],
        ['ip6tables', VIP.routed.v6],
      ] as const) {
        const match = ['-d', address, '-p', 'tcp', '-m', 'multiport', '--dports', ports.join()]
        const rule = [...match, '-j', 'MARK', ...mark]
        await lab.exec('director', [command, '-t', 'mangle', '-I', 'PREROUTING', ...rule])
      }
      for (const family of ['v4', 'v6'] as const) {
        const identity = { fwmark: 5, family: family === 'v4' ? 'ipv4' : 'ipv6' } as const
        const options = { identity, scheduler: 'rr', serverPort: WEB_PORT, servers: EQUAL }
        const service = await VirtualService.create(control, options)
        for (const port of ports) {
          const url = `http://${endpoint(VIP.routed[family], port)}/`
          const from = await freshClient(family)
          expect(await lab.requests('client', url, { count: 60, from })).toEqual({
            byBody: equally(20),
            failed: 0,
          })
        }
        const { destinations } = await service.show()
        const bound = destinations.map((each) => each.activeConnections + each.inactiveConnections)
        expect(bound).toEqual([40, 40, 40])
        // Another port has no mark: nobody takes it.
        const unmarked = `http://${endpoint(VIP.routed[family], 9003)}/`
        expect((await lab.curl('client', unmarked, { timeoutMs: 300 })).status).toBe(0)
        await service.delete()
      }
    })
  })

  describe('that live', () => {
    it('go on when their real server is quiesced, while new ones go elsewhere', async () => {
      const service = await talk('rr', { rs1: {}, rs2: {} })
      const held = await hold(service, 2)
      await service.edit('rs1', { weight: 0 })
      const more = await hold(service, 4)
      expect(countsOf(more)).toEqual({ rs2: 4 })
      await stillTalk(held)
      expect(await service.showServer('rs1')).toMatchObject({ weight: 0, activeConnections: 1 })
      await release([...held, ...more])
    })

    it('fall silent when their real server is removed, others do not, and go on when it comes back', async () => {
      const service = await talk('rr', { rs1: {}, rs2: {} })
      const held = await hold(service, 2)
      const [orphan, other] = ['rs1', 'rs2'].map(
        (name) => held.find(({ server }) => server === name)!.conversation,
      )
      const before = (await control.info()).dropped['destination-removed'] ?? 0
      await service.remove('rs1')
      orphan!.write('anybody?\n')
      await dropped('destination-removed', before + 1)
      expect(await other!.ask('and you?')).toBe('rs2:and you?')
      expect(orphan!.isOpen).toBe(true)
      await service.add('rs1')
      // TCP sends again what was lost.
      expect(await orphan!.read('anybody?\n', 10_000)).toBe('rs1:anybody?\n')
      expect(await orphan!.ask('welcome back')).toBe('rs1:welcome back')
      await release(held)
    })

    it('go on when the service is edited, to another scheduler too', async () => {
      const service = await talk('rr', EQUAL)
      const held = await hold(service, 3)
      for (const scheduler of ['wlc', 'sh', 'wrr']) await service.change({ scheduler })
      await stillTalk(held)
      await release(held)
    })

    it('keep their forwarding method when that of the real server is edited', async () => {
      const service = await talk('rr', { rs1: {}, rs2: { method: 'gatewaying' } }, { port: TALK_PORT })
      const held = await hold(service, 2)
      await service.edit('rs1', { method: 'gatewaying' })
      await service.edit('rs2', { method: 'masquerading' })
      const more = await hold(service, 2)
      await stillTalk([...held, ...more])
      await release([...held, ...more])
    })

    it('are answered as from the service, although their real server was removed meanwhile', async () => {
      const service = await talk('rr', { rs1: {} })
      const [held] = await hold(service, 1)
      const strangers = await lab.capture('client', 'front', `src net ${NETS.back.v4}`)
      held!.conversation.write('a question\n')
      // The answer is on its way when the real server is removed, or comes after it: neither may show.
      await service.remove('rs1')
      await service.add('rs1')
      expect(await held!.conversation.read('a question\n', 10_000)).toBe('rs1:a question\n')
      await stillTalk([held!])
      expect(await strangers.stop()).toEqual([])
      await release([held!])
    })

    it('outlive even the service, and go on once it is there again', async () => {
      const service = await talk('rr', EQUAL, { vip: 'local' })
      const held = await hold(service, 3)
      await service.delete()
      for (const { conversation } of held) conversation.write('while it is gone\n')
      // A new one finds nobody, as on a host that was never a director of this service.
      expect((await lab.curl('client', service.url)).exitCode).toBe(7)
      const again = await VirtualService.create(control, service.options)
      for (const { conversation, server } of held) {
        expect(await conversation.read('gone\n', 10_000)).toBe(`${server}:while it is gone\n`)
      }
      await stillTalk(held)
      await release(held)
      await again.delete()
    })
  })

  it('leave no rule behind once the last of a removed service is gone', async () => {
    const before = await control.timeouts()
    await control.setTimeouts({ tcp: 0, tcpFin: 0, udp: 1 })
    const service = await datagrams('rr', EQUAL)
    const port = lastPort
    const rules = async () => (await lab.exec('director', ['iptables-save'])).stdout
    expect(await rules()).toContain(`--dport ${port} `)
    await lab.udpRequest('client', { address: VIP.routed.v4, port, text: 'hello' })
    await service.delete()
    expect(await rules()).toContain(`--dport ${port} `)
    await expect.poll(rules, { timeout: 15_000, interval: 100 }).not.toContain(`--dport ${port} `)
    await control.setTimeouts(before)
    // One that never had a connection goes at once.
    const idle = await datagrams('rr', EQUAL)
    await idle.delete()
    expect(await rules()).not.toContain(`--dport ${lastPort} `)
  })

  it('are refused by a real server whose program died, as without a director, until it is removed', async () => {
    const service = await web('rr', { rs1: {}, rs2: {} })
    await webs.get('rs1')!.stop()
    const codes: number[] = []
    for (let time = 0; time < 4; time++) codes.push((await lab.curl('client', service.url)).exitCode)
    // 7: the client saw the RST, at once.
    expect(codes.sort()).toEqual([0, 0, 7, 7])
    await service.remove('rs1')
    expect(await load(service, 20)).toEqual({ rs2: 20 })
    webs.set('rs1', await lab.web('rs1', { port: WEB_PORT }))
    await service.add('rs1')
    expect(await load(service, 20)).toEqual({ rs1: 10, rs2: 10 })
  })

  it('pass an overloaded real server over, until enough of them are gone', async () => {
    const before = await control.timeouts()
    await control.setTimeouts({ tcp: 0, tcpFin: 0, udp: 2 })
    const service = await datagrams('rr', { rs1: { upperThreshold: 3, lowerThreshold: 2 }, rs2: {} })
    const port = lastPort
    const ask = async (fromPort: number) =>
      (await lab.udpRequest('client', { address: VIP.routed.v4, port, text: '?', fromPort }))?.split(':')[0]
    const ports = Array.from({ length: 8 }, (_, index) => 4200 + index)
    const asked: (string | undefined)[] = []
    for (const fromPort of ports) asked.push(await ask(fromPort))
    expect(asked.filter((server) => server === 'rs1')).toHaveLength(3)
    expect(asked.filter((server) => server === 'rs2')).toHaveLength(5)
    expect(await service.showServer('rs1')).toMatchObject({ overloaded: true, inactiveConnections: 3 })
    // Below the lower threshold once two of the three have expired.
    await settled(service, 'rs1', { overloaded: false })
    expect([await ask(4301), await ask(4302)].sort()).toEqual(['rs1', 'rs2'])
    await control.setTimeouts(before)
  })

  it.each(['masquerading', 'gatewaying', 'ipip'] as const)(
    'find everything in place when real servers are added under load: %s',
    async (method) => {
      // To a VIP of the director itself, which would refuse what it does not forward; and answers that nobody
      // translated would show.
      const service = await web('rr', { rs1: { method } }, { vip: 'local', port: WEB_PORT })
      const strangers = await lab.capture('client', 'front', `src net ${NETS.back.v4}`)
      let isOver = false
      const loading = lab
        .requests('client', service.url, { count: 1500, parallel: 20 })
        .finally(() => (isOver = true))
      await bound(service, 50)
      await service.add('rs2', { method })
      await bound(service, 200)
      await service.add('rs3', { method })
      expect(isOver).toBe(false)
      const { byBody, failed } = await loading
      expect(failed).toBe(0)
      expect(byBody.size).toBe(3)
      expect(await strangers.stop()).toEqual([])
      await service.delete()
    },
  )

  it('never fail while the service is changed again and again', async () => {
    const service = await web('wrr', EQUAL)
    let isOver = false
    const loading = lab
      .requests('client', service.url, { count: 2000, parallel: 20 })
      .finally(() => (isOver = true))
    let changes = 0
    while (!isOver) {
      for (const scheduler of ['wlc', 'rr', 'sh', 'wrr']) await service.change({ scheduler })
      for (const weight of [1, 2, 3]) await service.edit('rs1', { weight })
      // A real server that got no connection can go.
      await service.edit('rs3', { weight: 0 })
      const other = await web('rr', EQUAL)
      await service.edit('rs3', { weight: 1 })
      await other.delete()
      changes++
    }
    const { byBody, failed } = await loading
    expect(failed).toBe(0)
    expect(byBody.size).toBe(3)
    expect(changes).toBeGreaterThan(2)
  })

  type Servers = VirtualServiceOptions['servers']

  interface Place {
    readonly family?: Family
    readonly vip?: VipKind
    /** Default one of its own. */
    readonly port?: number
  }

  const serviceOf =
    (protocol: 'tcp' | 'udp', serverPort: number) =>
    (scheduler: string, servers: Servers, place: Place = {}): Promise<VirtualService> => {
      const { family = 'v4', vip = 'routed', port = ++lastPort } = place
      const identity = { protocol, address: VIP[vip][family], port }
      return VirtualService.create(control, { identity, scheduler, serverPort, ...(servers && { servers }) })
    }
  /** A service of the kind on a port of its own, which is then `lastPort`. */
  const web = serviceOf('tcp', WEB_PORT)
  const talk = serviceOf('tcp', TALK_PORT)
  const datagrams = serviceOf('udp', ECHO_PORT)

  /** Requests of which none may fail, counted by the real server that answered. */
  async function load(
    service: VirtualService,
    count: number,
    parallel = 10,
  ): Promise<Record<string, number>> {
    const from = await freshClient(service.url.includes('[') ? 'v6' : 'v4')
    const { byBody, failed } = await lab.requests('client', service.url, { count, parallel, from })
    expect(failed).toBe(0)
    return Object.fromEntries(byBody)
  }

  /**
   * An address that no connection had before. Services share real servers here: two connections of one client port to
   * the same real server would quarrel, as with any masquerading, and one be tried and scheduled again.
   */
  async function freshClient(family: Family): Promise<string> {
    const address = family === 'v4' ? `10.77.0.${++lastClient}` : `fd77::c:${(++lastClient).toString(16)}`
    const options = family === 'v4' ? [`${address}/24`] : [`${address}/64`, 'nodad']
    await lab.exec('client', ['ip', 'address', 'add', ...options, 'dev', 'front'])
    return address
  }

  interface Held {
    readonly server: string
    readonly conversation: Conversation
  }

  /** Connections that stay open, one after the other. */
  async function hold(service: VirtualService, count: number): Promise<Held[]> {
    const held: Held[] = []
    for (let index = 0; index < count; index++) {
      const [, address = '', port = ''] = /^(.*):(\d+)$/.exec(service.endpoint) ?? []
      const conversation = await lab.connect('client', address, Number(port))
      const server = (await conversation.ask('hello')).split(':')[0] as string
      held.push({ server, conversation })
    }
    return held
  }

  async function stillTalk(held: readonly Held[]): Promise<void> {
    for (const { conversation, server } of held) {
      expect(await conversation.ask('still there?')).toBe(`${server}:still there?`)
    }
  }

  const release = (held: readonly Held[]) => Promise.all(held.map(({ conversation }) => conversation.close()))

  /** Waits until the control socket tells of a real server what is expected. */
  async function settled(service: VirtualService, server: RealServer, expected: object): Promise<void> {
    await expect
      .poll(() => service.showServer(server), { timeout: 10_000, interval: 50 })
      .toMatchObject(expected)
  }

  /** Waits until so many connections are bound to the service's real servers. */
  async function bound(service: VirtualService, atLeast: number): Promise<void> {
    const count = async () =>
      (await service.show()).destinations.reduce(
        (sum, each) => sum + each.activeConnections + each.inactiveConnections,
        0,
      )
    await expect.poll(count, { timeout: 5000, interval: 5 }).toBeGreaterThanOrEqual(atLeast)
  }

  async function dropped(reason: string, atLeast: number): Promise<void> {
    const count = async () => (await control.info()).dropped[reason] ?? 0
    await expect.poll(count, { timeout: 5000, interval: 20 }).toBeGreaterThanOrEqual(atLeast)
  }
})

const countsOf = (held: readonly { readonly server: string }[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { server } of held) counts[server] = (counts[server] ?? 0) + 1
  return counts
}

const equally = (count: number): Map<string, number> => new Map(SERVERS.map((server) => [server, count]))
