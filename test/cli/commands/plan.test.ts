/** `uipvs config`, `plan`, `apply` and `events`, against the real server and ledger. */

import type { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CommandError } from '../../../cli/commands/command-error.ts'
import { configCommand } from '../../../cli/commands/config.ts'
import { eventsCommand } from '../../../cli/commands/events.ts'
import { applyCommand, planCommand } from '../../../cli/commands/plan.ts'
import { HEADROOM_BYTES } from '../../../lib/director/verdict.ts'
import { OFFLOAD } from '../../../lib/encode/offload.ts'
import { fakeNames } from '../../support/fake-names.ts'
import { type LiveApi, startLiveApi } from '../../support/live-api.ts'
import { udp4 } from '../../support/packets.ts'

let api: LiveApi
beforeEach(async () => {
  api = await startLiveApi()
})
afterEach(async () => {
  expect(api.logged).toEqual([])
  await api.stop()
})

const SAVED = `-A -u 10.0.0.1:53 -s rr -p 300
-a -u 10.0.0.1:53 -r 192.168.1.1:53 -m -w 3
-a -u 10.0.0.1:53 -r 192.168.1.2:53 -m -w 1
-A -f 5 -s wlc
`

/** Called when a plan has been shown, and before it is carried out. */
let meanwhile: () => Promise<unknown> = async () => {}

/** What the command prints, or why it was not carried out. */
async function uipvs(words: readonly string[], file = ''): Promise<string> {
  let stdout = ''
  const client = api.client
  const world = {
    stdout: { write: (text: string) => (stdout += text) },
    readText: async () => file,
    names: () => fakeNames(),
    socketPath: api.socketPath,
    connect: () => ({
      configuration: () => client.configuration(),
      services: () => client.services(),
      events: () => client.events(),
      replaceConfiguration: async (...args: Parameters<typeof client.replaceConfiguration>) => {
        await meanwhile()
        return await client.replaceConfiguration(...args)
      },
    }),
  }
  const commands: Readonly<Record<string, () => Command>> = {
    plan: () => planCommand(world),
    apply: () => applyCommand(world),
    config: () => configCommand(world),
    events: () => eventsCommand(world),
  }
  const [name = '', ...args] = words
  await commands[name]!().exitOverride().parseAsync(args, { from: 'user' })
  return stdout
}

const failure = async (words: readonly string[], file: string): Promise<Error> =>
  (await uipvs(words, file).catch((error: unknown) => error)) as Error

describe('uipvs plan', () => {
  it('shows what would be added, in the order in which it would be', async () => {
    expect(await uipvs(['plan', 'f'], SAVED)).toBe(
      `+ udp:10.0.0.1:53: scheduler rr persistentSeconds 300
+ udp:10.0.0.1:53 192.168.1.1:53: masquerading weight 3
+ udp:10.0.0.1:53 192.168.1.2:53: masquerading
+ fwmark:5: scheduler wlc
4 changes at revision ${api.ledger.revision}
`,
    )
    expect(await api.client.services()).toEqual([])
  })

  it('shows every other change, and how many connections it touches', async () => {
    await uipvs(['apply', 'f'], SAVED)
    for (const client of ['10.9.9.1', '10.9.9.2', '10.9.9.3']) {
      const bytes = new Uint8Array(HEADROOM_BYTES + 64)
      const packet = udp4({ source: `${client}:4000`, destination: '10.0.0.1:53' })
      bytes.set(packet, HEADROOM_BYTES)
      const [start, end] = [HEADROOM_BYTES, HEADROOM_BYTES + packet.length]
      api.director.process({
        bytes,
        start,
        end,
        hook: 'inbound',
        mark: 0,
        offload: OFFLOAD.finished,
        nowMs: 0,
      })
    }
    const wanted = `--set 100 0 0
-A -u 10.0.0.1:53 -s wrr -p 300
-a -u 10.0.0.1:53 -r 192.168.1.2:53 -i -w 0 --tun-type gue --tun-port 6080
`
    const { revision } = api.ledger
    expect(await uipvs(['plan', 'f'], wanted)).toBe(
      `~ udp:10.0.0.1:53: scheduler rr -> wrr (3 connections, 3 templates)
~ udp:10.0.0.1:53 192.168.1.2:53: method masquerading -> ipip, weight 1 -> 0, tunnel ipip port 0 checksum none -> gue port 6080 checksum none (2 connections, 2 templates)
- udp:10.0.0.1:53 192.168.1.1:53 (1 connection, 1 template)
- fwmark:5
~ timeouts: tcp 900 -> 100
5 changes at revision ${revision}
`,
    )
    const json = JSON.parse(await uipvs(['plan', '--json', 'f'], wanted)) as { changes: unknown[] }
    expect(json).toMatchObject({
      revision,
      changes: [
        { kind: 'service-edited', touches: { connections: 3, templates: 3 } },
        { kind: 'destination-edited', after: { weight: 0 }, touches: { connections: 2, templates: 2 } },
        { kind: 'destination-removed', touches: { connections: 1, templates: 1 } },
        { kind: 'service-removed', touches: { connections: 0, templates: 0 } },
        { kind: 'timeouts-changed', touches: null },
      ],
    })
  })

  it('shows that there is nothing to do, as for the configuration itself', async () => {
    await uipvs(['apply', 'f'], SAVED)
    const nothing = `nothing to do at revision ${api.ledger.revision}\n`
    expect(await uipvs(['plan', 'f'], SAVED)).toBe(nothing)
    expect(await uipvs(['plan', '-'], await uipvs(['config']))).toBe(nothing)
    expect(await uipvs(['config', '--revision'])).toBe(`${api.ledger.revision}\n`)
  })
})

