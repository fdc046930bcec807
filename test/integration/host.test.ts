/**
 * What uipvs does to its host, in a network namespace of the real kernel: everything comes back as it was, whatever
 * was there before and however the daemon ended. The children are the built `dist/test/support/host-child.js`.
 */

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ChildRequest, ChildState } from '../support/host-child.ts'
import { joinedNamespaces, type LineChild, type Namespaces, run, runIn } from '../support/namespaces.ts'

const DIRECTOR = 'uipvs-host-d'
const OUTSIDE = 'uipvs-host-o'

/** Readings among the settings: they change by themselves. */
const RESTLESS = /^(fs\.|kernel\.(ns_last_pid|random\.)|net\.netfilter\.nf_conntrack_count|vm\.)/

const hop = (slot: number, destination: string): ChildState['hops'][number] => ({
  hop: { slot, destination, gateway: destination, deviceName: 'd0', deviceIndex: 2 },
  mark: slot << 4,
  mask: 0xff0,
})

const BOTH_FAMILIES: ChildState = {
  services: [
    { key: 'tcp:10.9.0.1:80', queueNumber: 5, replies: [{ endpoint: '10.9.0.2:8080', transport: 'tcp' }] },
    { key: 'udp:[fd09::1]:53', queueNumber: 6, replies: [{ endpoint: '[fd09::2]:53', transport: 'udp' }] },
    { key: 'fwmark:7', queueNumber: 5, replies: [{ endpoint: '10.9.0.2:0', transport: 'any' }] },
  ],
  hops: [hop(1, '10.9.0.2'), hop(2, 'fd09::2')],
  sysctls: { forwarding: [4, 6], noRedirects: true, tunnelIngress: ['d0'] },
}
const NOTHING: ChildState = {
  services: [],
  hops: [],
  sysctls: { forwarding: [], noRedirects: false, tunnelIngress: [] },
}

let namespaces: Namespaces
let directory: string
let journalPath: string

beforeEach(() => {
  namespaces = joinedNamespaces(
    { namespace: DIRECTOR, device: 'd0', addresses: ['10.9.0.1/24', 'fd09::1/64'] },
    { namespace: OUTSIDE, device: 'o0', addresses: ['10.9.0.2/24', 'fd09::2/64'] },
  )
  directory = mkdtempSync(join(tmpdir(), 'uipvs-host-'))
  journalPath = join(directory, 'undo.json')
  // Device state settles for a moment, and with it IPv6 routes.
  settle()
})
afterEach(() => {
  namespaces.remove()
  rmSync(directory, { recursive: true })
})

