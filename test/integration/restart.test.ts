/** What survives the daemon: connections, persistence, services and weights, by its state file; real kernels, real traffic. */

import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { endpoint, realServerAddresses, VIP, type VipKind } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import { builtProgram, type Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const ECHO_PORT = 7000
const WEB_PORT = 80
const destinations = (port: number, method = 'masquerading') =>
  (['rs1', 'rs2'] as const).map((server) => ({
    address: realServerAddresses(server).back.v4,
    port,
    method,
    weight: 3,
  }))

/** On the VIP that is the director's own, nobody else answers but with a reset; on the other, nobody does. */
const CONFIG = {
  stateEverySeconds: 1,
  timeouts: { tcp: 700, tcpFin: 0, udp: 0 },
  knobs: { conn_reuse_mode: 0 },
  services: (['local', 'routed'] as const).flatMap((vip) => [
    {
      protocol: 'tcp',
      address: VIP[vip].v4,
      port: ECHO_PORT,
      scheduler: 'rr',
      destinations: destinations(ECHO_PORT),
    },
    {
      protocol: 'tcp',
      address: VIP[vip].v4,
      port: WEB_PORT,
      scheduler: 'rr',
      persistentSeconds: 600,
      destinations: destinations(WEB_PORT),
    },
  ]),
}

describe.skipIf(obstacle !== null)('what a daemon knows survives it', () => {
  let lab: Lab
  let socketPath: string
  let statePath: string
  let runs = 0

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'lifeg2', realServers: 2 })
    for (const server of ['rs1', 'rs2'] as const) {
      await lab.tcpEcho(server, ECHO_PORT)
      await lab.web(server, { port: WEB_PORT })
    }
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  beforeEach(() => {
    socketPath = join(lab.directory, `run${++runs}.sock`)
    statePath = join(lab.directory, `run${runs}.state`)
  })

  const start = (...argv: readonly string[]): Promise<Uipvs> =>
    lab.uipvs({ config: CONFIG, socketPath, argv: ['--restore', ...argv] })

  const undo = () =>
    lab.exec('director', [process.execPath, builtProgram('uipvs'), 'undo', '--socket', socketPath])

  /** Everything that listings tell of the services, but for counts that go on. */
  const configurationOf = async () => (await new ControlClient(socketPath).configuration()).configuration

  it('a TCP connection goes on after SIGTERM and another start', async () => {
    const first = await start()
    const conversation = await lab.connect('client', VIP.routed.v4, ECHO_PORT)
    const server = (await conversation.ask('one')).split(':')[0]
    expect(await first.stop()).toBe(0)

    const second = await start()
    expect(second.program.stderr).toContain('what an earlier run left is restored')
    expect(await conversation.ask('two')).toBe(`${server}:two`)
    const listed = (await second.adm(['-Lnc'])).stdout
    expect(listed).toMatch(new RegExp(`TCP 11:\\d\\d +ESTABLISHED .*${endpoint(VIP.routed.v4, ECHO_PORT)}`))
    await conversation.close()
    expect(await second.stop()).toBe(0)
  })

  it.each(['local', 'routed'] as const)(
    'and after kill -9, from the state that was kept last: %s VIP',
    async (vip) => {
      const first = await start()
      const conversation = await lab.connect('client', VIP[vip].v4, ECHO_PORT)
      const server = (await conversation.ask('one')).split(':')[0]
      await laterStateThan(Date.now())
      first.program.kill('SIGKILL')
      await first.program.exited
      // Said while nobody is there: it waits, being sent again and again.
      conversation.write('two\n')
      await sleep(300)

      const second = await start()
      expect(await conversation.read('\n', 10_000)).toBe(`${server}:two\n`)
      await conversation.close()
      expect(await second.stop()).toBe(0)
    },
  )

  it('and when it speaks while the daemon is restarted with --hold', async () => {
    const before = await lab.snapshot('director')
    const first = await start('--hold')
    const conversation = await lab.connect('client', VIP.local.v4, ECHO_PORT)
    const server = (await conversation.ask('one')).split(':')[0]
    expect(await first.stop()).toBe(0)
    conversation.write('two\n')
    await sleep(300)
    expect(conversation.isOpen).toBe(true)

    const second = await start('--hold')
    expect(second.program.stderr).toContain('"repaired":"adopted"')
    expect(await conversation.read('\n', 10_000)).toBe(`${server}:two\n`)
    await conversation.close()
    expect(await second.stop()).toBe(0)
    expect(await lab.snapshot('director')).not.toBe(before)
    expect((await undo()).stdout).toBe('the host is as it was\n')
    expect(await lab.snapshot('director')).toBe(before)
    expect((await undo()).stdout).toBe('there was nothing to undo\n')
  })

  it('persistence leads a client to the server that it had, and the weight of another is as it was set', async () => {
    const first = await start()
    const url = (vip: VipKind) => `http://${endpoint(VIP[vip].v4, WEB_PORT)}/`
    const server = (await lab.curl('client', url('routed'))).body.trim()
    const other = server === 'rs1' ? 'rs2' : 'rs1'
    const web = endpoint(VIP.routed.v4, WEB_PORT)
    await first.adm([
      '-e',
      '-t',
      web,
      '-r',
      endpoint(realServerAddresses(other).back.v4, WEB_PORT),
      '-m',
      '-w',
      '9',
    ])
    await first.adm(['-A', '-t', '10.79.0.100:8443', '-s', 'mh'])
    await first.adm(['-D', '-t', endpoint(VIP.local.v4, WEB_PORT)])
    const configuration = await configurationOf()
    expect(await first.stop()).toBe(0)

    const second = await start()
    expect(await configurationOf()).toEqual(configuration)
    for (let request = 0; request < 6; request++)
      expect((await lab.curl('client', url('routed'))).body.trim()).toBe(server)
    expect(await second.stop()).toBe(0)
  })

  it('a connection to a server that was removed finds it again when it comes back', async () => {
    const first = await start()
    const conversation = await lab.connect('client', VIP.routed.v4, ECHO_PORT)
    const server = (await conversation.ask('one')).split(':')[0] as 'rs1' | 'rs2'
    const service = endpoint(VIP.routed.v4, ECHO_PORT)
    const destination = endpoint(realServerAddresses(server).back.v4, ECHO_PORT)
    await first.adm(['-d', '-t', service, '-r', destination])
    expect(await first.stop()).toBe(0)

    const second = await start()
    expect((await second.adm(['-Ln', '-t', service])).stdout).not.toContain(destination)
    expect((await second.adm(['-Lnc'])).stdout).toContain(destination)
    await second.adm(['-a', '-t', service, '-r', destination, '-m'])
    expect(await conversation.ask('two')).toBe(`${server}:two`)
    await conversation.close()
    expect(await second.stop()).toBe(0)
  })

  it('counters go on from where they were', async () => {
    const first = await start()
    await lab.curl('client', `http://${endpoint(VIP.routed.v4, WEB_PORT)}/`)
    await sleep(2500) // they are shown as of the last two seconds
    const totalsOf = async () => (await new ControlClient(socketPath).info()).totals
    const before = await totalsOf()
    expect(before.connections).toBeGreaterThan(0)
    expect(await first.stop()).toBe(0)
    const second = await start()
    expect(await totalsOf()).toEqual(before)
    expect(await second.stop()).toBe(0)
  })

  it('is kept in a file that only its owner may read, and none is without being asked for', async () => {
    const first = await start()
    expect(await first.stop()).toBe(0)
    expect((await stat(statePath)).mode & 0o777).toBe(0o600)
    const plain = await lab.uipvs({ config: CONFIG })
    await sleep(1500)
    expect(await plain.stop()).toBe(0)
    await expect(stat(plain.socketPath.replace(/\.sock$/, '.state'))).rejects.toThrow('ENOENT')
  })

  it('a state file that is damaged is refused in one line, or put aside', async () => {
    await writeFile(statePath, 'half a')
    const argv = [process.execPath, builtProgram('uipvs'), 'run', '--socket', socketPath, '--restore']
    const { status, stderr } = await lab.exec('director', argv, { mayFail: true })
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr:
        `uipvs: the state file ${statePath} is no state file of uipvs; ` +
        'move it away, or start with --discard-damaged-state\n',
    })

    const fresh = await start('--discard-damaged-state')
    expect(await readFile(`${statePath}.damaged`, 'utf8')).toBe('half a')
    expect((await fresh.adm(['-Ln'])).stdout).toContain(endpoint(VIP.routed.v4, ECHO_PORT))
    expect(await fresh.stop()).toBe(0)
  })

  /** Waits for a state that was written after that moment. */
  async function laterStateThan(ms: number): Promise<void> {
    const deadline = ms + 10_000
    for (;;) {
      const written = await stat(statePath).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      )
      if (written > ms + 100) return
      if (Date.now() > deadline) throw new Error(`${statePath} was not written`)
      await sleep(50)
    }
  }
})
