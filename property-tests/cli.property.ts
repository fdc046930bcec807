import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyOf } from '../control/index.ts'
import { FakeControl } from '../test/support/fake-control.ts'
import { type Ran, runCli, runRestore } from '../test/support/run-cli.ts'
import { arbitraryArgv, plausibleArgv } from './arbitraries/argv.ts'
import { type ConfiguredService, configuration } from './arbitraries/configuration.ts'
import { damage } from './arbitraries/save-file.ts'

async function directorWith(configured: readonly ConfiguredService[]): Promise<FakeControl> {
  const client = new FakeControl()
  for (const { service, servers } of configured) {
    const added = await client.addService(service)
    for (const server of servers) await client.addDestination(keyOf(added), server)
  }
  return client
}

/** An exit status of ipvsadm's; a success says nothing on standard error, a failure a few lines and nothing else. */
function expectToEndLikeIpvsadm({ stdout, stderr, status }: Ran): void {
  expect([0, 1, 2, 255]).toContain(status)
  if (status === 0) expect(stderr).toBe('')
  else {
    expect(stdout).toBe('')
    expect(stderr).toMatch(/\n$/)
  }
}

/**
 * All that can be configured: services by id with their servers as a set, and the timeouts. A netmask that tells
 * nobody apart, because there is no persistence or because it is the default, is as good as none.
 */
async function everythingOf(client: FakeControl): Promise<unknown> {
  const services = (await client.services()).map((service) => {
    const { persistentSeconds, netmask } = service
    const isIdle = persistentSeconds === null || netmask === '255.255.255.255' || netmask === 128
    return [
      service.id,
      { ...service, netmask: isIdle ? null : netmask, destinations: new Set(service.destinations) },
    ] as const
  })
  return { services: new Map(services), timeouts: await client.timeouts() }
}

/** What `-R` is said to do, by single command lines. */
async function runLines(
  lines: readonly string[],
  client: FakeControl,
): Promise<{ status: number; stderr: string }> {
  let status = 0
  let stderr = ''
  for (const line of lines) {
    const words = line.split(/[ \t\v\f\r\n]+/).filter((word) => word !== '' && !/^(?:ui|i)pvsadm$/.test(word))
    if (words.length === 0) continue
    const ran = await runCli(words, { client })
    status = ran.status
    stderr += ran.stderr
    if (status === 1 || status === 2 || ran.stderr.startsWith('Try ')) break
  }
  return { status, stderr }
}

describe('uipvsadm', () => {
  it('ends every plausible command line with a status and, if it failed, one message', async () => {
    await fc.assert(
      fc.asyncProperty(plausibleArgv, async (argv) => {
        const client = await directorWith([{ service: { fwmark: 1 }, servers: [] }])
        const ran = await runCli(argv, { client })
        expectToEndLikeIpvsadm(ran)
        expect(ran.stderr.split('\n').length).toBeLessThanOrEqual(3)
      }),
      { numRuns: 2000 },
    )
  })

  it('ends any words at all with a status', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryArgv, async (argv) => expectToEndLikeIpvsadm(await runCli(argv))),
      { numRuns: 1000 },
    )
  })

  it('changes nothing on a command line that it does not carry out, whatever the words', async () => {
    await fc.assert(
      fc.asyncProperty(configuration, fc.oneof(plausibleArgv, arbitraryArgv), async (configured, argv) => {
        const client = await directorWith(configured)
        const before = await everythingOf(client)
        const { status } = await runCli(argv, { client })
        if (status !== 0) expect(await everythingOf(client)).toEqual(before)
      }),
      { numRuns: 500 },
    )
  })
})

describe('uipvsadm -R', () => {
  const fuzzed = fc.record({ configured: configuration, damages: fc.array(damage, { maxLength: 4 }) })

  it('does with any input what its lines would do one by one, up to the first that is at fault', async () => {
    await fc.assert(
      fc.asyncProperty(fuzzed, async ({ configured, damages }) => {
        const original = await directorWith(configured)
        const saved = (await runCli('-Sn', { client: original })).stdout.split('\n')
        const lines = damages.reduce((text, each) => each(text), saved)

        const together = new FakeControl()
        const ran = await runCli('-R', { client: together, input: lines.join('\n') })
        const apart = new FakeControl()
        const model = await runLines(lines, apart)
        expect(ran.status).toBe(model.status)
        expect(ran.stderr).toBe(model.stderr)
        expect(await everythingOf(together)).toEqual(await everythingOf(apart))
      }),
      { numRuns: 300 },
    )
  })

  it('of the program that clears first ends likewise, and leaves out what begins with #', async () => {
    await fc.assert(
      fc.asyncProperty(fuzzed, async ({ configured, damages }) => {
        const client = await directorWith(configured)
        const lines = damages.reduce(
          (text, each) => each(text),
          (await runCli('-Sn', { client })).stdout.split('\n'),
        )
        const ran = await runRestore([], { client, input: lines.join('\n') })
        const apart = new FakeControl()
        const model = await runLines(
          lines.filter((line) => !line.startsWith('#')),
          apart,
        )
        expect(ran.status).toBe(model.status)
        expect(await everythingOf(client)).toEqual(await everythingOf(apart))
      }),
      { numRuns: 100 },
    )
  })
})

describe('uipvsadm -S and -R', () => {
  it('restore what was saved: the same services and servers, and saved again the same text', async () => {
    await fc.assert(
      fc.asyncProperty(configuration, async (configured) => {
        const original = await directorWith(configured)
        const saved = await runCli('-Sn', { client: original })
        expect(saved).toMatchObject({ stderr: '', status: 0 })

        const restored = new FakeControl()
        const run = await runCli('-R', { client: restored, input: saved.stdout })
        expect(run).toEqual({ stdout: '', stderr: '', status: 0 })
        expect(await runCli('-Sn', { client: restored })).toEqual(saved)
        expect(await everythingOf(restored)).toEqual(await everythingOf(original))
      }),
      { numRuns: 300 },
    )
  })

  it('restore what was saved with names', async () => {
    await fc.assert(
      fc.asyncProperty(configuration, async (configured) => {
        const original = await directorWith(configured)
        const restored = new FakeControl()
        await runCli('-R', { client: restored, input: (await runCli('-S', { client: original })).stdout })
        expect(await runCli('-Sn', { client: restored })).toEqual(await runCli('-Sn', { client: original }))
      }),
      { numRuns: 100 },
    )
  })
})
