/** The control socket of a running daemon: curl as a client nobody here wrote, and clients that misbehave. */

import { stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import { run } from '../support/lab/process.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const SERVICE = { protocol: 'tcp', address: '10.77.0.100', port: 8080 } as const
const SERVER = { address: '10.78.0.11', port: 80 } as const
const [ALL, ONE, SERVERS] = [
  '/v1/services',
  '/v1/services/tcp:10.77.0.100:8080',
  '/v1/services/tcp:10.77.0.100:8080/destinations',
] as const
const NOTHING = { status: 204, body: undefined }

describe.skipIf(obstacle !== null)('the control socket', () => {
  let lab: Lab
  let uipvs: Uipvs

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'control', realServers: 1 })
    uipvs = await lab.uipvs({ socketPath: join(lab.directory, 'run', 'uipvs', 'control.sock') })
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it('is for root alone, and so is a directory made for it', async () => {
    const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
    expect(await modeOf(uipvs.socketPath)).toBe('600')
    expect(await modeOf(join(uipvs.socketPath, '..'))).toBe('700')
    // Where the directory lets others look in, the socket itself does not.
    const socketPath = join(tmpdir(), `${lab.namespace('director')}.sock`)
    const other = await lab.uipvs({ config: { firstQueue: 7100 }, socketPath })
    const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
    const request = ['curl', '--silent', '--unix-socket', socketPath, 'http://uipvs/v1/info']
    expect((await run(request)).stdout).toContain('"version"')
    expect(await run([...asNobody, ...request], { mayFail: true })).toMatchObject({ status: 7, stdout: '' })
    expect(await other.stop()).toBe(0)
  })

  it('answers curl, from the first service to the last', async () => {
    const added = { id: 'tcp:10.77.0.100:8080', ...SERVICE, scheduler: 'wlc', destinations: [] }
    expect(await ask(`POST ${ALL}`, SERVICE)).toMatchObject({ status: 201, body: added })
    const server = { ...SERVER, method: 'masquerading', weight: 5 }
    expect(await ask(`POST ${SERVERS}`, server)).toMatchObject({ status: 201, body: server })
    expect(await ask(`GET ${ONE}`)).toMatchObject({ status: 200, body: { destinations: [server] } })
    const edited = { method: 'masquerading', weight: 0 }
    const at = `${SERVERS}/10.78.0.11:80`
    expect(await ask(`PUT ${at}`, edited)).toMatchObject({ status: 200, body: edited })
    const scheduler = { scheduler: 'rr' }
    expect(await ask(`PUT ${ONE}`, scheduler)).toMatchObject({ status: 200, body: scheduler })
    expect(await ask(`GET ${ALL}`)).toMatchObject({ status: 200, body: { services: [scheduler] } })
    expect(await ask(`POST ${ONE}/zero`)).toEqual(NOTHING)
    expect(await ask('POST /v1/zero')).toEqual(NOTHING)
    expect(await ask('GET /v1/connections')).toEqual({ status: 200, body: { connections: [] } })
    const timeouts = { tcp: 900, tcpFin: 120, udp: 300 }
    expect(await ask('GET /v1/timeouts')).toEqual({ status: 200, body: timeouts })
    expect(await ask('GET /v1/info')).toMatchObject({ status: 200, body: { pid: uipvs.program.pid } })
    expect(await ask(`DELETE ${at}`)).toEqual(NOTHING)
    expect(await ask(`DELETE ${ONE}`)).toEqual(NOTHING)
    expect(await ask(`GET ${ONE}`)).toMatchObject({ status: 404 })
    expect(await ask(`DELETE ${ALL}`)).toEqual(NOTHING)
  })

  describe('refuses', () => {
    let before: unknown
    const state = async () => [await ask(`GET ${ALL}`), await lab.snapshot('director')]

    beforeAll(async () => {
      await ask(`POST ${ALL}`, SERVICE)
      await ask(`POST ${SERVERS}`, SERVER)
      before = await state()
    })

    afterAll(async () => {
      await ask(`DELETE ${ALL}`)
    })

    const tooLong = { tcp: 2_000_000_000, tcpFin: 0, udp: 0 }
    it.each([
      ['a service twice', `POST ${ALL}`, SERVICE, '409 service-exists EEXIST'],
      ['a real server twice', `POST ${SERVERS}`, SERVER, '409 destination-exists EEXIST'],
      ['a service that is not there', `GET ${ALL}/udp:10.77.0.100:1`, undefined, '404 no-such-service ESRCH'],
      ['one to be deleted', `DELETE ${ALL}/fwmark:1`, undefined, '404 no-such-service ESRCH'],
      ['a real server of none', `POST ${ALL}/fwmark:1/destinations`, SERVER, '404 no-such-service ESRCH'],
      [
        'a real server not there',
        `DELETE ${SERVERS}/10.78.0.12:80`,
        undefined,
        '404 no-such-destination ENOENT',
      ],
      ['another place', 'GET /v2/services', undefined, '404 no-such-resource ENOENT'],
      ['another method', `PATCH ${ALL}`, undefined, '405 method-not-allowed EPERM'],
      ['what is no service', `GET ${ALL}/tcp:10.77.0.100`, undefined, '400 malformed-request EINVAL'],
      ['what is no endpoint', `DELETE ${SERVERS}/10.78.0.11`, undefined, '400 malformed-request EINVAL'],
      ['broken percent-encoding', `GET ${ALL}/%zz`, undefined, '400 malformed-request EINVAL'],
      ['nothing as a service', `POST ${ALL}`, undefined, '400 malformed-request EINVAL'],
      ['what is no JSON', `POST ${ALL}`, '{"protocol":', '400 not-json EINVAL'],
      ['a list as a service', `POST ${ALL}`, [], '422 invalid-value EINVAL'],
      [
        'an address that is none',
        `POST ${ALL}`,
        { ...SERVICE, address: '10.77.0' },
        '422 invalid-value EINVAL',
      ],
      ['a port that is none', `POST ${ALL}`, { ...SERVICE, port: 65_536 }, '422 invalid-value EINVAL'],
      ['a setting that is none', `POST ${ALL}`, { ...SERVICE, colour: 1 }, '422 invalid-value EINVAL'],
      ['an unknown scheduler', `PUT ${ONE}`, { scheduler: 'best' }, '422 scheduler-not-found ENOENT'],
      ['a weight below 0', `PUT ${SERVERS}/10.78.0.11:80`, { weight: -1 }, '422 invalid-value EINVAL'],
      ['a timeout too long', 'PUT /v1/timeouts', tooLong, '422 invalid-value EINVAL'],
      ['too long a body', `POST ${ALL}`, `"${'x'.repeat(3_000_000)}"`, '413 body-too-large EMSGSIZE'],
    ] as const)('%s', async (_title, request, body, refusal) => {
      const [status, code, errno] = refusal.split(' ')
      const message = expect.stringMatching(/^.{10,150}$/) as string
      expect(await ask(request, body)).toMatchObject({
        status: Number(status),
        body: { error: { code, errno, message } },
      })
    })

    it('and has changed nothing', async () => {
      expect(await state()).toEqual(before)
    })
  })

  it('makes changes that are asked for at once one after the other', async () => {
    const control = new ControlClient(uipvs.socketPath)
    const ports = Array.from({ length: 12 }, (_, index) => 9000 + index)
    await Promise.all(ports.map((port) => control.addService({ ...SERVICE, port })))
    const { stdout } = await lab.exec('director', ['iptables-save', '-t', 'mangle'])
    for (const port of ports) expect(stdout).toContain(`--dport ${port} -j NFQUEUE`)
    expect(await control.services()).toHaveLength(ports.length)
    await control.flush()
    expect((await lab.exec('director', ['iptables-save'])).stdout).not.toContain('NFQUEUE')
  })

  it('cuts off clients that do not get done, and lets nobody wait for them', async () => {
    const starts = [
      'GET /v1/info HTTP/1.1\r\nHost: x\r\n',
      'POST /v1/services HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{',
    ]
    const clients = starts.map(slowClient)
    for (let time = 0; time < 5; time++) {
      const startedMs = performance.now()
      expect((await ask('GET /v1/info')).status).toBe(200)
      expect(performance.now() - startedMs).toBeLessThan(2000)
    }
    for (const ms of await Promise.all(clients)) expect(ms).toBeGreaterThan(9_000)
  })

  async function ask(request: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const [method = '', path = ''] = request.split(' ')
    const data = typeof body === 'string' ? body : JSON.stringify(body)
    const { stdout } = await run(
      [
        ...['curl', '--silent', '--max-time', '5', '--unix-socket', uipvs.socketPath],
        ...['--request', method, '--write-out', '\n%{http_code}', `http://uipvs${path}`],
        ...(data === undefined ? [] : ['--data-binary', '@-']),
      ],
      { input: data ?? '' },
    )
    const [, text = '', status = ''] = /^(.*)\n(\d+)$/s.exec(stdout) ?? []
    return { status: Number(status), body: text === '' ? undefined : JSON.parse(text) }
  }

  /** Sends `text` and then nothing; resolves when the daemon ends the connection, to the milliseconds until then. */
  function slowClient(text: string): Promise<number> {
    const startedMs = performance.now()
    return new Promise((resolve, reject) => {
      const socket = connect(uipvs.socketPath, () => socket.write(text))
      socket.resume()
      socket.on('error', reject)
      socket.on('close', () => resolve(performance.now() - startedMs))
      socket.setTimeout(20_000, () => socket.destroy(new Error('not cut off in 20 s')))
    })
  }
})
