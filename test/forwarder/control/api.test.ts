/** Every request of the table, good and bad, on the real server; every answer is held to the OpenAPI document. */

import { request as httpRequest } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type Json, openApiDocument } from '../../../control/openapi.ts'
import { REQUESTS, type RequestName } from '../../../control/requests.ts'
import { type LiveApi, startLiveApi } from '../../support/live-api.ts'

let api: LiveApi
beforeAll(async () => {
  api = await startLiveApi()
})
afterEach(async () => {
  await api.client.flush()
  expect(api.logged).toEqual([])
})
afterAll(async () => {
  await api.stop()
})

const SERVICE = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const
const SERVER = { address: '192.168.1.1', port: 80, method: 'masquerading' } as const
const [ALL, ONE] = ['/v1/services', '/v1/services/tcp:10.0.0.1:80'] as const
const [SERVERS, AT] = [`${ONE}/destinations`, `${ONE}/destinations/192.168.1.1:80`] as const
const CONFIG = '/v1/config'
const ANY = { 'if-match': '*' }

interface Call {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
}

/** Asks, and holds the answer to the document: status and shape must be among those that it gives for the request. */
async function ask(line: string, { body, headers = {} }: Call = {}): Promise<Answered> {
  const answered = await exchange(line, { body, headers })
  const [method = '', path = ''] = line.split(' ')
  const described = operationFor(method, path)
  if (described !== undefined) expectDescribed(line, described, answered)
  return answered
}

function exchange(line: string, { body, headers }: Call): Promise<Answered> {
  const [method = '', path = ''] = line.split(' ')
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      { socketPath: api.socketPath, method, path, headers: { ...headers }, agent: false },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const parsed = text === '' ? undefined : JSON.parse(text)
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: parsed })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  })
}

type JsonObject = { readonly [key: string]: Json }
const DOCUMENT = openApiDocument('0.0.0') as unknown as {
  readonly paths: Record<string, Record<string, { operationId: string; responses: Record<string, Response> }>>
  readonly components: { readonly schemas: JsonObject }
}
interface Response {
  readonly headers?: Record<string, unknown>
  readonly content?: Record<string, { schema: JsonObject }>
}

function operationFor(method: string, path: string) {
  const segments = path.split('/')
  const found = Object.entries(DOCUMENT.paths).find(([pattern]) => {
    const parts = pattern.split('/')
    return (
      parts.length === segments.length &&
      parts.every((part, index) => part.startsWith('{') || part === segments[index])
    )
  })
  return found?.[1][method.toLowerCase()]
}

function expectDescribed(
  line: string,
  { operationId, responses }: { operationId: string; responses: Record<string, Response> },
  { status, headers, body }: Answered,
): void {
  seen.add(`${operationId} ${status}`)
  const response = responses[status]
  if (response === undefined) throw new Error(`${line}: the document knows no answer ${status}`)
  for (const name of Object.keys(response.headers ?? {})) expect(headers[name.toLowerCase()]).toBeDefined()
  const schema = response.content?.['application/json']?.schema
  if (schema === undefined) expect(body).toBeUndefined()
  else expect(flawOf(schema, body), `${line} ${status}`).toBeNull()
}

/** What the document's schema finds wrong with a value; the schema, not the zod shapes that it was made from. */
function flawOf(schema: JsonObject, value: unknown): string | null {
  const whole = JSON.parse(
    JSON.stringify({ ...schema, $defs: DOCUMENT.components.schemas }).replaceAll(
      '#/components/schemas/',
      '#/$defs/',
    ),
  )
  const result = z.fromJSONSchema(whole).safeParse(value)
  return result.success ? null : z.prettifyError(result.error)
}

/** Operation and status of every answer that came. */
const seen = new Set<string>()

