import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Notifier, openNotifier, watchdogPeriodMs } from '../../../forwarder/life/notify.ts'
import { loadSeam } from '../../../forwarder/native/seam.ts'

/** Prints each datagram as a line of JSON: Node itself has no datagrams of the Unix kind. */
const RECEIVER = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
receiver.bind("\\0" + name[1:] if name.startswith("@") else name)
print("bound", flush=True)
while True:
    print(json.dumps(receiver.recv(4096).decode()), flush=True)
`

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'uipvs-notify-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

let receiver: ChildProcess | undefined
let notifier: Notifier | undefined
afterEach(() => {
  notifier?.close()
  receiver?.kill('SIGKILL')
  receiver = undefined
})

async function listening(address: string): Promise<() => Promise<string>> {
  const child = spawn('python3', ['-c', RECEIVER, address], { stdio: ['ignore', 'pipe', 'inherit'] })
  receiver = child
  let text = ''
  const arrivals: (() => void)[] = []
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    for (const tell of arrivals.splice(0)) tell()
  })
  const line = async (): Promise<string> => {
    while (!text.includes('\n')) await new Promise<void>((resolve) => arrivals.push(resolve))
    const [first, ...rest] = text.split('\n')
    text = rest.join('\n')
    return first as string
  }
  expect(await line()).toBe('bound')
  return async () => JSON.parse(await line()) as string
}

describe.each([
  ['a path', () => join(directory, 'notify.sock')],
  ['an abstract name', () => `@uipvs-notify-${process.pid}`],
])('a service manager at %s', (_kind, addressOf) => {
  it('is told everything that sd_notify has words for', async () => {
    const socket = addressOf()
    const datagram = await listening(socket)
    const warnings: string[] = []
    notifier = openNotifier({ socket, seam: loadSeam(), warn: (message) => warnings.push(message) })

    notifier.ready('3 services')
    expect(await datagram()).toBe('READY=1\nSTATUS=3 services')
    const beforeUs = process.hrtime.bigint() / 1000n
    notifier.reloading()
    const [reloading, monotonic, status] = (await datagram()).split('\n')
    expect([reloading, status]).toEqual(['RELOADING=1', 'STATUS=reloading'])
    const saidUs = BigInt(/^MONOTONIC_USEC=(\d+)$/.exec(monotonic as string)?.[1] as string)
    expect(saidUs).toBeGreaterThanOrEqual(beforeUs)
    expect(saidUs).toBeLessThanOrEqual(process.hrtime.bigint() / 1000n)
    notifier.alive()
    expect(await datagram()).toBe('WATCHDOG=1')
    notifier.stopping('keeping the state')
    expect(await datagram()).toBe('STOPPING=1\nSTATUS=keeping the state')
    expect(warnings).toEqual([])
  })
})

describe('a service manager that is not there', () => {
  it('is no reason to end, and is mentioned once', () => {
    const warnings: string[] = []
    const socket = join(directory, 'nobody.sock')
    notifier = openNotifier({ socket, seam: loadSeam(), warn: (message) => warnings.push(message) })
    notifier.ready('')
    notifier.alive()
    expect(warnings).toEqual([expect.stringMatching(/^cannot tell the service manager at .*: ENOENT/)])
  })

  it.each([
    ['vsock:2:1234', /^NOTIFY_SOCKET is 'vsock:2:1234', where a path or a name behind @ was expected/],
    [`/${'x'.repeat(107)}`, /^NOTIFY_SOCKET is too long/],
  ])('is refused as %s', (socket, message) => {
    expect(() => openNotifier({ socket, seam: loadSeam(), warn() {} })).toThrow(message)
  })
})

describe('the watchdog', () => {
  it.each([
    [{ WATCHDOG_USEC: '30000000' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '43' }, null],
    [{ WATCHDOG_USEC: '100' }, 1],
    [{ WATCHDOG_USEC: '0' }, null],
    [{ WATCHDOG_USEC: 'soon' }, null],
    [{}, null],
  ])('with %j is fed every %s ms', (env, periodMs) => {
    expect(watchdogPeriodMs(env, 42)).toBe(periodMs)
  })
})