describe('Host', { timeout: 120_000 }, () => {
  it('leaves rules, tables, routes and settings byte for byte as they were, with no tables before', async () => {
    const before = snapshot()
    expect(before).not.toContain('table ip')
    const child = await opened()
    expect(snapshot()).toBe(before)
    await ask(child, { do: 'agree', ...BOTH_FAMILIES })
    expect(nft('ruleset')).toContain('UIPVS-REQUEST')
    expect(runIn(DIRECTOR, 'ip', 'rule')).toMatch(
      /^1:.*fwmark 0x10\/0xff0 lookup 7860001.*\n2:.*lookup local/,
    )
    expect(runIn(DIRECTOR, 'ip', '-6', 'rule')).toMatch(
      /^1:.*fwmark 0x20\/0xff0 lookup 7860002.*\n2:.*lookup local/,
    )
    expect(runIn(DIRECTOR, 'sysctl', '-n', 'net.ipv4.ip_forward')).toBe('1\n')
    await ask(child, { do: 'close' })
    expect(snapshot()).toBe(before)
    expect(existsSync(journalPath)).toBe(false)
  })

  it('takes the same state again without touching the kernel', async () => {
    const child = await opened()
    await ask(child, { do: 'agree', ...BOTH_FAMILIES })
    const before = nft('ruleset')
    runIn(DIRECTOR, 'iptables', '-t', 'mangle', '-F', 'UIPVS-REPLY')
    await ask(child, { do: 'agree', ...BOTH_FAMILIES })
    // Nothing was restored: the chain that was emptied behind our back is still empty.
    expect(nft('ruleset')).not.toBe(before)
    expect(runIn(DIRECTOR, 'iptables-save', '-t', 'mangle')).not.toContain('-A UIPVS-REPLY')
  })

  it('undoes what is no longer wanted while it runs', async () => {
    const before = snapshot('ip', 'sysctl')
    const child = await opened()
    await ask(child, { do: 'agree', ...BOTH_FAMILIES })
    await ask(child, { do: 'agree', ...NOTHING })
    expect(snapshot('ip', 'sysctl')).toBe(before)
    expect(runIn(DIRECTOR, 'iptables-save')).not.toMatch(/NFQUEUE|notrack/)
  })

  it('lets rules of others live, those from before and those that came meanwhile', async () => {
    runIn(
      DIRECTOR,
      'iptables',
      '-t',
      'mangle',
      '-A',
      'PREROUTING',
      '-i',
      'lo',
      '-j',
      'MARK',
      '--set-mark',
      '1',
    )
    runIn(DIRECTOR, 'nft', 'add table ip raw')
    runIn(DIRECTOR, 'nft', 'add table inet mine')
    const before = snapshot()
    const child = await opened()
    await ask(child, { do: 'agree', ...BOTH_FAMILIES })
    runIn(DIRECTOR, 'iptables', '-t', 'mangle', '-A', 'FORWARD', '-p', 'udp', '-j', 'ACCEPT')
    runIn(DIRECTOR, 'iptables', '-t', 'raw', '-N', 'THEIRS')
    runIn(DIRECTOR, 'ip6tables', '-t', 'mangle', '-A', 'PREROUTING', '-p', 'udp', '-j', 'ACCEPT')
    runIn(DIRECTOR, 'ip6tables', '-t', 'raw', '-P', 'PREROUTING', 'DROP')
    await ask(child, { do: 'close' })
    const after = nft('ruleset')
    for (const kept of ['chain THEIRS', 'table inet mine', 'chain FORWARD', 'policy drop'])
      expect(after).toContain(kept)
    expect(after).not.toContain('UIPVS')
    expect(runIn(DIRECTOR, 'ip6tables-save', '-t', 'mangle')).toContain('-A PREROUTING -p udp -j ACCEPT')

    runIn(DIRECTOR, 'iptables', '-t', 'mangle', '-D', 'FORWARD', '-p', 'udp', '-j', 'ACCEPT')
    runIn(DIRECTOR, 'iptables', '-t', 'mangle', '-X', 'FORWARD')
    runIn(DIRECTOR, 'iptables', '-t', 'raw', '-X', 'THEIRS')
    for (const table of ['mangle', 'raw']) runIn(DIRECTOR, 'nft', `delete table ip6 ${table}`)
    expect(snapshot()).toBe(before)
  })

  it('works and cleans up where nft is not installed', async () => {
    const before = snapshot()
    const child = await opened({ hide: '/usr/sbin/nft' })
    await ask(child, { do: 'agree', ...BOTH_FAMILIES })
    await ask(child, { do: 'close' })
    expect(snapshot()).toBe(before)
  })

  it('falls back to the legacy iptables where the nft one does not work, and leaves only its empty tables', async () => {
    const broken = '#!/bin/sh\necho "iptables: Operation not supported" >&2\nexit 1\n'
    const names = ['iptables', 'iptables-nft', 'ip6tables', 'ip6tables-nft'].map((name) => `${name}-restore`)
    const before = snapshot('ip', 'sysctl', 'nft')
    const child = await opened({ prefer: shims(Object.fromEntries(names.map((name) => [name, broken]))) })
    await ask(child, { do: 'agree', ...BOTH_FAMILIES })
    expect(runIn(DIRECTOR, 'iptables-legacy-save')).toContain('-A UIPVS-REQUEST -d 10.9.0.1/32 -p tcp')
    await ask(child, { do: 'close' })
    expect(snapshot('ip', 'sysctl', 'nft')).toBe(before)
    expect(runIn(DIRECTOR, 'iptables-legacy-save')).not.toMatch(/UIPVS|^-A/m)
  })

  it('refuses an IPv6 service by name where no ip6tables works, and keeps the rest in force', async () => {
    const broken = '#!/bin/sh\necho "ip6tables: not here" >&2\nexit 1\n'
    const names = ['ip6tables', 'ip6tables-nft', 'ip6tables-legacy'].map((name) => `${name}-restore`)
    const child = await opened({ prefer: shims(Object.fromEntries(names.map((name) => [name, broken]))) })
    const ipv4 = {
      ...BOTH_FAMILIES,
      services: BOTH_FAMILIES.services.filter(({ key }) => !key.includes('[')),
    }
    await ask(child, { do: 'agree', ...ipv4 })
    await expect(ask(child, { do: 'agree', ...BOTH_FAMILIES })).rejects.toThrow(
      /udp:\[fd09::1\]:53 cannot be redirected.*not here/,
    )
    expect(runIn(DIRECTOR, 'iptables-save')).toContain('-A UIPVS-REQUEST -d 10.9.0.1/32')
  })

  it('puts the state before in force again when a part fails', async () => {
    const child = await opened()
    await ask(child, { do: 'agree', ...BOTH_FAMILIES })
    const before = snapshot()
    const noDevice = { ...hop(3, '10.9.0.3'), hop: { ...hop(3, '10.9.0.3').hop, deviceName: 'nonesuch' } }
    const failing = { ...BOTH_FAMILIES, services: [], hops: [hop(2, 'fd09::2'), noDevice] }
    await expect(ask(child, { do: 'agree', ...failing })).rejects.toThrow(/nonesuch/)
    expect(snapshot()).toBe(before)
  })

  it('refuses to share a network namespace with another one', async () => {
    const first = await opened()
    await ask(first, { do: 'agree', ...BOTH_FAMILIES })
    const before = snapshot()
    await expect(opened()).rejects.toThrow(/running already, as process/)
    const second = await opened({ journal: join(directory, 'second.json') })
    await expect(ask(second, { do: 'agree', ...BOTH_FAMILIES })).rejects.toThrow(
      /another uipvs runs in this network namespace/,
    )
    await ask(second, { do: 'close' })
    expect(snapshot('iptables', 'nft', 'ip')).toBe(sections(before, 'iptables', 'nft', 'ip'))
  })

  it('never breaks local traffic while the local rule moves there and back', async () => {
    // Each line of a batch by itself, with a pause after it: a moment without a local rule would be a long one.
    const slowly = `#!/bin/sh
case " $*" in *-batch*) ;; *) exec /usr/sbin/ip "$@";; esac
while read -r line; do /usr/sbin/ip $1 $line || exit 1; sleep 0.03; done
`
    const child = await opened({ prefer: shims({ ip: slowly }) })
    const server = namespaces.startIn(DIRECTOR, 'echo-child.js', 'serve', '9000')
    await server.next()
    // From inside the way out is looked up, from outside the way in; the virtual addresses are local in both.
    const probes = [DIRECTOR, OUTSIDE].flatMap((from) =>
      ['10.9.0.1', 'fd09::1'].map((to) => namespaces.startIn(from, 'echo-child.js', 'probe', to, '9000')),
    )
    for (const probe of probes) await probe.next()
    for (let round = 0; round < 3; round++) {
      await ask(child, { do: 'agree', ...BOTH_FAMILIES, services: [] })
      await ask(child, { do: 'agree', ...NOTHING })
    }
    for (const probe of probes) {
      const [{ sent, lost }] = (await probe.finish()) as [{ sent: number; lost: number }]
      expect(sent).toBeGreaterThan(100)
      expect(lost).toBe(0)
    }
  })

  it('resolves the way to an address as the kernel routes it', async () => {
    runIn(DIRECTOR, 'ip', 'route', 'add', '10.20.0.0/16', 'via', '10.9.0.2', 'mtu', '1300')
    const child = await opened()
    const way = async (address: string) =>
      ((await ask(child, { do: 'resolve', address })) as { hop: unknown }).hop
    const device = { deviceName: 'd0', deviceIndex: expect.any(Number) as number, mtuBytes: 1500 }
    expect(await way('10.9.0.2')).toEqual({ gateway: '10.9.0.2', sourceAddress: '10.9.0.1', ...device })
    expect(await way('fd09::2')).toEqual({ gateway: 'fd09::2', sourceAddress: 'fd09::1', ...device })
    expect(await way('10.20.1.1')).toEqual({
      gateway: '10.9.0.2',
      sourceAddress: '10.9.0.1',
      ...device,
      mtuBytes: 1300,
    })
    expect(await way('10.9.0.1')).toBe('local')
    expect(await way('192.0.2.1')).toBeNull()
    expect(await way('2001:db8::1')).toBeNull()
  })
})

