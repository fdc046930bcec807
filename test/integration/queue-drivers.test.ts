import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { QueueDriverName } from '../../forwarder/queue/index.ts'
import { HOOK, type QueueSettings } from '../../forwarder/queue/packet-queue.ts'
import { joinedNamespaces, type LineChild, type Namespaces, run, runIn } from '../support/namespaces.ts'
import type { Behaviour, QueueSight, QueueTask } from '../support/queue-child.ts'

const CLIENT = 'uqd-client'
const DIRECTOR = 'uqd-director'
const PORT = 4000
const ADDRESS = '10.91.0.1'
const ADDRESS6 = 'fd91::1'

let namespaces: Namespaces

beforeAll(() => {
  namespaces = joinedNamespaces(
    { namespace: CLIENT, device: 'uqd-c', addresses: ['10.91.0.2/24', 'fd91::2/64'] },
    { namespace: DIRECTOR, device: 'uqd-d', addresses: [`${ADDRESS}/24`, `${ADDRESS6}/64`] },
  )
  for (const iptables of ['iptables', 'ip6tables']) {
    for (const queue of [1, 2]) {
      const match = [
        '-p',
        'udp',
        '--dport',
        String(PORT + queue - 1),
        '-j',
        'NFQUEUE',
        '--queue-num',
        String(queue),
      ]
      runIn(DIRECTOR, iptables, '-t', 'mangle', '-A', 'PREROUTING', ...match)
    }
  }
  runIn(
    DIRECTOR,
    'iptables',
    '-t',
    'mangle',
    '-A',
    'PREROUTING',
    '-p',
    'tcp',
    '-j',
    'NFQUEUE',
    '--queue-num',
    '3',
  )
  runIn(DIRECTOR, 'iptables', '-A', 'INPUT', '-p', 'udp', '-m', 'mark', '--mark', '0x77')
  runIn(DIRECTOR, 'iptables', '-A', 'INPUT', '-p', 'udp', '-m', 'mark', '--mark', '0')
})

afterEach(() => namespaces.killChildren())
afterAll(() => namespaces?.remove())

const settings = (number: number, changes: Partial<QueueSettings> = {}): QueueSettings => ({
  number,
  gso: false,
  copyBytes: 0xffff,
  lengthPackets: 4096,
  ...changes,
})

async function start(driver: QueueDriverName, ...tasks: QueueTask[]): Promise<LineChild> {
  const child = namespaces.startIn(DIRECTOR, 'queue-child.js', driver, JSON.stringify(tasks))
  expect(await child.next()).toBe('ready')
  return child
}

const finish = async (child: LineChild): Promise<QueueSight[]> => (await child.finish())[0] as QueueSight[]

const send = (payload: string, { to = ADDRESS, port = PORT, count = 1 } = {}): void => {
  const script = fileURLToPath(new URL('../../dist/test/support/udp-peer.js', import.meta.url))
  runIn(CLIENT, process.execPath, script, 'send', to, String(port), String(count), payload)
}

/** What arrives at the receiver while `traffic` runs and the queues behave as told; and what the handlers saw. */
async function exchange(
  driver: QueueDriverName,
  behaviour: Behaviour,
  traffic: () => void,
): Promise<{ arrived: string[]; sight: QueueSight }> {
  const receiver = namespaces.startIn(DIRECTOR, 'udp-peer.js', 'receive', String(PORT))
  expect(await receiver.next()).toBe('ready')
  const child = await start(driver, { settings: settings(1), behaviour })
  traffic()
  await sleep(200)
  const [sight] = await finish(child)
  return { arrived: (await receiver.finish())[0] as string[], sight: sight as QueueSight }
}

/** How many UDP packets came to the INPUT chain with the mark, since it was last asked. */
function markedPackets(mark: string): number {
  const rule = runIn(DIRECTOR, 'iptables', '-nvxL', 'INPUT')
    .split('\n')
    .find((line) => line.endsWith(`mark match ${mark}`) || line.endsWith(`MARK match ${mark}`))
  return Number(/\d+/.exec(rule ?? '')?.[0] ?? Number.NaN)
}

/** As many as a driver has room for while the machine is busy elsewhere: the npm package's socket holds few. */
const BURST_PACKETS = { netlink: 2000, nfqueue: 300 } as const

