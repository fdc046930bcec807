/** The laboratory itself, tried with nothing but the kernel: what other integration tests take for granted. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLIENT, DIRECTOR, endpoint, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle, listNamespaces } from '../support/lab/namespaces.ts'
import { ETHER_TYPE, stations } from '../support/lab/pcap.ts'
import { Program, run } from '../support/lab/process.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

describe.skipIf(obstacle !== null)('a laboratory', () => {
  let lab: Lab
  const rs1 = realServerAddresses('rs1')
  const families = ['v4', 'v6'] as const

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'labtest', withoutOffloads: ['client'] })
    await Promise.all(lab.realServers.map((server) => lab.web(server)))
  })

  afterAll(async () => {
    const names = lab.hosts.map((host) => lab.namespace(host))
    await lab.destroy()
    expect((await listNamespaces()).filter((name) => names.includes(name))).toEqual([])
  })

  it.each(families)('lets the client reach a real server through the director over %s', async (family) => {
    const capture = await lab.capture('director', 'front', 'tcp port 80')
    const answer = await lab.curl('client', `http://${endpoint(rs1.back[family], 80)}/`)
    expect(answer).toEqual({ status: 200, body: 'rs1\n', exitCode: 0 })
    // Both directions cross the director: request and answer, each with its SYN.
    const syns = (await capture.stop()).filter(
      ({ packet }) => (packet[family === 'v4' ? 33 : 53]! & 0x02) !== 0,
    )
    expect(syns.map(({ etherType }) => etherType)).toEqual([
      ETHER_TYPE[family === 'v4' ? 'ipv4' : 'ipv6'],
      ETHER_TYPE[family === 'v4' ? 'ipv4' : 'ipv6'],
    ])
  })

  it.each(families)(
    'balances with kernel DNAT over %s, and counts the answers by real server',
    async (family) => {
      const command = family === 'v4' ? 'iptables' : 'ip6tables'
      const to = endpoint(realServerAddresses('rs2').back[family], 80)
      const rule = ['PREROUTING', '-d', VIP.routed[family], '-p', 'tcp', '-j', 'DNAT', '--to-destination', to]
      await lab.exec('director', [command, '-t', 'nat', '-A', ...rule])
      const load = await lab.requests('client', `http://${endpoint(VIP.routed[family], 80)}/`, { count: 20 })
      await lab.exec('director', [command, '-t', 'nat', '-D', ...rule])
      expect(load).toEqual({ byBody: new Map([['rs2', 20]]), failed: 0 })
    },
  )

  it.each(families)(
    'answers for a VIP straight from the real server to the client over %s',
    async (family) => {
      // Gatewaying by hand: the director routes the VIP to a real server.
      const ip = family === 'v4' ? ['ip'] : ['ip', '-6']
      const rs3 = realServerAddresses('rs3')
      await lab.exec('director', [...ip, 'route', 'add', VIP.routed[family], 'via', rs3.back[family]])
      const capture = await lab.capture('client', 'front', 'tcp port 80')
      const answer = await lab.curl('client', `http://${endpoint(VIP.routed[family], 80)}/`)
      const frames = await capture.stop()
      await lab.exec('director', [...ip, 'route', 'del', VIP.routed[family]])
      expect(answer).toMatchObject({ status: 200, body: 'rs3\n' })
      const hardwareOf = async (host: 'client' | 'director' | 'rs3') => {
        const { stdout } = await lab.exec(host, ['cat', '/sys/class/net/front/address'])
        return stdout.trim()
      }
      const [client, director, server] = await Promise.all([
        hardwareOf('client'),
        hardwareOf('director'),
        hardwareOf('rs3'),
      ])
      const links = new Set(
        frames.map((frame) => `${stations(frame).source} > ${stations(frame).destination}`),
      )
      expect(links).toEqual(new Set([`${client} > ${director}`, `${server} > ${client}`]))
    },
  )

  it.each(families)('gives the director a local VIP that no real server claims, over %s', async (family) => {
    // Nobody listens, and a real server would: a refusal comes from the director.
    expect(await lab.curl('client', `http://${endpoint(VIP.local[family], 80)}/`)).toMatchObject({
      exitCode: 7,
    })
    const { stdout } = await lab.exec('client', ['ip', 'neigh', 'show', VIP.local[family]])
    const { stdout: director } = await lab.exec('director', ['cat', '/sys/class/net/front/address'])
    expect(stdout).toContain(director.trim())
  })

  it('echoes datagrams from the address they were sent to, and names the server', async () => {
    await lab.udpEcho('rs1', 5353)
    const ask = (address: string) =>
      lab.udpRequest('client', { address, port: 5353, text: 'anybody?', fromPort: 4444 })
    expect(await ask(rs1.back.v4)).toBe('rs1:anybody?')
    expect(await ask(rs1.back.v6)).toBe('rs1:anybody?')
  })

  it('reports a datagram without an answer as null', async () => {
    expect(
      await lab.udpRequest('client', { address: rs1.back.v4, port: 9, text: 'hello', timeoutMs: 300 }),
    ).toBeNull()
  })

  describe('decapsulation', () => {
    const combinations = families.flatMap((inner) => families.map((outer) => [inner, outer] as const))

    beforeAll(async () => {
      await lab.decapsulate('rs2')
      await lab.udpEcho('rs2', 5354)
    })

    it.each(combinations)(
      'delivers %s in %s to the VIP, and the answer goes straight to the client',
      async (inner, outer) => {
        const request = { address: VIP.routed[inner], port: 5354, text: 'wrapped', fromPort: 4445 }
        // Nobody balances here: the datagram is taken off the wire, and wrapped by hand on the director.
        const capture = await lab.capture('client', 'front', 'udp port 5354')
        expect(await lab.udpRequest('client', { ...request, timeoutMs: 800 })).toBeNull()
        const [datagram] = await capture.wait(() => true)
        const to = realServerAddresses('rs2').back[outer]
        const target = outer === 'v4' ? `IP4-SENDTO:${to}` : `IP6-SENDTO:[${to}]`
        const protocol = inner === 'v4' ? 4 : 41
        await lab.exec('director', ['socat', '-u', 'STDIN', `${target}:${protocol}`], {
          input: datagram!.packet,
        })
        const answers = await capture.wait(({ packet }) => Buffer.from(packet).includes('rs2:wrapped'))
        expect(answers).toHaveLength(1)
        await capture.stop()
      },
    )
  })

  it('holds a TCP connection open and talks over it', async () => {
    await lab.tcpEcho('rs1', 7)
    const conversation = await lab.connect('client', rs1.back.v6, 7)
    expect(await conversation.ask('one')).toBe('rs1:one')
    expect(await conversation.ask('two')).toBe('rs1:two')
    expect(conversation.isOpen).toBe(true)
    await conversation.close()
    expect(conversation.isOpen).toBe(false)
  })

  it('reports a refused request with curl’s exit code', async () => {
    expect(await lab.curl('client', `http://${DIRECTOR.front.v4}:81/`)).toEqual({
      status: 0,
      body: '',
      exitCode: 7,
    })
  })

  it('says the same twice of a host where nothing changed, and something else after a change', async () => {
    const before = await lab.snapshot('director')
    const rule = ['PREROUTING', '-d', VIP.local.v4, '-j', 'MARK', '--set-mark', '1']
    await lab.exec('director', ['iptables', '-t', 'mangle', '-A', ...rule])
    expect(await lab.snapshot('director')).not.toBe(before)
    await lab.exec('director', ['iptables', '-t', 'mangle', '-D', ...rule])
    expect(await lab.snapshot('director')).toBe(before)
    await lab.exec('director', ['sysctl', '-qw', 'net.ipv4.conf.front.accept_local=1'])
    expect(await lab.snapshot('director')).not.toBe(before)
  })

  it('knows its addresses', async () => {
    const { stdout } = await lab.exec('client', ['ip', '-oneline', 'address'])
    expect(stdout).toContain(CLIENT.v4)
    expect(stdout).toContain(CLIENT.v6)
    expect(stdout).not.toContain('tentative')
  })
})

describe.skipIf(obstacle !== null)('laboratories', () => {
  it('stand beside each other without meeting', async () => {
    const labs = await Promise.all([1, 2].map(() => Lab.create({ prefix: 'labpair', realServers: 1 })))
    try {
      const [first, second] = labs as [Lab, Lab]
      await first.web('rs1')
      const url = `http://${realServerAddresses('rs1').back.v4}/`
      expect(await first.curl('client', url)).toMatchObject({ body: 'rs1\n' })
      expect(await second.curl('client', url)).toMatchObject({ exitCode: 7 })
    } finally {
      await Promise.all(labs.map((lab) => lab.destroy()))
    }
  })

  it('are wired without bridges for measuring', async () => {
    const lab = await Lab.create({ prefix: 'labdirect', direct: true })
    try {
      await lab.web('rs1')
      for (const address of Object.values(realServerAddresses('rs1').back)) {
        expect(await lab.curl('client', `http://${endpoint(address, 80)}/`)).toMatchObject({ body: 'rs1\n' })
      }
      expect(lab.hosts).toEqual(['client', 'director', 'rs1'])
      const server = await lab.iperfServer('rs1', 5201)
      const target = { address: realServerAddresses('rs1').back.v4, port: 5201 }
      const { gigabitsPerSec } = await lab.iperf('client', { ...target, seconds: 1 })
      expect(gigabitsPerSec).toBeGreaterThan(0.01)
      expect(await server.exited).toBe(0)
    } finally {
      await lab.destroy()
    }
  })

  it('of dead processes are swept away with all that runs in them, those of living ones are not', async () => {
    const dead = new Program(['true'])
    const { pid } = dead
    await dead.exited
    const leftover = `labsweep-${pid}-1-client`
    const inUse = `labsweep-${process.pid}-1-client`
    await Promise.all([leftover, inUse].map((name) => run(['ip', 'netns', 'add', name])))
    const inhabitant = new Program(['ip', 'netns', 'exec', leftover, 'cat'])
    await inhabitant.until('echo', () => {
      inhabitant.write('here\n')
      return inhabitant.stdout !== ''
    })
    expect(await Lab.sweep('labsweep')).toEqual([leftover])
    expect(await inhabitant.exited).toBeNull()
    const namespaces = await listNamespaces()
    await run(['ip', 'netns', 'delete', inUse])
    expect(namespaces).toContain(inUse)
    expect(namespaces).not.toContain(leftover)
  })

  it('refuse a prefix that is no name', async () => {
    await expect(Lab.create({ prefix: 'a b' })).rejects.toThrow("laboratory prefix 'a b'")
  })
})