describe('repair', { timeout: 300_000 }, () => {
  it('undoes what a killed daemon left in force, and can be told twice', async () => {
    const before = snapshot()
    const victim = await opened()
    await ask(victim, { do: 'agree', ...BOTH_FAMILIES })
    await killed(victim)
    expect(snapshot()).not.toBe(before)
    const next = await opened()
    expect(snapshot()).toBe(before)
    await ask(next, { do: 'close' })
    expect(await openedAnswer(await start())).toEqual({ repaired: 'nothing' })
  })

  it('undoes whatever was there when the daemon died before or after any of its commands', async () => {
    const before = snapshot()
    const commands = await countCommands()
    expect(commands).toBeGreaterThan(8)
    for (let at = 1; at <= commands; at++) {
      for (const moment of ['before', 'after'] as const) {
        const victim = await start({ prefer: deadlyShims(at, moment) })
        await openedAnswer(victim).catch(() => undefined)
        await ask(victim, { do: 'agree', ...BOTH_FAMILIES }).catch(() => undefined)
        await ask(victim, { do: 'close' }).catch(() => undefined)
        await killed(victim)
        const next = await opened()
        expect(snapshot(), `died ${moment} command ${at} of ${commands}`).toBe(before)
        await ask(next, { do: 'close' })
        next.process.kill('SIGKILL')
      }
    }
  })
})

