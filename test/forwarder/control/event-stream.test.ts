import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ChangeEvent } from '../../../control/configuration.ts'
import { ApiError } from '../../../control/control.ts'
import { eventsOf } from '../../../control/events.ts'
import { parseServiceKey, type ServiceKey } from '../../../lib/service/key.ts'
import { type LiveApi, startLiveApi } from '../../support/live-api.ts'

const STREAMS = { readers: 2, waiting: 500, beatMs: 50, missedBeats: 10_000, farewellMs: 2_000 }
const KEY = parseServiceKey('tcp:10.0.0.1:80') as ServiceKey
const SERVICE = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const
const SERVER = { address: '192.168.1.1', port: 80 }

let api: LiveApi
beforeEach(async () => {
  api = await startLiveApi({ streams: STREAMS })
})
afterEach(async () => {
  expect(api.logged).toEqual([])
  await api.stop()
})

/** The next events of a stream. */
async function take(events: AsyncIterator<ChangeEvent>, count: number): Promise<ChangeEvent[]> {
  const taken: ChangeEvent[] = []
  while (taken.length < count) {
    const next = await events.next()
    if (next.done) throw new Error(`the stream ended after ${taken.length} of ${count} events`)
    taken.push(next.value)
  }
  return taken
}

const listen = (): AsyncIterator<ChangeEvent> => api.client.events()[Symbol.asyncIterator]()

describe('the stream of changes', () => {
  it('begins with what is in force, and tells each change with what was and what is', async () => {
    const events = listen()
    const [first] = await take(events, 1)
    expect(first).toEqual({ kind: 'in-force', revision: api.ledger.revision })
    const revisions: string[] = []
    for (const change of [
      () => api.client.addService(SERVICE),
      () => api.client.addDestination(KEY, SERVER),
      () => api.client.editDestination(KEY, api.director.services.get(KEY)!.pool[0]!, { weight: 0 }),
      () => api.client.setTimeouts({ tcp: 0, tcpFin: 0, udp: 9 }),
      () => api.client.setKnobs({ drop_entry: 1 }),
    ]) {
      await change()
      revisions.push(api.ledger.revision)
    }
    const told = await take(events, revisions.length)
    expect(told.map((event) => 'revision' in event && event.revision)).toEqual(revisions)
    expect(told.map((event) => event.kind === 'change' && event.change)).toMatchObject([
      { kind: 'service-added', service: 'tcp:10.0.0.1:80', after: { scheduler: 'wlc' } },
      { kind: 'destination-added', endpoint: '192.168.1.1:80', after: SERVER },
      { kind: 'destination-edited', before: { weight: 1 }, after: { weight: 0 } },
      { kind: 'timeouts-changed', before: { udp: 300 }, after: { udp: 9 } },
      { kind: 'knob-changed', knob: 'drop_entry', before: 0, after: 1 },
    ])
    await events.return?.()
  })

  it('tells changes that were made at once under one revision, and to every listener', async () => {
    const listeners = [listen(), listen()]
    for (const events of listeners) await take(events, 1)
    await api.client.replaceConfiguration({ services: [{ ...SERVICE, destinations: [SERVER] }] }, '*')
    for (const events of listeners) {
      const { revision } = api.ledger
      expect(await take(events, 2)).toMatchObject([
        { revision, change: { kind: 'service-added' } },
        { revision, change: { kind: 'destination-added' } },
      ])
      await events.return?.()
    }
  })

  it('says nothing of what was refused, or is as it was', async () => {
    const events = listen()
    await take(events, 1)
    await api.client.addService(SERVICE)
    await api.client.addService(SERVICE).catch(() => {})
    await api.client.editService(KEY, {})
    await api.client.deleteService(KEY)
    expect(await take(events, 2)).toMatchObject([
      { change: { kind: 'service-added' } },
      { change: { kind: 'service-removed' } },
    ])
    await events.return?.()
  })

  it('goes on where nothing happens, for longer than a client would wait in silence', async () => {
    const { socket, text } = await rawListener()
    await expect.poll(() => text().match(/^:$/gm)?.length ?? 0).toBeGreaterThan(5)
    socket.destroy()
  })

  it('is open to so many at a time, and to others once one has left', async () => {
    const first = listen()
    const second = listen()
    await take(first, 1)
    await take(second, 1)
    const error = await listen()
      .next()
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 503, code: 'too-many-listeners', errno: 'EBUSY' })
    await second.return?.()
    await expect.poll(() => api.connections()).toBe(1)
    const third = listen()
    expect(await take(third, 1)).toMatchObject([{ kind: 'in-force' }])
    await first.return?.()
    await third.return?.()
  })

  it('ends for a reader for whom too much waits, with an event that says so, and for no other', {
    timeout: 20_000,
  }, async () => {
    const { socket, text } = await rawListener()
    socket.pause()
    const events = listen()
    await take(events, 1)
    const port = (index: number) => ({ ...SERVICE, port: index + 1 })
    // Enough to fill what the kernel and Node hold for a connection, and then the queue.
    for (let round = 0; round < 60; round++) {
      const services = Array.from({ length: 40 }, (_, index) => port(round * 40 + index))
      await api.client.replaceConfiguration({ services: services.map((each) => ({ ...each })) }, '*')
      await take(events, round === 0 ? 40 : 80)
    }
    socket.resume()
    await new Promise((resolve) => socket.on('close', resolve))
    const last = await lastEvent(text())
    expect(last).toMatchObject({ kind: 'cut', message: expect.stringContaining('500 events were waiting') })
    await events.return?.()
  })
})

describe('a reader who takes nothing at all', () => {
  it('is cut after some time, with an event that says so', { timeout: 20_000 }, async () => {
    const impatient = await startLiveApi({ streams: { ...STREAMS, waiting: 100_000, missedBeats: 4 } })
    const { socket, text } = await rawListener(impatient)
    socket.pause()
    const services = Array.from({ length: 2000 }, (_, index) => ({ ...SERVICE, port: index + 1 }))
    await impatient.client.replaceConfiguration({ services }, '*')
    const startedMs = performance.now()
    await new Promise((resolve) => setTimeout(resolve, 6 * STREAMS.beatMs))
    socket.resume()
    await new Promise((resolve) => socket.on('close', resolve))
    expect(performance.now() - startedMs).toBeLessThan(5000)
    expect(await lastEvent(text())).toMatchObject({
      kind: 'cut',
      message: expect.stringContaining('nothing was read for 0.2 seconds'),
    })
    expect(impatient.logged).toEqual([])
    await impatient.stop()
  })
})

/** A connection on which a stream has begun, and what came on it. */
async function rawListener({ socketPath } = api): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect(socketPath)
  let received = ''
  socket.on('data', (chunk) => {
    received += String(chunk)
  })
  socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n')
  await expect.poll(() => received).toContain('in-force')
  return { socket, text: () => received }
}

/** The data of the last event in what came over a connection, chunk lengths and all. */
async function lastEvent(received: string): Promise<unknown> {
  const body = received.slice(received.indexOf('\r\n\r\n') + 4).replace(/\r\n[0-9a-f]+\r\n/g, '')
  const data: string[] = []
  for await (const each of eventsOf(once(Buffer.from(body)))) data.push(each)
  return JSON.parse(data.at(-1) ?? 'null')
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value
}