describe('uipvs apply', () => {
  it('shows the plan and carries it out, once', async () => {
    const { revision } = api.ledger
    const lines = (await uipvs(['apply', 'f'], SAVED)).split('\n')
    expect(lines).toHaveLength(7)
    expect(lines.slice(4, 6)).toEqual([
      `4 changes at revision ${revision}`,
      `4 changes made: revision ${api.ledger.revision} is in force`,
    ])
    expect(await uipvs(['apply', 'f'], SAVED)).toBe(`nothing to do at revision ${api.ledger.revision}\n`)
    const json = JSON.parse(await uipvs(['apply', '--json', '-'], '{ "services": [] }')) as unknown
    expect(json).toMatchObject({ revision: api.ledger.revision, changes: [{}, {}, {}, {}] })
  })

  it.each([
    ['-A -f 1\n-A -f 2 -s best\n', 'f:2: scheduler '],
    ['-A -f 1\n-a -f 1 -r 224.0.0.1\n', 'f:2: 224.0.0.1 is not a unicast address'],
    ['-A -f 1\n-A -f', 'f:2: -f: missing argument'],
    ['{ "services": [\n{ "fwmark": 1, "scheduler": "best" }] }', 'f:2: scheduler '],
    ['--set 2000000000 0 0', 'f:1: invalid timeout value'],
    [
      '{ "services": [],\n "timeouts": { "tcp": 99999999, "tcpFin": 0, "udp": 0 } }',
      'f:2: tcp timeout 99999999',
    ],
  ])('is refused as a whole, in one line with the file and its line: %j', async (file, expected) => {
    await uipvs(['apply', 'f'], SAVED)
    const before = await api.client.configuration()
    const error = await failure(['apply', 'f'], file)
    expect(error).toBeInstanceOf(CommandError)
    expect(error).toMatchObject({ exitStatus: 1 })
    expect(error.message.slice(0, expected.length)).toBe(expected)
    expect(error.message).not.toContain('\n')
    expect(await api.client.configuration()).toEqual(before)
  })

  it('does with --if-revision nothing where another revision is in force', async () => {
    const { revision } = api.ledger
    await api.client.addService({ fwmark: 9 })
    const error = await failure(['apply', '--if-revision', revision, 'f'], SAVED)
    expect(error).toMatchObject({ code: 'stale-revision' })
    expect(error.message).toBe(
      `revision ${api.ledger.revision} is in force, not ${revision}: somebody has changed the configuration`,
    )
    expect(await api.client.services()).toMatchObject([{ id: 'fwmark:9' }])
    await uipvs(['apply', '--if-revision', api.ledger.revision, 'f'], SAVED)
    expect(await api.client.services()).toHaveLength(2)
  })

  it('plans anew where somebody changed something in between, and shows that', async () => {
    let times = 0
    meanwhile = async () => {
      if (++times === 1) await api.client.addService({ fwmark: 9 })
    }
    const output = await uipvs(['apply', 'f'], '-A -f 5\n')
    meanwhile = async () => {}
    expect(output.split('\n').map((line) => line.replace(/revision .*/, 'revision'))).toEqual([
      '+ fwmark:5: scheduler wlc',
      '1 change at revision',
      '+ fwmark:5: scheduler wlc',
      '- fwmark:9',
      '2 changes at revision',
      '2 changes made: revision',
      '',
    ])
    expect(await api.client.services()).toMatchObject([{ id: 'fwmark:5' }])
  })
})

describe('uipvs events', () => {
  it.each([
    [
      [],
      (revisions: string[]) => [
        `revision ${revisions[0]} is in force`,
        `${revisions[1]} + fwmark:5: scheduler wlc`,
        `${revisions[2]} ~ knob drop_entry: 0 -> 1`,
      ],
    ],
    [
      ['--json'],
      (revisions: string[]) => [
        expect.stringContaining(`{"kind":"in-force","revision":"${revisions[0]}"`) as string,
        expect.stringContaining('"kind":"service-added"') as string,
        expect.stringContaining('"kind":"knob-changed"') as string,
      ],
    ],
  ])('prints a line for each %j, until the daemon ends', async (words, expected) => {
    let stdout = ''
    const command = eventsCommand({
      stdout: { write: (text) => (stdout += text) },
      socketPath: api.socketPath,
      connect: () => api.client,
    })
    const ended = command.parseAsync(words, { from: 'user' }).catch((error: unknown) => error)
    await expect.poll(() => stdout).toContain('force')
    const revisions = [api.ledger.revision]
    for (const change of [
      () => api.client.addService({ fwmark: 5 }),
      () => api.client.setKnobs({ drop_entry: 1 }),
    ]) {
      await change()
      revisions.push(api.ledger.revision)
    }
    await expect.poll(() => stdout.split('\n')).toHaveLength(4)
    await api.stop()
    const message = `Control socket ${api.socketPath}: the daemon hung up`
    expect(await ended).toMatchObject({ name: 'CommandError', exitStatus: 1, message })
    expect(stdout.trimEnd().split('\n')).toEqual(expected(revisions))
    api = await startLiveApi()
  })
})