describe.each<QueueDriverName>(['netlink', 'nfqueue'])('the %s driver', (driver) => {
  it('lets an accepted packet arrive as it was sent', async () => {
    const { arrived, sight } = await exchange(driver, 'accept', () => send('hello'))
    expect(arrived).toEqual(['hello'])
    expect(sight.hooks).toEqual([HOOK.prerouting])
    expect(sight.marks).toEqual([0])
    expect(sight.longestBytes).toBe(28 + 5)
    expect(sight.counters).toEqual({ received: 1, verdictErrors: 0, overruns: 0, malformed: 0 })
  })

  it('names the device that a packet came in by', async () => {
    const { sight } = await exchange(driver, 'accept', () => send('hello'))
    const index = JSON.parse(run('ip', '-n', DIRECTOR, '-j', 'link', 'show', 'uqd-d'))[0].ifindex
    expect(sight.devices).toEqual([index])
  })

  it('passes IPv6 packets', async () => {
    const { arrived, sight } = await exchange(driver, 'accept', () => send('hello six', { to: ADDRESS6 }))
    expect(arrived).toEqual(['hello six'])
    expect(sight.longestBytes).toBe(48 + 9)
  })

  it('lets a dropped packet vanish', async () => {
    const { arrived, sight } = await exchange(driver, 'drop', () => send('hello'))
    expect(arrived).toEqual([])
    expect(sight.packets).toBe(1)
  })

  it('lets a packet go on that was changed where it lies', async () => {
    const { arrived } = await exchange(driver, 'change', () => send('hello'))
    expect(arrived).toEqual(['Zello'])
  })

  it('lets a packet go on that was changed in a copy', async () => {
    const { arrived } = await exchange(driver, 'changeElsewhere', () => send('hello'))
    expect(arrived).toEqual(['Zello'])
  })

  it('lets a packet grow at its end, of any length', async () => {
    const { arrived } = await exchange(driver, 'lengthen', () => {
      for (const payload of ['a', 'ab', 'abc', 'abcd']) send(payload)
    })
    expect(arrived).toEqual(['a+++++', 'ab+++++', 'abc+++++', 'abcd+++++'])
  })

  it('lets a packet grow at its front, into the headroom', async () => {
    const { arrived } = await exchange(driver, 'growForward', () => send('hello'))
    expect(arrived).toEqual(['++++++++hello'])
  })

  it('sets the mark of accepted and of replaced packets', async () => {
    const before = markedPackets('0x77')
    await exchange(driver, 'mark', () => send('hello'))
    expect(markedPackets('0x77')).toBe(before + 1)
    await exchange(driver, 'changeAndMark', () => send('hello'))
    expect(markedPackets('0x77')).toBe(before + 2)
  })

  it('reads the mark, and sets it to 0 where told', async () => {
    const set = ['-t', 'mangle', '-p', 'udp', '-j', 'MARK', '--set-mark', '0xfedcba98']
    runIn(DIRECTOR, 'iptables', '-I', 'PREROUTING', ...set)
    try {
      const before = markedPackets('0x0')
      const kept = await exchange(driver, 'accept', () => send('hello'))
      expect(kept.sight.marks).toEqual([0xfedcba98 | 0])
      expect(markedPackets('0x0')).toBe(before)
      await exchange(driver, 'unmark', () => send('hello'))
      expect(markedPackets('0x0')).toBe(before + 1)
    } finally {
      runIn(DIRECTOR, 'iptables', '-D', 'PREROUTING', ...set)
    }
  })

  it('passes every one of many packets in a row', async () => {
    const count = BURST_PACKETS[driver]
    const { arrived, sight } = await exchange(driver, 'change', () => send('packet #', { count }))
    // In whichever order: a sender that moves to another CPU overtakes itself in the receiver's backlog.
    expect(arrived.toSorted()).toEqual(
      Array.from({ length: count }, (_, index) => `Zacket ${index}`).toSorted(),
    )
    expect(sight.counters).toEqual({ received: count, verdictErrors: 0, overruns: 0, malformed: 0 })
  })

  it('reads two queues at once', async () => {
    const receivers = [PORT, PORT + 1].map((port) =>
      namespaces.startIn(DIRECTOR, 'udp-peer.js', 'receive', String(port)),
    )
    for (const receiver of receivers) expect(await receiver.next()).toBe('ready')
    const child = await start(
      driver,
      { settings: settings(1), behaviour: 'change' },
      { settings: settings(2), behaviour: 'growForward' },
    )
    send('first', { count: 3 })
    send('second', { port: PORT + 1, count: 2 })
    await sleep(200)
    const sights = await finish(child)
    expect(sights.map((sight) => sight.packets)).toEqual([3, 2])
    const arrived = await Promise.all(receivers.map(async (receiver) => (await receiver.finish())[0]))
    expect(arrived).toEqual([Array(3).fill('Zirst'), Array(2).fill('++++++++second')])
  })

  it('drops a packet whose handler throws, lets the error out, and goes on', async () => {
    const { arrived, sight } = await exchange(driver, 'throw', () => send('hello', { count: 3 }))
    expect(arrived).toEqual([])
    expect(sight.packets).toBe(3)
    expect(new Set(sight.thrown)).toEqual(new Set(['the handler threw']))
  })

  it('refuses a queue that has a reader', async () => {
    const first = await start(driver, { settings: settings(1), behaviour: 'accept' })
    await expect(start(driver, { settings: settings(1), behaviour: 'accept' })).rejects.toThrow(
      /nfnetlink_queue/,
    )
    await finish(first)
  })
})

