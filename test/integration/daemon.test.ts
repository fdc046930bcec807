/** The daemon's life on a real host: it leaves nothing behind on any way out, and refuses to start in one clear line. */

import { chown, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endpoint, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import { builtProgram } from '../support/lab/uipvs.ts'
import { listeningWays, portOf, SERVER_OF, serverPortOf, servicesOf, vipOf, WAYS } from '../support/ways.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

/** Both VIPs, both families, every method: all that the daemon ever does to a host. */
const ALL_WAYS = WAYS.map(([, way]) => way)
const CONFIG = { services: servicesOf(ALL_WAYS, ['web', 'echo']) }

/** A user who may nothing; what is granted follows. */
const NOBODY = 65_534
const asNobody = (...granted: readonly string[]): string[] => {
  const capabilities =
    granted.length === 0 ? [] : ['--inh-caps', granted.join(), '--ambient-caps', granted.join()]
  return ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', ...capabilities]
}

const runArgv = (socketPath: string, configPath?: string): string[] => {
  const config = configPath === undefined ? [] : ['--config', configPath]
  return [process.execPath, builtProgram('uipvs'), 'run', '--socket', socketPath, ...config]
}

describe.skipIf(obstacle !== null)('the daemon leaves its host byte for byte as it was', () => {
  describe.each(['SIGTERM', 'SIGINT'] as const)('after %s', (signal) => {
    let lab: Lab

    beforeAll(async () => {
      lab = await servedLab('life')
    })

    afterAll(async () => {
      await lab?.destroy()
    })

    it('where there never were any tables', async () => {
      expect(await ruleset(lab)).toBe('')
      await comesAndGoes()
      expect(await ruleset(lab)).toBe('')
    })

    it("among others' rules and settings", async () => {
      await decorate(lab)
      await comesAndGoes()
    })

    async function comesAndGoes(): Promise<void> {
      const before = await everything(lab)
      const { program, socketPath } = await lab.uipvs({ config: CONFIG })
      await serves(lab)
      expect(await everything(lab)).not.toBe(before)
      expect(await program.stop(signal)).toBe(0)
      expect(await everything(lab)).toBe(before)
      await expect(stat(socketPath)).rejects.toThrow('ENOENT')
    }
  })

  it('after kill -9 and another start, which first puts all in order', async () => {
    const lab = await servedLab('lifekill')
    try {
      const before = await everything(lab)
      const socketPath = join(lab.directory, 'shared.sock')
      const victim = await lab.uipvs({ config: CONFIG, socketPath })
      const inForce = await everything(lab)
      victim.program.kill('SIGKILL')
      await victim.program.exited
      expect(await everything(lab)).toBe(inForce)

      const next = await lab.uipvs({ config: CONFIG, socketPath })
      expect(next.program.stderr).toContain('an earlier daemon left things behind')
      await serves(lab)
      expect(await next.stop()).toBe(0)
      expect(await everything(lab)).toBe(before)
      expect((await readdir(lab.directory)).filter((name) => name.startsWith('shared'))).toEqual([])
    } finally {
      await lab.destroy()
    }
  })

  it('with no privileges but the two that it needs', async () => {
    const lab = await servedLab('lifecap')
    const home = await mkdtemp(join(tmpdir(), 'uipvs-nobody-'))
    try {
      await chown(home, NOBODY, NOBODY)
      await writeFile(join(home, 'config.json'), JSON.stringify(CONFIG), { mode: 0o644 })
      const before = await everything(lab)
      const argv = runArgv(join(home, 'control.sock'), join(home, 'config.json'))
      const program = lab.spawn('director', [...asNobody('+net_admin', '+net_raw'), ...argv])
      await program.until('ready', () => program.stderr.includes('"ready"'), 15_000)
      await serves(lab)
      expect(await program.stop()).toBe(0)
      expect(await everything(lab)).toBe(before)
    } finally {
      await rm(home, { recursive: true })
      await lab.destroy()
    }
  })
})

describe.skipIf(obstacle !== null)('a restart', () => {
  let lab: Lab

  beforeAll(async () => {
    lab = await servedLab('restart')
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'by %s, while traffic comes, is over when it is over',
    async (signal) => {
      const socketPath = join(lab.directory, `${signal}.sock`)
      const first = await lab.uipvs({ config: CONFIG, socketPath })
      const ways = ALL_WAYS.filter(({ service, vip }) => service === 'v4' && vip === 'routed')
      const urlOf = (way: (typeof ways)[number]) => `http://${endpoint(vipOf(way), portOf(way, 'web'))}/`
      // A request that comes at the wrong moment may fail: nobody is there to answer it.
      const loads = ways.map((way) => lab.requests('client', urlOf(way), { count: 200, timeoutMs: 1500 }))
      await first.program.stop(signal)
      const second = await lab.uipvs({ config: CONFIG, socketPath })
      await Promise.all(loads)
      for (const way of ways) {
        const { byBody, failed } = await lab.requests('client', urlOf(way), { count: 50 })
        expect({ failed, byBody }).toEqual({ failed: 0, byBody: new Map([[SERVER_OF[way.method], 50]]) })
      }
      expect(await second.stop()).toBe(0)
    },
  )

  it('is survived by datagrams and by the control socket', async () => {
    const socketPath = join(lab.directory, 'again.sock')
    const request = { address: VIP.routed.v4, port: 5302, text: 'hello', fromPort: 4999 }
    for (let start = 0; start < 3; start++) {
      const uipvs = await lab.uipvs({ config: CONFIG, socketPath })
      expect(await lab.udpRequest('client', request)).toBe('rs2:hello')
      expect((await uipvs.adm(['-Lnc'])).stdout).toContain('10.77.0.10:4999')
      expect(await uipvs.stop()).toBe(0)
    }
  })
})

describe.skipIf(obstacle !== null)('the daemon refuses to start, with one line and exit status 2,', () => {
  let lab: Lab
  let before: string

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'refuse', realServers: 1 })
    before = await everything(lab)
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each([
    ['without any privileges', [], 'CAP_NET_ADMIN and CAP_NET_RAW missing'],
    ['without CAP_NET_RAW', ['+net_admin'], 'CAP_NET_RAW missing'],
    ['without CAP_NET_ADMIN', ['+net_raw'], 'CAP_NET_ADMIN missing'],
  ] as const)('%s', async (_title, granted, message) => {
    const argv = [...asNobody(...granted), ...runArgv(join(tmpdir(), 'uipvs-nobody.sock'))]
    expect(await refusal(argv)).toBe(`uipvs: ${message}: run as root, or grant them to the process\n`)
  })

  const service = { protocol: 'tcp', address: '10.77.0.100', port: 80 }
  it.each([
    ['that is not JSON', '{ "queueLength": }', /is not JSON: /],
    ['that is empty', '', /is not JSON: /],
    ['that is a list', '[]', /is refused: .*expected object, received array/i],
    ['with an unknown setting', { colour: 'red' }, /is refused: .*"colour"/],
    ['with an unknown driver', { queueDriver: 'magic' }, /is refused: queueDriver: .*netlink/],
    ['with a queue that cannot be', { firstQueue: 65_535 }, /is refused: firstQueue: .*65534/],
    ['with a mark mask full of holes', { markMask: 5 }, /is refused: markMask: the bits .* contiguous/],
    [
      'with an address that is none',
      { services: [{ ...service, address: '10.77.0.300' }] },
      /services\[0\]\.address: '10\.77\.0\.300' is not an IPv4 or IPv6 address/,
    ],
    [
      'with a port that is none',
      { services: [{ ...service, port: 70_000 }] },
      /services\[0\]\.port: .*65535/,
    ],
    [
      'with a timeout too long',
      { timeouts: { tcp: 2_000_000_000, tcpFin: 0, udp: 0 } },
      /tcp timeout 2000000000 is above/,
    ],
    [
      'with an unknown scheduler',
      { services: [{ ...service, scheduler: 'best' }] },
      /scheduler 'best' is not one of: rr wrr /,
    ],
    [
      'with a service twice',
      { services: [service, service] },
      /service tcp:10\.77\.0\.100:80 exists already/,
    ],
    [
      'with a real server of the other family',
      { services: [{ ...service, destinations: [{ address: 'fd78::11', port: 80 }] }] },
      /fd78::11 is not IPv4: only ipip/,
    ],
    [
      'with a broadcast address as a real server',
      { services: [{ ...service, destinations: [{ address: '10.78.0.255', port: 80 }] }] },
      /10\.78\.0\.255 is the broadcast address of a subnet/,
    ],
  ] as const)('given a configuration file %s', async (_title, content, message) => {
    const path = join(lab.directory, 'config.json')
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
    const line = await refusal(runArgv(join(lab.directory, 'refused.sock'), path))
    expect(line).toMatch(message)
    expect(line).toContain(path)
  })

  it('given a configuration file that cannot be read', async () => {
    for (const path of [join(lab.directory, 'nonesuch.json'), lab.directory]) {
      const line = await refusal(runArgv(join(lab.directory, 'refused.sock'), path))
      expect(line).toContain(`uipvs: cannot read the configuration file ${path}: `)
    }
  })

  it('given an option that it does not have', async () => {
    expect(await refusal([...runArgv('/nowhere'), '--frobnicate'], 2)).toContain(
      "unknown option '--frobnicate'",
    )
  })

  it('given a control socket where none can be', async () => {
    const file = join(lab.directory, 'a-file')
    await writeFile(file, '')
    expect(await refusal(runArgv(join(file, 'control.sock')))).toContain(file)
  })

  it('having changed nothing', async () => {
    expect(await everything(lab)).toBe(before)
  })

  it('where another daemon has the same control socket, which goes on', async () => {
    const running = await lab.uipvs()
    const inForce = await everything(lab)
    const line = await refusal(runArgv(running.socketPath))
    expect(line).toContain(`is running already, as process ${running.program.pid}`)
    expect(await everything(lab)).toBe(inForce)
    expect((await running.adm(['-Ln'])).stdout).toContain('IP Virtual Server version 1.2.1')
    expect(await running.stop()).toBe(0)
  })

  it('where another daemon has its queue, which goes on', async () => {
    const running = await lab.uipvs({ config: { firstQueue: 77 } })
    const inForce = await everything(lab)
    for (const [firstQueue, taken] of [
      [77, 77],
      [78, 78],
      [76, 77],
    ]) {
      const path = join(lab.directory, 'config.json')
      await writeFile(path, JSON.stringify({ firstQueue }))
      const line = await refusal(runArgv(join(lab.directory, 'other.sock'), path))
      expect(line).toContain(`queue ${taken} is already in use by another process`)
    }
    expect(await everything(lab)).toBe(inForce)
    expect((await running.adm(['-Ln'])).stdout).toContain('IP Virtual Server version 1.2.1')
    expect(await running.stop()).toBe(0)
  })

  /** Runs the daemon, which must end by itself with status 2; returns its one line. */
  async function refusal(argv: readonly string[], linesMax = 1): Promise<string> {
    const { status, stdout, stderr } = await lab.exec('director', argv, { mayFail: true })
    expect({ status, stdout, lines: stderr.split('\n').length - 1 <= linesMax }, stderr).toEqual({
      status: 2,
      stdout: '',
      lines: true,
    })
    return stderr
  }
})

