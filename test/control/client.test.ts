import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createRawServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiError, ControlClient, NotRunningError } from '../../control/index.ts'
import {
  type DestinationKey,
  parseEndpoint,
  parseServiceKey,
  type ServiceKey,
} from '../../lib/service/key.ts'
import { destinationOf, serviceOf } from '../support/api-values.ts'
import { FakeControl } from '../support/fake-control.ts'

interface Seen {
  readonly request: string
  readonly body: unknown
  readonly connection: string | undefined
}

let directory: string
let socketPath: string
let server: Server | undefined
let seen: Seen[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'uipvs-client-'))
  socketPath = join(directory, 'control.sock')
  seen = []
})
afterEach(async () => {
  if (server !== undefined) await new Promise((resolve) => server?.close(resolve))
  server = undefined
  await rm(directory, { recursive: true })
})

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of incoming) text += String(chunk)
  return text
}

/** A daemon that answers everything alike and notes what it was asked. */
async function daemon(status: number, answer?: unknown): Promise<ControlClient> {
  server = createServer(async (incoming, outgoing) => {
    const text = await textOf(incoming)
    seen.push({
      request: `${incoming.method} ${incoming.url}`,
      body: text === '' ? undefined : JSON.parse(text),
      connection: incoming.headers.connection,
    })
    outgoing.writeHead(status)
    outgoing.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server?.listen(socketPath, resolve))
  return new ControlClient(socketPath)
}

const KEY = parseServiceKey('udp:[fd00::1]:53') as ServiceKey
const ENDPOINT = parseEndpoint('[fd01::1]:80') as DestinationKey
const ID = 'udp%3A%5Bfd00%3A%3A1%5D%3A53'
const SERVICE = serviceOf('udp:[fd00::1]:53')
const DESTINATION = destinationOf('[fd01::1]:80')
const CONNECTION = {
  protocol: 'TCP',
  client: '10.9.0.1:3001',
  virtual: '10.0.0.1:80',
  destination: '10.0.0.2:80',
  state: 'ESTABLISHED',
  expiresSeconds: 899,
}
const INFO = await new FakeControl().info()
const KNOBS = await new FakeControl().knobs()
const TIMEOUTS = { tcp: 900, tcpFin: 120, udp: 300 }

describe('ControlClient', () => {
  /** A request, what is asked for it, the answer, and what comes of it where that is not the answer itself. */
  const REQUESTS: readonly {
    readonly request: string
    readonly ask: (client: ControlClient) => Promise<unknown>
    readonly body?: unknown
    readonly answer?: unknown
    readonly result?: unknown
  }[] = [
    {
      request: 'GET /v1/services',
      ask: (client) => client.services(),
      answer: { services: [SERVICE] },
      result: [SERVICE],
    },
    { request: `GET /v1/services/${ID}`, ask: (client) => client.service(KEY), answer: SERVICE },
    {
      request: 'POST /v1/services',
      ask: (client) => client.addService({ fwmark: 5, scheduler: 'rr' }),
      body: { fwmark: 5, scheduler: 'rr' },
      answer: SERVICE,
    },
    {
      request: `PUT /v1/services/${ID}`,
      ask: (client) => client.editService(KEY, {}),
      body: {},
      answer: SERVICE,
    },
    { request: `DELETE /v1/services/${ID}`, ask: (client) => client.deleteService(KEY) },
    { request: 'DELETE /v1/services', ask: (client) => client.flush() },
    { request: `POST /v1/services/${ID}/zero`, ask: (client) => client.zeroService(KEY) },
    {
      request: `POST /v1/services/${ID}/destinations`,
      ask: (client) => client.addDestination(KEY, { address: 'fd01::1', port: 80 }),
      body: { address: 'fd01::1', port: 80 },
      answer: DESTINATION,
    },
    {
      request: `PUT /v1/services/${ID}/destinations/%5Bfd01%3A%3A1%5D%3A80`,
      ask: (client) => client.editDestination(KEY, ENDPOINT, { weight: 2 }),
      body: { weight: 2 },
      answer: DESTINATION,
    },
    {
      request: `DELETE /v1/services/${ID}/destinations/%5Bfd01%3A%3A1%5D%3A80`,
      ask: (client) => client.deleteDestination(KEY, ENDPOINT),
    },
    { request: 'POST /v1/zero', ask: (client) => client.zeroAll() },
    {
      request: 'GET /v1/connections',
      ask: (client) => client.connections(),
      answer: { connections: [CONNECTION] },
      result: [CONNECTION],
    },
    { request: 'GET /v1/timeouts', ask: (client) => client.timeouts(), answer: TIMEOUTS },
    {
      request: 'PUT /v1/timeouts',
      ask: (client) => client.setTimeouts(TIMEOUTS),
      body: TIMEOUTS,
      answer: TIMEOUTS,
    },
    { request: 'GET /v1/knobs', ask: (client) => client.knobs(), answer: KNOBS },
    {
      request: 'PUT /v1/knobs',
      ask: (client) => client.setKnobs({ drop_entry: 3 }),
      body: { drop_entry: 3 },
      answer: KNOBS,
    },
    { request: 'GET /v1/info', ask: (client) => client.info(), answer: INFO },
  ]

  it.each(REQUESTS)(
    'asks $request and closes the connection',
    async ({ request, ask, body, answer, result }) => {
      const client = await daemon(answer === undefined ? 204 : 200, answer)
      expect(await ask(client)).toEqual(result ?? answer)
      expect(seen).toEqual([{ request, body, connection: 'close' }])
    },
  )

  it('throws a refusal with its code, errno, status and message', async () => {
    const client = await daemon(409, {
      error: { code: 'service-exists', errno: 'EEXIST', message: 'tcp:10.0.0.1:80 exists' },
    })
    const error = await client.addService({ fwmark: 5 }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      code: 'service-exists',
      errno: 'EEXIST',
      status: 409,
      message: 'tcp:10.0.0.1:80 exists',
    })
  })

  it.each<[string, number, unknown]>([
    ['another shape', 200, { tcp: 'soon' }],
    ['no JSON', 200, '<html>'],
    ['nothing', 200, ''],
    ['an error of another kind', 500, 'Internal Server Error'],
  ])('does not believe %s, and says what it got', async (_what, status, answer) => {
    const client = await daemon(status, answer)
    const error = await client.timeouts().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(Error)
    expect(error).not.toBeInstanceOf(ApiError)
    expect((error as Error).message).toContain(socketPath)
    expect((error as Error).message).toContain(`GET /v1/timeouts was answered with ${status}`)
  })

  it('says that there is no socket', async () => {
    const error = await new ControlClient(socketPath).info().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(NotRunningError)
    expect(error).toMatchObject({
      message: `There is no control socket ${socketPath}`,
      remedy: "Are you sure that 'uipvs run' is running?",
    })
  })

  it('says that nobody answers at a socket left behind', async () => {
    // Closing a listener removes its socket file, so one is made by a process that does not get to close it.
    const program = `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', program], { timeout: 10_000 })
    const error = await new ControlClient(socketPath).info().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(NotRunningError)
    expect(error).toMatchObject({ message: `Nobody answers at ${socketPath}` })
  })

  it('says which socket hung up', async () => {
    const raw = createRawServer((connection) => connection.destroy())
    await new Promise<void>((resolve) => raw.listen(socketPath, resolve))
    const error = await new ControlClient(socketPath).info().catch((reason: unknown) => reason)
    raw.close()
    expect(error).toBeInstanceOf(Error)
    expect(error).not.toBeInstanceOf(NotRunningError)
    expect((error as Error).message).toMatch(`Control socket ${socketPath}: `)
  })
})