describe('the netlink driver', () => {
  it('names a busy queue, and the way out', async () => {
    const first = await start('netlink', { settings: settings(1), behaviour: 'accept' })
    await expect(start('netlink', { settings: settings(1), behaviour: 'accept' })).rejects.toThrow(
      'queue 1 is already in use by another process (see /proc/net/netfilter/nfnetlink_queue); choose another queue number',
    )
    await finish(first)
  })

  it('leaves no packet unanswered that came while the queue was being set up', async () => {
    const sender = namespaces.startIn(CLIENT, 'udp-peer.js', 'send', ADDRESS, String(PORT), '10000000', 'x')
    for (let round = 0; round < 5; round++) {
      const [sight] = await finish(await start('netlink', { settings: settings(1), behaviour: 'accept' }))
      expect(sight?.counters).toMatchObject({ verdictErrors: 0, malformed: 0 })
    }
    const last = await start('netlink', { settings: settings(1), behaviour: 'accept' })
    await sleep(200)
    sender.process.kill()
    await sleep(200)
    // Queue number, port id, packets that wait, …
    const [number, , waiting] = runIn(DIRECTOR, 'cat', '/proc/net/netfilter/nfnetlink_queue')
      .trim()
      .split(/\s+/)
    expect({ number, waiting }).toEqual({ number: '1', waiting: '0' })
    const [sight] = await finish(last)
    expect(sight?.packets).toBeGreaterThan(0)
  })

  it('gives only the head of packets where the copy range says so, and never replaces such a packet', async () => {
    const receiver = namespaces.startIn(DIRECTOR, 'udp-peer.js', 'receive', String(PORT))
    expect(await receiver.next()).toBe('ready')
    const child = await start('netlink', { settings: settings(1, { copyBytes: 64 }), behaviour: 'accept' })
    send('x'.repeat(1000))
    send('short')
    await sleep(200)
    const [sight] = await finish(child)
    expect(sight).toMatchObject({ packets: 2, longestBytes: 64, truncated: 1 })
    expect((await receiver.finish())[0]).toEqual(['x'.repeat(1000), 'short'])

    const changing = await start('netlink', { settings: settings(1, { copyBytes: 64 }), behaviour: 'change' })
    send('x'.repeat(1000))
    await sleep(200)
    const [refused] = await finish(changing)
    expect(refused?.thrown).toEqual(['a replacing verdict for a packet that the copy range cut short'])
  })

  it.each([
    { gso: true, title: 'delivers super-packets whole, and says so' },
    {
      gso: false,
      title: 'gets super-packets segmented, with their checksums finished, where it did not ask for them',
    },
  ])('$title', async ({ gso }) => {
    const child = await start('netlink', { settings: settings(3, { gso }), behaviour: 'accept' })
    const server = spawn('ip', ['netns', 'exec', DIRECTOR, 'iperf3', '-s', '-1'], { stdio: 'ignore' })
    await sleep(300)
    runIn(CLIENT, 'iperf3', '-c', ADDRESS, '-n', '20M')
    server.kill()
    const [sight] = await finish(child)
    if (gso) {
      expect(sight?.supers).toBeGreaterThan(100)
      expect(sight?.unfinished).toBeGreaterThan(100)
      expect(sight?.longestBytes).toBeGreaterThan(20_000)
    } else {
      expect(sight).toMatchObject({ supers: 0, unfinished: 0, longestBytes: 1500 })
    }
    expect(sight?.counters).toMatchObject({ verdictErrors: 0, overruns: 0, malformed: 0 })
  })
})
