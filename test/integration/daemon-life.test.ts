/** What a running daemon can be told: by signals, by its commands, and what it tells the service manager by itself. */

import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { KNOB_NAMES } from '../../control/knobs.ts'
import { realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Program } from '../support/lab/process.ts'
import { builtProgram } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const NOBODY = 65_534
const ECHO = { protocol: 'tcp', address: VIP.routed.v4, port: 7000, scheduler: 'rr' }
const server = (weight: number) => ({
  address: realServerAddresses('rs1').back.v4,
  port: 7000,
  method: 'masquerading',
  weight,
})
const CONFIG = { services: [{ ...ECHO, destinations: [server(1)] }] }

describe.skipIf(obstacle !== null)('a running daemon', () => {
  let lab: Lab
  let configPath: string
  let socketPath: string
  let runs = 0
  let program: Program | null = null

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'lifeg2d', realServers: 1 })
    await lab.tcpEcho('rs1', 7000)
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  beforeEach(() => {
    configPath = join(lab.directory, `life${++runs}.json`)
    socketPath = join(lab.directory, `life${runs}.sock`)
  })

  afterEach(async () => {
    if (program?.isRunning) expect(await program.stop()).toBe(0)
    program = null
  })

  async function start(config: object = CONFIG, env: Record<string, string> = {}): Promise<Program> {
    await writeFile(configPath, JSON.stringify(config))
    const argv = ['run', '--socket', socketPath, '--config', configPath]
    const started = lab.spawn('director', [process.execPath, builtProgram('uipvs'), ...argv], { env })
    program = started
    await started.until('ready', () => started.stderr.includes('"ready"'), 20_000)
    return started
  }

  /** A command of uipvs's, on the director. */
  const uipvs = (...words: readonly string[]) =>
    lab.exec('director', [process.execPath, builtProgram('uipvs'), ...words], {
      env: { UIPVS_SOCKET: socketPath },
      mayFail: true,
      timeoutMs: 20_000,
    })

  it('reads its configuration again on SIGHUP, and no connection notices', async () => {
    const daemon = await start()
    const conversation = await lab.connect('client', VIP.routed.v4, 7000)
    expect(await conversation.ask('one')).toBe('rs1:one')
    const added = { ...ECHO, port: 7001 }
    const knobs = { drop_entry: 1 }
    const edited = {
      firstQueue: 7100,
      logLevel: 'debug',
      knobs,
      services: [{ ...ECHO, destinations: [server(5)] }, added],
    }
    await writeFile(configPath, JSON.stringify(edited))
    daemon.kill('SIGHUP')
    await daemon.until('the reload', () => daemon.stderr.includes('the configuration is read again'), 10_000)

    const client = new ControlClient(socketPath)
    const { services, knobs: inForce } = (await client.configuration()).configuration
    expect(services).toMatchObject([{ port: 7000, destinations: [{ weight: 5 }] }, { port: 7001 }])
    expect(inForce['drop_entry']).toBe(1)
    expect(daemon.stderr).toContain('these settings are only read at the start: firstQueue')
    expect((await uipvs('log-level')).stdout).toBe('debug\n')
    expect(await conversation.ask('two')).toBe('rs1:two')
    await conversation.close()
  })

  it('changes nothing for a file with a flaw, and says which', async () => {
    const daemon = await start()
    const before = (await new ControlClient(socketPath).configuration()).configuration
    await writeFile(configPath, JSON.stringify({ services: [{ ...ECHO, scheduler: 'best' }] }))
    daemon.kill('SIGHUP')
    await daemon.until(
      'the flaw',
      () => daemon.stderr.includes("nothing is changed: scheduler 'best'"),
      10_000,
    )
    expect((await new ControlClient(socketPath).configuration()).configuration).toEqual(before)

    const { status, stderr } = await uipvs('reload')
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^uipvs: scheduler 'best' is not one of: .*\n$/),
    })
    await writeFile(configPath, JSON.stringify({ services: [] }))
    expect((await uipvs('reload')).stdout).toBe('1 destination removed, 1 service removed\n')
    expect((await uipvs('reload')).stdout).toBe('nothing has changed\n')
  })

  it('says which way each service takes, and why', async () => {
    const daemon = await start()
    expect(daemon.stderr).toContain('tcp:10.79.0.100:7000 by queue 7000 (super-packets: ')
    const { stdout } = await uipvs('status')
    expect(stdout).toContain(`process ${daemon.pid}, up 00:00:`)
    expect(stdout).toContain('rules: IPv4 services by ')
    expect(stdout).toContain(
      '-> 10.78.0.11:7000 masquerading: rewritten in the verdict, forwarded by the kernel; via back, MTU 1500\n',
    )
    const { report } = JSON.parse((await uipvs('status', '--json')).stdout)
    expect(report.services).toMatchObject([
      { service: 'tcp:10.79.0.100:7000', queue: 7000, superPackets: true },
    ])
  })

  it('has every knob that sysctl would show, and keeps those without effect', async () => {
    await start()
    const lines = (await uipvs('sysctl')).stdout.trimEnd().split('\n')
    expect(lines.map((line) => /^net\.ipv4\.vs\.(\w+) = /.exec(line)?.[1])).toEqual(KNOB_NAMES)
    const set = await uipvs('sysctl', 'net.ipv4.vs.sloppy_tcp=1', 'sync_threshold=4 60')
    expect(set).toEqual({
      status: 0,
      stdout: 'net.ipv4.vs.sloppy_tcp = 1\nnet.ipv4.vs.sync_threshold = 4\t60\n',
      stderr: expect.stringMatching(/^uipvs: sync_threshold has no effect here: .*\n$/),
    })
    expect((await uipvs('sysctl', '-n', 'sync_threshold', 'sloppy_tcp')).stdout).toBe('4\t60\n1\n')
    expect(await uipvs('sysctl', 'drop_entry=4')).toMatchObject({ status: 2, stdout: '' })
    await expect(new ControlClient(socketPath).setKnobs({ sync_threshold: '60 4' })).rejects.toMatchObject({
      code: 'invalid-value',
    })
  })

  it('logs from then on what it is told to', async () => {
    const daemon = await start()
    expect((await uipvs('log-level', 'fatal')).stdout).toBe('fatal\n')
    const length = daemon.stderr.length
    daemon.kill('SIGHUP')
    expect((await uipvs('reload')).stdout).toBe('nothing has changed\n')
    expect((await uipvs('log-level')).stdout).toBe('info\n')
    expect(daemon.stderr.slice(length)).toContain('the log level is changed')
    expect((await uipvs('log-level', 'loud')).status).toBe(2)
  })

  it('is the only one on its socket, also where its journal was deleted', async () => {
    const daemon = await start()
    const argv = ['run', '--socket', socketPath]
    const second = await uipvs(...argv)
    expect(second).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining(`uipvs is running already, as process ${daemon.pid} `),
    })
    const journalPath = socketPath.replace(/\.sock$/, '.journal.json')
    const journal = await readFile(journalPath)
    await rm(journalPath)
    const third = await uipvs(...argv)
    await writeFile(journalPath, journal)
    expect(third).toMatchObject({ status: 2, stdout: '' })
    expect(third.stderr.trimEnd().split('\n').at(-1)).toBe(
      `uipvs: uipvs is running already, as process ${daemon.pid} (it answers at ${socketPath})`,
    )
    expect((await uipvs('log-level')).stdout).toBe('info\n')
  })

  it('takes the place of a socket that nobody listens to any more', async () => {
    const victim = await start()
    victim.kill('SIGKILL')
    await victim.exited
    await start()
    expect((await uipvs('log-level')).stdout).toBe('info\n')
  })

  it('tells the service manager of its life', async () => {
    const address = `@uipvs-lifeg2-${process.pid}`
    const receiver = lab.spawn('director', ['python3', '-uc', RECEIVER, address])
    await receiver.until('the socket', () => receiver.stdout.includes('bound'), 10_000)
    const told = (text: string) => receiver.until(text, () => receiver.stdout.includes(text), 10_000)
    const daemon = await start(CONFIG, { NOTIFY_SOCKET: address, WATCHDOG_USEC: '400000' })
    await told('READY=1 STATUS=balancing 1 services\n')
    await told('WATCHDOG=1\n')
    daemon.kill('SIGHUP')
    await told('RELOADING=1 MONOTONIC_USEC=')
    expect(await daemon.stop()).toBe(0)
    await told('STOPPING=1 STATUS=the host is put back as it was\n')
    receiver.kill('SIGKILL')
  })

  it.each(['iptables-nft', 'iptables-legacy'])('runs without root by %s', async (variant) => {
    const home = await mkdtemp(join(tmpdir(), 'uipvs-life-'))
    try {
      // The daemon takes what is called iptables: here a variant of our choice.
      const bin = join(home, 'bin')
      await mkdir(bin)
      const multi = (await lab.exec('director', ['readlink', '-f', `/usr/sbin/${variant}`])).stdout.trim()
      for (const name of ['iptables', 'ip6tables'])
        for (const ending of ['', '-restore', '-save']) await symlink(multi, join(bin, `${name}${ending}`))
      await writeFile(join(home, 'config.json'), JSON.stringify(CONFIG))
      await chown(home, NOBODY, NOBODY)
      await chmod(home, 0o755)
      socketPath = join(home, 'control.sock')
      const before = await lab.snapshot('director')
      const asNobody = ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups']
      const capabilities = ['--inh-caps', '+net_admin,+net_raw', '--ambient-caps', '+net_admin,+net_raw']
      const argv = [process.execPath, builtProgram('uipvs'), 'run', '--restore', '--socket', socketPath]
      const daemon = lab.spawn(
        'director',
        [...asNobody, ...capabilities, ...argv, '--config', join(home, 'config.json')],
        { env: { PATH: `${bin}:${process.env['PATH']}` } },
      )
      await daemon.until('ready', () => daemon.stderr.includes('"ready"'), 20_000)
      expect(daemon.stderr).toContain(`by iptables (${variant.replace('iptables-', '')})`)
      const isLegacy = variant === 'iptables-legacy'
      expect(daemon.stderr.includes("iptables-legacy's own lock cannot be used")).toBe(isLegacy)
      const conversation = await lab.connect('client', VIP.routed.v4, 7000)
      expect(await conversation.ask('one')).toBe('rs1:one')
      await conversation.close()
      expect(await daemon.stop()).toBe(0)
      // Empty tables of the legacy kind stay: nothing but the kernel can take them away.
      if (!isLegacy) expect(await lab.snapshot('director')).toBe(before)
    } finally {
      await rm(home, { recursive: true })
    }
  })

  it('is not needed to examine a configuration, nor is root', async () => {
    const home = await mkdtemp(join(tmpdir(), 'uipvs-check-'))
    try {
      await chmod(home, 0o755)
      const path = join(home, 'config.json')
      const check = () =>
        lab.exec(
          'director',
          [
            ...['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'],
            ...[process.execPath, builtProgram('uipvs'), 'run', '--check', '--config', path],
          ],
          { mayFail: true },
        )
      const before = await lab.snapshot('director')
      await writeFile(path, JSON.stringify(CONFIG))
      expect(await check()).toMatchObject({ status: 0, stderr: '' })
      await writeFile(path, JSON.stringify({ ...CONFIG, queueLength: 1 }))
      expect(await check()).toEqual({
        status: 2,
        stdout: '',
        stderr: expect.stringContaining(`uipvs: the configuration file ${path} is refused: queueLength: `),
      })
      expect(await lab.snapshot('director')).toBe(before)
    } finally {
      await rm(home, { recursive: true })
    }
  })
})

/** Each datagram as a line, its own lines joined by blanks. */
const RECEIVER = `
import socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("\\0" + sys.argv[1][1:])
print("bound")
while True:
    print(receiver.recv(4096).decode().replace("\\n", " "))
`