const nft = (what: string): string => runIn(DIRECTOR, 'nft', '--stateless', 'list', what)

type Section = 'iptables' | 'nft' | 'ip' | 'sysctl'

/** All that uipvs may touch; times, packet counters and readings left out. */
function snapshot(...only: Section[]): string {
  const listings: [Section, string][] = [
    [
      'iptables',
      runIn(DIRECTOR, 'iptables-save')
        .replace(/^# .*\n/gm, '')
        .replace(/\[\d+:\d+\]/g, '[]'),
    ],
    [
      'iptables',
      runIn(DIRECTOR, 'ip6tables-save')
        .replace(/^# .*\n/gm, '')
        .replace(/\[\d+:\d+\]/g, '[]'),
    ],
    ['nft', nft('ruleset')],
    ...(['-4', '-6'] as const).flatMap((family): [Section, string][] => [
      ['ip', runIn(DIRECTOR, 'ip', '-details', family, 'rule')],
      ['ip', runIn(DIRECTOR, 'ip', '-details', family, 'route', 'show', 'table', 'all')],
    ]),
    ['sysctl', run('ip', 'netns', 'exec', DIRECTOR, 'sysctl', '-a', '--ignore')],
  ]
  const text = listings.map(([section, listing]) => `== ${section}\n${tidy(listing)}`).join('')
  return only.length === 0 ? text : sections(text, ...only)
}

const sections = (text: string, ...only: Section[]): string =>
  text
    .split(/^(?=== )/m)
    .filter((part) => only.some((name) => part.startsWith(`== ${name}\n`)))
    .join('')

const tidy = (listing: string): string =>
  listing
    .split('\n')
    .filter((line) => !RESTLESS.test(line))
    .join('\n')

/** Waits until no address is tentative and both links are up: their routes come and go with that. */
function settle(): void {
  for (let tries = 0; tries < 50; tries++) {
    const listing = runIn(DIRECTOR, 'ip', 'address')
    if (!listing.includes('tentative') && (listing.match(/inet6 fe80/g)?.length ?? 0) >= 1) return
    run('sleep', '0.1')
  }
  throw new Error('the links of the test did not come up')
}

interface ChildOptions {
  /** A directory whose programs go before the system's. */
  readonly prefer?: string
  /** A program that is not to be there. */
  readonly hide?: string
  readonly journal?: string
}

async function start({ prefer, hide }: ChildOptions = {}): Promise<LineChild> {
  const child = namespaces.startIn(DIRECTOR, 'host-child.js')
  // A child that was killed takes no more input; that it is dead is what the test wanted.
  child.process.stdin?.on('error', () => undefined)
  if (prefer !== undefined) await ask(child, { do: 'prefer', directory: prefer })
  if (hide !== undefined) await ask(child, { do: 'hide', program: hide })
  return child
}

async function opened(options: ChildOptions = {}): Promise<LineChild> {
  const child = await start(options)
  await openedAnswer(child, options.journal)
  return child
}

const openedAnswer = (child: LineChild, journal = journalPath): Promise<object> =>
  ask(child, { do: 'open', journalPath: journal })

async function ask(child: LineChild, request: ChildRequest): Promise<object> {
  child.process.stdin?.write(`${JSON.stringify(request)}\n`)
  const answer = (await child.next()) as { error?: string }
  if (answer.error !== undefined) throw new Error(answer.error)
  return answer
}

/** Kills the child, if it is not dead yet, and waits until it is gone. */
async function killed(child: LineChild): Promise<void> {
  child.process.kill('SIGKILL')
  await child.next().catch(() => undefined)
}

/** A directory of programs. */
function shims(programs: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(directory, 'bin-'))
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(path, name), text)
    chmodSync(join(path, name), 0o755)
  }
  return path
}

