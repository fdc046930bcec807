/** A whole configuration on a real daemon: plan, apply, events, and writers who get in each other's way. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { RunOptions } from '../support/lab/process.ts'
import { builtProgram, type Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const WEB = `${VIP.routed.v4}:80`
const ECHO = `${VIP.routed.v4}:7777`
const [RS1, RS2] = [realServerAddresses('rs1').back.v4, realServerAddresses('rs2').back.v4]

const SAVED = [
  `-A -t ${WEB} -s rr`,
  `-a -t ${WEB} -r ${RS1}:80 -m -w 1`,
  `-a -t ${WEB} -r ${RS2}:80 -m -w 1`,
  `-A -t ${ECHO} -s rr`,
  `-a -t ${ECHO} -r ${RS1}:7777 -m -w 1`,
]

describe.skipIf(obstacle !== null)('a whole configuration', { timeout: 120_000 }, () => {
  let lab: Lab
  let uipvs: Uipvs
  let control: ControlClient

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'configured', vips: ['routed'], realServers: 2 })
    await Promise.all([lab.web('rs1'), lab.web('rs2'), lab.tcpEcho('rs1', 7777)])
    uipvs = await lab.uipvs()
    control = new ControlClient(uipvs.socketPath)
  })

  afterEach(async () => {
    await control?.flush()
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it('is applied as a whole, and serves; and connections live through every change', async () => {
    expect(await run(['apply', '-'], { input: text(SAVED) })).toContain('5 changes made')
    expect((await lab.curl('client', `http://${WEB}/`)).status).toBe(200)

    const conversation = await lab.connect('client', VIP.routed.v4, 7777)
    expect(await conversation.ask('one')).toBe('rs1:one')
    const quiesced = SAVED.map((line) => line.replace(`${RS1}:7777 -m -w 1`, `${RS1}:7777 -m -w 0`))
    const plan = await run(['plan', '-'], { input: text([...quiesced, '-A -f 9']) })
    expect(plan).toContain(`~ tcp:${ECHO} ${RS1}:7777: weight 1 -> 0 (1 connection)\n`)
    expect(plan).toContain('+ fwmark:9: scheduler wlc\n')
    await run(['apply', '-'], { input: text([...quiesced, '-A -f 9']) })
    expect(await conversation.ask('two')).toBe('rs1:two')
    // While a real server is gone its connections wait for it, and find it again.
    await run(['apply', '-'], { input: text(SAVED.slice(0, 3)) })
    conversation.write('three\n')
    await run(['apply', '-'], { input: text(SAVED) })
    expect(await conversation.read('\n', 15_000)).toBe('rs1:three\n')
    expect((await uipvs.adm(['-Sn'])).stdout).toContain(`-A -t ${WEB} -s rr\n`)
    await conversation.close()
  })

  it('is refused as a whole, rules and all, in one line with its place', async () => {
    await run(['apply', '-'], { input: text(SAVED) })
    const before = [await control.configuration(), await lab.snapshot('director')]
    const wrong = [...SAVED.slice(0, 3), '-A -f 3 -s best']
    const { status, stderr, stdout } = await uipvsRun(['apply', '-'], { input: text(wrong), mayFail: true })
    expect(status).toBe(1)
    expect(stdout).toContain('at revision')
    expect(stderr).toMatch(/^uipvs: standard input:4: scheduler 'best' is not one of: .*\n$/)
    expect([await control.configuration(), await lab.snapshot('director')]).toEqual(before)
  })

  it('says with status 2 that there is no file, and no daemon', async () => {
    const absent = await uipvsRun(['plan', '/nonexistent'], { mayFail: true })
    expect(absent).toMatchObject({ status: 2, stdout: '' })
    expect(absent.stderr).toMatch(/^uipvs: cannot read \/nonexistent: ENOENT.*\n$/)
    const silent = await uipvsRun(['plan', '--socket', '/nonexistent.sock', '-'], {
      input: '',
      mayFail: true,
    })
    expect(silent).toMatchObject({ status: 2, stdout: '' })
    expect(silent.stderr).toContain('There is no control socket /nonexistent.sock')
  })

  it('loses no update of several writers at once, uipvsadm being one of them', async () => {
    const writers = Array.from({ length: 6 }, (_, index) => 1000 + index)
    let stale = 0
    const write = async (port: number): Promise<void> => {
      for (;;) {
        const { etag, body } = await curl(['http://uipvs/v1/config'])
        const configuration = JSON.parse(body) as { services: unknown[] }
        const service = { protocol: 'tcp', address: VIP.routed.v4, port }
        const wanted = JSON.stringify({ ...configuration, services: [...configuration.services, service] })
        const condition = ['--header', `If-Match: ${etag}`]
        const put = await curl(
          [...condition, '-X', 'PUT', '--data-binary', '@-', 'http://uipvs/v1/config'],
          wanted,
        )
        if (put.status === 200) return
        expect(put.status).toBe(412)
        stale++
      }
    }
    await Promise.all([
      ...writers.map(write),
      ...[1, 2, 3].map((mark) => uipvs.adm(['-A', '-f', String(mark)])),
    ])
    const services = (await control.services()).map(({ id }) => id).sort()
    expect(services).toEqual([
      ...[1, 2, 3].map((mark) => `fwmark:${mark}`),
      ...writers.map((port) => `tcp:${VIP.routed.v4}:${port}`),
    ])
    expect(stale).toBeGreaterThan(0)
  })

  it('is followed by curl and by uipvs events, whoever changes it', async () => {
    const socket = ['--unix-socket', uipvs.socketPath]
    const follower = lab.spawn('director', [
      'curl',
      '--silent',
      '--no-buffer',
      ...socket,
      'http://uipvs/v1/events',
    ])
    const printer = lab.spawn('director', [process.execPath, builtProgram('uipvs'), 'events'], {
      env: { UIPVS_SOCKET: uipvs.socketPath },
    })
    await follower.until('begun', () => follower.stdout.includes('event: in-force'))
    await printer.until('begun', () => printer.stdout.includes('in force'), 15_000)
    await uipvs.adm(['-A', '-t', WEB, '-s', 'rr'])
    await uipvs.adm(['-E', '-t', WEB, '-s', 'wrr'])
    const { revision } = await control.configuration()
    await follower.until('told', () => follower.stdout.includes(revision))
    await printer.until('told', () => printer.stdout.includes(revision))
    expect(printer.stdout.trimEnd().split('\n').slice(1)).toEqual([
      expect.stringMatching(new RegExp(`^\\S+ \\+ tcp:${WEB}: scheduler rr$`)),
      `${revision} ~ tcp:${WEB}: scheduler rr -> wrr`,
    ])
    expect(follower.stdout.match(/^event: change$/gm)).toHaveLength(2)
    await follower.stop()
    await printer.stop()
  })

  const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

  function uipvsRun(words: readonly string[], options: RunOptions = {}) {
    return lab.exec('director', [process.execPath, builtProgram('uipvs'), ...words], {
      ...options,
      timeoutMs: 30_000,
      env: { UIPVS_SOCKET: uipvs.socketPath },
    })
  }

  async function run(words: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await uipvsRun(words, options)).stdout
  }

  /** One request of a client that nobody here wrote. */
  async function curl(words: readonly string[], input = '') {
    const write = ['--write-out', '%{stderr}%{http_code} %header{etag}']
    const argv = [
      'curl',
      '--silent',
      '--max-time',
      '20',
      '--unix-socket',
      uipvs.socketPath,
      ...write,
      ...words,
    ]
    const { stdout, stderr } = await lab.exec('director', argv, { input, timeoutMs: 30_000 })
    const [status, etag = ''] = stderr.split(' ')
    return { status: Number(status), etag, body: stdout }
  }
})