describe('each request', () => {
  it('does what it says, from the first service to the last', async () => {
    const added = { id: 'tcp:10.0.0.1:80', ...SERVICE, scheduler: 'wlc', destinations: [] }
    expect(await ask(`POST ${ALL}`, { body: SERVICE })).toMatchObject({ status: 201, body: added })
    expect(await ask(`POST ${SERVERS}`, { body: SERVER })).toMatchObject({ status: 201, body: SERVER })
    expect(await ask(`GET ${ONE}`)).toMatchObject({ status: 200, body: { destinations: [SERVER] } })
    expect(await ask(`PUT ${AT}`, { body: { ...SERVER, weight: 7 } })).toMatchObject({ status: 422 })
    expect(await ask(`PUT ${AT}`, { body: { weight: 7 } })).toMatchObject({
      status: 200,
      body: { weight: 7 },
    })
    expect(await ask(`PUT ${ONE}`, { body: { scheduler: 'rr' } })).toMatchObject({
      body: { scheduler: 'rr' },
    })
    expect(await ask(`GET ${ALL}`)).toMatchObject({ body: { services: [{ scheduler: 'rr' }] } })
    expect(await ask(`POST ${ONE}/zero`)).toMatchObject({ status: 204 })
    expect(await ask('POST /v1/zero')).toMatchObject({ status: 204 })
    expect(await ask('GET /v1/connections')).toMatchObject({ body: { connections: [] } })
    expect(await ask('GET /v1/timeouts')).toMatchObject({ body: { tcp: 900, tcpFin: 120, udp: 300 } })
    expect(await ask('PUT /v1/timeouts', { body: { tcp: 0, tcpFin: 60, udp: 0 } })).toMatchObject({
      body: { tcp: 900, tcpFin: 60, udp: 300 },
    })
    expect(await ask('PUT /v1/knobs', { body: { drop_entry: 3 } })).toMatchObject({ body: { drop_entry: 3 } })
    expect(await ask('GET /v1/knobs')).toMatchObject({ body: { drop_entry: 3, am_droprate: 10 } })
    expect(await ask(`GET ${CONFIG}`)).toMatchObject({
      headers: { etag: `"${api.ledger.revision}"` },
      body: { services: [{ ...SERVICE, destinations: [{ weight: 7 }] }], knobs: { drop_entry: 3 } },
    })
    expect(await ask(`PUT ${CONFIG}`, { body: { services: [] }, headers: ANY })).toMatchObject({
      status: 200,
      headers: { etag: `"${api.ledger.revision}"` },
      body: {
        revision: api.ledger.revision,
        changes: [{ kind: 'destination-removed' }, { kind: 'service-removed' }],
      },
    })
    await ask(`POST ${ALL}`, { body: SERVICE })
    await ask(`POST ${SERVERS}`, { body: SERVER })
    expect(await ask(`DELETE ${AT}`)).toMatchObject({ status: 204 })
    expect(await ask(`DELETE ${ONE}`)).toMatchObject({ status: 204 })
    expect(await ask(`DELETE ${ALL}`)).toMatchObject({ status: 204 })
    expect(await ask('GET /v1/info')).toMatchObject({ body: { pid: process.pid } })
    expect(await ask('PUT /v1/log', { body: { level: 'debug' } })).toMatchObject({ body: { level: 'debug' } })
    expect(await ask('GET /v1/log')).toMatchObject({ body: { level: 'debug' } })
    expect(await ask('GET /v1/report')).toMatchObject({ body: { services: [] } })
    await ask(`POST ${ALL}`, { body: SERVICE })
    expect(await ask('POST /v1/reload')).toMatchObject({
      status: 200,
      body: { changes: [{ kind: 'service-removed' }, {}, {}], needsRestart: [] },
    })
    expect(await ask('GET /v1/openapi.json')).toMatchObject({ body: { openapi: '3.1.0', paths: {} } })
  })

  it.each<[string, string, Call, string]>([
    ['a service twice', `POST ${ALL}`, { body: SERVICE }, '409 service-exists EEXIST'],
    ['a real server twice', `POST ${SERVERS}`, { body: SERVER }, '409 destination-exists EEXIST'],
    ['a service that is not there', `GET ${ALL}/udp:10.0.0.1:1`, {}, '404 no-such-service ESRCH'],
    ['one to be edited', `PUT ${ALL}/fwmark:1`, { body: {} }, '404 no-such-service ESRCH'],
    ['one to be deleted', `DELETE ${ALL}/fwmark:1`, {}, '404 no-such-service ESRCH'],
    ['one to be zeroed', `POST ${ALL}/fwmark:1/zero`, {}, '404 no-such-service ESRCH'],
    ['a server of none', `POST ${ALL}/fwmark:1/destinations`, { body: SERVER }, '404 no-such-service ESRCH'],
    ['a server not there', `PUT ${SERVERS}/10.0.0.9:1`, { body: {} }, '404 no-such-destination ENOENT'],
    ['one to be removed', `DELETE ${SERVERS}/10.0.0.9:1`, {}, '404 no-such-destination ENOENT'],
    ['another place', 'GET /v2/services', {}, '404 no-such-resource ENOENT'],
    ['another method', `PATCH ${ALL}`, {}, '405 method-not-allowed EPERM'],
    ['what is no service', `GET ${ALL}/tcp:10.0.0.1`, {}, '400 malformed-request EINVAL'],
    ['what is no endpoint', `DELETE ${SERVERS}/192.168.1.1`, {}, '400 malformed-request EINVAL'],
    ['broken percent-encoding', `GET ${ALL}/%zz`, {}, '400 malformed-request EINVAL'],
    ['nothing as a service', `POST ${ALL}`, {}, '400 malformed-request EINVAL'],
    ['half a JSON text', `POST ${ALL}`, { body: '{"protocol":' }, '400 not-json EINVAL'],
    ['a list as a service', `POST ${ALL}`, { body: [] }, '422 invalid-value EINVAL'],
    ['no address', `POST ${ALL}`, { body: { ...SERVICE, address: '10.0' } }, '422 invalid-value EINVAL'],
    ['no port', `POST ${ALL}`, { body: { ...SERVICE, port: 65_536 } }, '422 invalid-value EINVAL'],
    ['a strange setting', `POST ${ALL}`, { body: { ...SERVICE, a: 1 } }, '422 invalid-value EINVAL'],
    ['no scheduler', `PUT ${ONE}`, { body: { scheduler: 'best' } }, '422 scheduler-not-found ENOENT'],
    ['no engine', `PUT ${ONE}`, { body: { engine: 'sap' } }, '422 engine-not-found ENOENT'],
    ['a weight below 0', `PUT ${AT}`, { body: { weight: -1 } }, '422 invalid-value EINVAL'],
    ['thresholds', `PUT ${AT}`, { body: { lowerThreshold: 2 } }, '422 out-of-range ERANGE'],
    ['no knob', 'PUT /v1/knobs', { body: { colour: 1 } }, '422 invalid-value EINVAL'],
    ['no knob’s value', 'PUT /v1/knobs', { body: { drop_entry: 4 } }, '422 invalid-value EINVAL'],
    [
      'a timeout too long',
      'PUT /v1/timeouts',
      { body: { tcp: 2_000_000_000, tcpFin: 0, udp: 0 } },
      '422 invalid-value EINVAL',
    ],
    ['too long a body', `POST ${ALL}`, { body: `"${'x'.repeat(3_000_000)}"` }, '413 body-too-large EMSGSIZE'],
    ['no revision', `PUT ${CONFIG}`, { body: { services: [] } }, '428 revision-required EINVAL'],
    [
      'another revision',
      `PUT ${CONFIG}`,
      { body: { services: [] }, headers: { 'if-match': '"x.1"' } },
      '412 stale-revision ESTALE',
    ],
    ['no configuration', `PUT ${CONFIG}`, { body: {}, headers: ANY }, '422 invalid-value EINVAL'],
  ])('refuses %s, and changes nothing', async (_title, line, call, refusal) => {
    await ask(`POST ${ALL}`, { body: SERVICE })
    await ask(`POST ${SERVERS}`, { body: SERVER })
    const before = await ask(`GET ${CONFIG}`)
    const [status, code, errno] = refusal.split(' ')
    const { status: found, body } = await ask(line, call)
    const message = expect.stringMatching(/^.{8,700}$/) as string
    expect({ status: found, body }).toMatchObject({
      status: Number(status),
      body: { error: { code, errno, message } },
    })
    const after = await ask(`GET ${CONFIG}`)
    expect(after.body).toEqual(before.body)
    expect(after.headers['etag']).toBe(before.headers['etag'])
  })

  it('refuses what the host cannot do, and changes nothing', async () => {
    const { revision } = api.ledger
    api.world.hostFailure = new Error('iptables is out of order')
    const { status, body } = await ask(`POST ${ALL}`, { body: SERVICE })
    api.world.hostFailure = null
    expect(status).toBe(500)
    expect(body).toEqual({
      error: { code: 'host', errno: 'EIO', message: 'nothing was changed: iptables is out of order' },
    })
    expect(await ask(`GET ${ALL}`)).toMatchObject({ body: { services: [] } })
    expect(api.ledger.revision).toBe(revision)
  })

  it('has been asked, and answered well', () => {
    const answered = new Set(
      [...seen].filter((each) => / 20\d$/.test(each)).map((each) => each.split(' ')[0]),
    )
    const streams = ['events'] satisfies RequestName[] as string[]
    expect([...answered, ...streams].sort()).toEqual(Object.keys(REQUESTS).sort())
  })
})