/** Those of the host's tools by which it is changed; listings count as harmless. */
const TOOLS = ['ip', 'nft', 'iptables', 'ip6tables', 'iptables-restore', 'ip6tables-restore']

/** The host's tools, of which the `at`-th that is run takes the process that started it with it. */
function deadlyShims(at: number, moment: 'before' | 'after'): string {
  const script = (tool: string) => `#!/bin/sh
case " $*" in *show*|*list*|*--version*) exec /usr/sbin/${tool} "$@";; esac
echo ${tool} >> ${directory}/commands
number=$(wc -l < ${directory}/commands)
if [ $number -eq ${at} ] && [ ${moment} = before ]; then kill -KILL $PPID; exit 1; fi
/usr/sbin/${tool} "$@"
status=$?
if [ $number -eq ${at} ]; then kill -KILL $PPID; fi
exit $status
`
  rmSync(join(directory, 'commands'), { force: true })
  return shims(Object.fromEntries(TOOLS.map((tool) => [tool, script(tool)])))
}

/** How many commands a daemon runs from its start to its end. */
async function countCommands(): Promise<number> {
  const child = await opened({ prefer: deadlyShims(0, 'before') })
  await ask(child, { do: 'agree', ...BOTH_FAMILIES })
  await ask(child, { do: 'close' })
  return readFileSync(join(directory, 'commands'), 'utf8').trim().split('\n').length
}
