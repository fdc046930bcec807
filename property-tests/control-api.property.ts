/** What anybody may send to the control API: it is answered in one line, and what is refused changes nothing. */

import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiError } from '../control/control.ts'
import { parted } from '../control/difference.ts'
import { REQUESTS, type RequestName, type RequestRow } from '../control/requests.ts'
import { Transport } from '../control/transport.ts'
import { type LiveApi, startLiveApi } from '../test/support/live-api.ts'
import { configuration } from './arbitraries/configuration.ts'
import { spoiled } from './arbitraries/json.ts'

let api: LiveApi
beforeAll(async () => {
  api = await startLiveApi()
})
afterAll(async () => {
  expect(api.logged).toEqual([])
  await api.stop()
})

const SERVICE = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const
const SERVER = { address: '192.168.1.1', port: 80, method: 'masquerading' } as const

/** A body that each request takes, from which others are made by spoiling it. */
const BODIES = {
  addService: { ...SERVICE, port: 81, scheduler: 'sh', schedulerFlags: ['flag-1'], persistentSeconds: 60 },
  editService: { scheduler: 'rr', persistentSeconds: 300, netmask: '255.255.255.0', engine: 'sip' },
  addDestination: { ...SERVER, port: 81, weight: 5, upperThreshold: 9, tunnel: { type: 'gue', port: 6080 } },
  editDestination: { method: 'ipip', weight: 0, lowerThreshold: 1, upperThreshold: 2 },
  setTimeouts: { tcp: 900, tcpFin: 0, udp: 300 },
  setKnobs: { drop_entry: 1, sync_threshold: '3 50', sloppy_tcp: 1 },
  replaceConfiguration: {
    services: [{ ...SERVICE, destinations: [SERVER, { ...SERVER, port: 82 }] }, { fwmark: 5 }],
    timeouts: { tcp: 0, tcpFin: 1, udp: 2 },
    knobs: { drop_packet: 1 },
  },
  setLogSettings: { level: 'debug' },
} satisfies Partial<Record<RequestName, unknown>>

const takers = Object.entries(REQUESTS as Readonly<Record<string, RequestRow>>).filter(([, row]) => row.body)

/** Sends text as a body to the row; the path leads to a service and a real server that are there. */
async function send({ method, path }: RequestRow, content: string) {
  const filled = path.replace('{service}', 'tcp:10.0.0.1:80').replace('{endpoint}', '192.168.1.1:80')
  const headers = { 'if-match': '*' }
  return await new Transport(api.socketPath).exchange({ method, path: filled, headers, content })
}

/** The configuration that every try begins with, and what names it. */
async function begin(): Promise<string> {
  await api.client.replaceConfiguration({ services: [{ ...SERVICE, destinations: [SERVER] }] }, '*')
  return api.ledger.revision
}

async function answersWell(row: RequestRow, content: string): Promise<void> {
  const revision = await begin()
  const before = JSON.stringify(api.ledger.configuration)
  const { status, body } = await send(row, content)
  const answer: unknown = body === '' ? undefined : JSON.parse(body)
  if (status < 300) {
    row.answer?.parse(answer)
    return
  }
  expect(status).toBeGreaterThanOrEqual(400)
  expect(status).toBeLessThan(500)
  const { message } = (answer as { error: { message: string } }).error
  expect(message).toMatch(/^[^\n]{5,2000}$/)
  expect(JSON.stringify(api.ledger.configuration)).toBe(before)
  expect(api.ledger.revision).toBe(revision)
}

describe('the control API', () => {
  it('is tried with every request that takes a body', () => {
    expect(takers.map(([name]) => name).sort()).toEqual(Object.keys(BODIES).sort())
  })

  it.each(takers)('%s answers any JSON well, and changes nothing that it refuses', async (_name, row) => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), (value) => answersWell(row, JSON.stringify(value))),
      { numRuns: 30 },
    )
  })

  it.each(takers)('%s answers spoiled bodies well, too', async (name, row) => {
    const good = BODIES[name as keyof typeof BODIES]
    expect((await begin().then(() => send(row, JSON.stringify(good)))).status).toBeLessThan(300)
    await fc.assert(
      fc.asyncProperty(spoiled(good), (value) => answersWell(row, JSON.stringify(value))),
      { numRuns: 60 },
    )
  })

  it.each(takers)('%s answers what is no JSON well', async (name, row) => {
    const text = JSON.stringify(BODIES[name as keyof typeof BODIES])
    const cut = fc.nat(text.length - 1).map((length) => text.slice(0, length))
    await fc.assert(
      fc.asyncProperty(fc.oneof(cut, fc.string({ minLength: 1 })), async (content) => {
        if (content !== '') await answersWell(row, content)
      }),
      { numRuns: 30 },
    )
  })
})

describe('a whole configuration', () => {
  const wanted = configuration.map((services) => ({
    services: services.map(({ service, servers }) => ({ ...service, destinations: [...servers] })),
  }))

  /** Without regard to order: nobody asked for one. */
  const sortedServices = () =>
    api.ledger.configuration.services
      .map((each) => {
        const { config, destinations } = parted(each)
        return JSON.stringify([config, destinations.map((server) => JSON.stringify(server)).sort()])
      })
      .sort()

  it('is in force after whatever was before it, and asked for again changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(wanted, wanted, async (before, after) => {
        await api.client.flush()
        await api.client.replaceConfiguration(after, '*')
        const alone = sortedServices()
        await api.client.replaceConfiguration(before, '*')
        await api.client.replaceConfiguration(after, '*')
        expect(sortedServices()).toEqual(alone)
        expect((await api.client.replaceConfiguration(after, '*')).changes).toEqual([])
        // The data path has what the ledger says.
        const listed = await api.client.services()
        expect(listed.map(({ id }) => id).sort()).toEqual([...api.ledger.registry.keys()].sort())
        for (const { id, destinations, scheduler } of listed) {
          const registered = api.ledger.registry.get(id)
          expect(scheduler).toBe(registered?.config.scheduler)
          expect(
            destinations.map(({ address, port, weight }) => `${address} ${port} ${weight}`).sort(),
          ).toEqual(
            Array.from(registered?.destinations.values() ?? [], ({ config }) => config)
              .map(({ address, port, weight }) => `${address} ${port} ${weight}`)
              .sort(),
          )
        }
      }),
      { numRuns: 25 },
    )
  })

  it('of several at once, one is in force as a whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(wanted, { minLength: 2, maxLength: 5 }), async (several) => {
        const alone: string[] = []
        for (const each of several) {
          await api.client.replaceConfiguration(each, '*')
          alone.push(JSON.stringify(sortedServices()))
        }
        const { revision } = api.ledger
        const outcomes = await Promise.all(
          several.map((each) =>
            api.client.replaceConfiguration(each, revision).then(
              () => 'made',
              (error: unknown) => (error instanceof ApiError ? error.code : String(error)),
            ),
          ),
        )
        // One that asks for what is there makes no change, and leaves the revision to the next.
        expect(outcomes.every((each) => each === 'made' || each === 'stale-revision')).toBe(true)
        expect(outcomes).toContain('made')
        expect(alone).toContain(JSON.stringify(sortedServices()))
      }),
      { numRuns: 15 },
    )
  })
})
