/** What no well-behaved client does, and what becomes of it: each gets one clear answer, and nobody waits for it. */

import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LiveApi, startLiveApi } from '../../support/live-api.ts'

const PATIENCE_MS = 300

let api: LiveApi
const sockets = new Set<Socket>()
beforeEach(async () => {
  api = await startLiveApi({ patienceMs: PATIENCE_MS, connections: 5, headerBytes: 2048 })
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  expect(api.logged).toEqual([])
  await api.stop()
})

/** A connection of a client that only sends what it is told to. */
function open(): Socket {
  const socket = connect(api.socketPath)
  // Being cut off in the middle of a word is what these clients are here for.
  socket.on('error', () => {})
  sockets.add(socket)
  return socket
}

/** Everything that comes until the connection ends. */
function rest(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
  })
}

const send = (text: string | Buffer): Promise<string> => {
  const socket = open()
  socket.write(text)
  return rest(socket)
}

const errorIn = (answer: string): { status: number; code: string; message: string } => {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const { code, message } = (JSON.parse(body) as { error: { code: string; message: string } }).error
  expect(message).not.toContain('\n')
  return { status: Number(head.split(' ')[1]), code, message }
}

const post = (headers: string, body = '') =>
  `POST /v1/services HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`

describe('the control server', () => {
  it.each<[string, string | Buffer, number, string]>([
    ['another protocol', 'EHLO director\r\n\r\n', 400, 'malformed-request'],
    ['a header without a name', 'GET /v1/info HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n', 400, 'malformed-request'],
    ['two lengths', post('Content-Length: 1\r\nContent-Length: 2', 'xx'), 400, 'malformed-request'],
    [
      'endless headers',
      `GET /v1/info HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(8000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    ['a body that says it is too long', post('Content-Length: 99999999'), 413, 'body-too-large'],
    [
      'what is no UTF-8',
      Buffer.concat([
        Buffer.from(post('Connection: close\r\nContent-Length: 3')),
        Buffer.from([0x22, 0xff, 0x22]),
      ]),
      400,
      'not-json',
    ],
    ['a number too many', post('Connection: close\r\nContent-Length: 4', '{} 1'), 400, 'not-json'],
  ])('answers %s with one clear error', async (_what, text, status, code) => {
    expect(errorIn(await send(text))).toMatchObject({ status, code })
  })

  it('reads no more of an endless body than is allowed', async () => {
    const socket = open()
    const answer = rest(socket)
    socket.write(post('Transfer-Encoding: chunked'))
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`
    let sentBytes = 0
    await new Promise<void>((resolve) => {
      socket.on('close', resolve)
      const more = (): void => {
        while (!socket.destroyed && sentBytes < 64 * 1024 * 1024) {
          sentBytes += chunk.length
          if (!socket.write(chunk)) return
        }
      }
      socket.on('drain', more)
      more()
    })
    expect(errorIn(await answer)).toMatchObject({ status: 413, code: 'body-too-large' })
    expect(sentBytes).toBeLessThan(16 * 1024 * 1024)
  })

  it.each([
    ['the first line', 'GET /v1/in'],
    ['the headers', 'GET /v1/info HTTP/1.1\r\nHost: x\r\n'],
    ['the body', post('Content-Length: 99', '{')],
  ])('cuts a client off that does not finish %s, and says why', async (_what, text) => {
    const startedMs = performance.now()
    const answer = await send(text)
    expect(performance.now() - startedMs).toBeGreaterThan(PATIENCE_MS * 0.9)
    expect(errorIn(answer)).toMatchObject({ status: 408, code: 'too-slow' })
  })

  it('cuts a client off that does not read its answers', { timeout: 20_000 }, async () => {
    const socket = open()
    socket.pause()
    for (let request = 0; request < 64; request++)
      socket.write('GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n')
    await expect.poll(() => api.connections()).toBe(1)
    // What came before is still to be had by one who then reads: not all of it, and then the end.
    await expect.poll(() => api.connections(), { timeout: 10_000 }).toBe(0)
    expect((await rest(socket.resume())).match(/HTTP\/1\.1 200/g)?.length).toBeLessThan(64)
  })

  it('lets nobody in beyond so many at a time, and whoever comes after they have left', async () => {
    const idle = Array.from({ length: 5 }, open)
    await expect.poll(() => api.connections()).toBe(5)
    expect(await send('GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n')).toBe('')
    for (const socket of idle) socket.destroy()
    await expect.poll(() => api.connections()).toBe(0)
    expect((await api.client.info()).pid).toBe(process.pid)
  })

  it('answers others while some are slow', async () => {
    const slow = [send('GET /v1/in'), send(post('Content-Length: 99', '{'))]
    for (let time = 0; time < 5; time++) {
      const startedMs = performance.now()
      await api.client.info()
      expect(performance.now() - startedMs).toBeLessThan(PATIENCE_MS)
    }
    await Promise.all(slow)
  })
})