/** A laboratory with a server behind every way. */
async function servedLab(prefix: string): Promise<Lab> {
  const lab = await Lab.create({ prefix })
  await lab.decapsulate('rs3')
  await Promise.all(
    listeningWays().flatMap((way) => [
      lab.web(SERVER_OF[way.method], { port: serverPortOf(way, 'web') }),
      lab.udpEcho(SERVER_OF[way.method], serverPortOf(way, 'echo')),
    ]),
  )
  return lab
}

/** Every way is gone once. */
async function serves(lab: Lab): Promise<void> {
  for (const way of ALL_WAYS) {
    const { status, body } = await lab.curl('client', `http://${endpoint(vipOf(way), portOf(way, 'web'))}/`)
    expect({ way, status, body }).toEqual({ way, status: 200, body: `${SERVER_OF[way.method]}\n` })
  }
}

/** What a host has that is not ours: rules that the daemon's could be mistaken for, and settings that it wants otherwise. */
async function decorate(lab: Lab): Promise<void> {
  for (const [command, address] of [
    ['iptables', VIP.local.v4],
    ['ip6tables', VIP.local.v6],
  ] as const) {
    const tables = { mangle: 'PREROUTING', raw: 'PREROUTING', nat: 'POSTROUTING', filter: 'INPUT' }
    for (const [table, chain] of Object.entries(tables)) {
      const rule = ['-A', chain, '-d', address, '-p', 'tcp', '--dport', '65000', '-j', 'ACCEPT']
      await lab.exec('director', [command, '-t', table, ...rule])
    }
    await lab.exec('director', [command, '-t', 'mangle', '-N', 'THEIRS'])
  }
  await lab.exec('director', ['nft', 'add', 'table', 'inet', 'theirs'])
  await lab.exec('director', ['ip', 'rule', 'add', 'fwmark', '7', 'lookup', '100', 'pref', '10'])
  await lab.exec('director', ['ip', '-6', 'rule', 'add', 'fwmark', '7', 'lookup', '100', 'pref', '10'])
  await lab.exec('director', ['ip', 'route', 'add', '192.0.2.0/24', 'dev', 'back', 'table', '100'])
  const settings = [
    'net.ipv4.ip_forward=0',
    'net.ipv6.conf.all.forwarding=0',
    'net.ipv4.conf.all.send_redirects=1',
  ]
  await lab.exec('director', ['sysctl', '-qw', ...settings])
}

const ruleset = async (lab: Lab): Promise<string> =>
  (await lab.exec('director', ['nft', '--stateless', 'list', 'ruleset'])).stdout

/** The laboratory's snapshot, and tables that hold nothing too. */
const everything = async (lab: Lab): Promise<string> =>
  `${await lab.snapshot('director')}\n${await ruleset(lab)}`
