import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyOf } from '../control/index.ts'
import { FakeControl } from '../test/support/fake-control.ts'
import { type Ran, runCli } from '../test/support/run-cli.ts'
import { arbitraryArgv, plausibleArgv } from './arbitraries/argv.ts'
import { type ConfiguredService, configuration } from './arbitraries/configuration.ts'

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

  it('ends any input of a restore with a status', async () => {
    const line = fc.oneof(plausibleArgv, arbitraryArgv).map((argv) => argv.join(' '))
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
        const { status } = await runCli('-R', { input: lines.join('\n') })
        expect([0, 1, 2, 255]).toContain(status)
      }),
      { numRuns: 500 },
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

        const byId = async (client: FakeControl) =>
          new Map(
            (await client.services()).map((service) => [
              service.id,
              { ...service, destinations: new Set(service.destinations) },
            ]),
          )
        expect(await byId(restored)).toEqual(await byId(original))
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
