/** Packets that no honest client sends: each is counted by its flaw, and the service goes on as if nothing had been. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import type { Info } from '../../control/schema.ts'
import { inject } from '../support/frames.ts'
import { CLIENT, endpoint, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'
import { ip4, ip6, tcp4, tcp6, udp4, udp6 } from '../support/packets.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const MARK = 66
const [TCP, UDP, DESTINATION_OPTIONS, HOP_BY_HOP] = [6, 17, 60, 0]
const PAD = Uint8Array.from([0, 0, 1, 4, 0, 0, 0, 0])

const v4 = { source: `${CLIENT.v4}:6000`, destination: `${VIP.routed.v4}:80` }
const v6 = { source: `[${CLIENT.v6}]:6000`, destination: `[${VIP.routed.v6}]:80` }
const host4 = { source: CLIENT.v4, destination: VIP.routed.v4 }
const host6 = { source: CLIENT.v6, destination: VIP.routed.v6 }

const octetsOf = (packet: Uint8Array, from: number, count?: number): Uint8Array =>
  packet.subarray(from, count === undefined ? undefined : from + count)
const withOctet = (packet: Uint8Array, at: number, value: number): Uint8Array => {
  const spoiled = packet.slice()
  spoiled[at] = value
  return spoiled
}

const syn4 = tcp4({ ...v4, flags: 'S' })
const syn6 = tcp6({ ...v6, flags: 'S' })
const datagram4 = udp4({ ...v4, payload: 'datagram' })
const datagram6 = udp6({ ...v6, payload: 'datagram' })

/** Each gets through the kernel to the director, which names the flaw. */
const FLAWS: readonly (readonly [reason: string, packet: Uint8Array])[] = [
  ['tcp-truncated', ip4({ ...host4, protocol: TCP, payload: octetsOf(syn4, 20, 12) })],
  ['tcp-data-offset', withOctet(syn4, 20 + 12, 0x40)],
  ['tcp-options-truncated', withOctet(syn4, 20 + 12, 0xf0)],
  ['udp-truncated', ip4({ ...host4, protocol: UDP, payload: octetsOf(datagram4, 20, 6) })],
  ['udp-length', withOctet(datagram4, 20 + 5, 7)],
  ['udp-payload-truncated', withOctet(datagram4, 20 + 5, 200)],
  ['tcp-truncated', ip6({ ...host6, protocol: TCP, payload: octetsOf(syn6, 40, 12) })],
  ['tcp-data-offset', withOctet(syn6, 40 + 12, 0x40)],
  ['udp-length', withOctet(datagram6, 40 + 5, 7)],
  ['udp-payload-truncated', withOctet(datagram6, 40 + 5, 200)],
  [
    'ipv6-extension-truncated',
    ip6({ ...host6, protocol: DESTINATION_OPTIONS, payload: Uint8Array.from([TCP, 200]) }),
  ],
  [
    'ipv6-extension-order',
    ip6({
      ...v6,
      protocol: TCP,
      payload: octetsOf(syn6, 40),
      extensions: [
        { protocol: DESTINATION_OPTIONS, bytes: PAD },
        { protocol: HOP_BY_HOP, bytes: PAD },
      ],
    }),
  ],
  [
    'ipv6-extension-count',
    ip6({
      ...v6,
      protocol: TCP,
      payload: octetsOf(syn6, 40),
      extensions: Array.from({ length: 40 }, () => ({ protocol: DESTINATION_OPTIONS, bytes: PAD })),
    }),
  ],
]

describe.skipIf(obstacle !== null)('hostile packets', () => {
  let lab: Lab
  let uipvs: Uipvs
  let control: ControlClient

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'hostile', realServers: 2, vips: ['routed'] })
    await Promise.all([lab.web('rs1', { port: 80 }), lab.tcpEcho('rs1', 7)])
    // Without a firewall mark, netfilter's own port matches would drop the worst before the director sees it.
    for (const [command, address] of [
      ['iptables', VIP.routed.v4],
      ['ip6tables', VIP.routed.v6],
    ] as const) {
      const rule = ['-d', address, '-j', 'MARK', '--set-mark', String(MARK)]
      await lab.exec('director', [command, '-t', 'mangle', '-A', 'PREROUTING', ...rule])
    }
    const { back } = realServerAddresses('rs1')
    uipvs = await lab.uipvs({
      config: {
        connectionLimit: 1024,
        services: (['v4', 'v6'] as const).map((family) => ({
          fwmark: MARK,
          family: family === 'v4' ? 'ipv4' : 'ipv6',
          scheduler: 'rr',
          destinations: [{ address: back[family], port: 0, method: 'masquerading' }],
        })),
      },
    })
    control = new ControlClient(uipvs.socketPath)
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(FLAWS)('are counted, each by its flaw, and go no further: %s (%#)', async (reason, packet) => {
    const before = await control.info()
    await inject(lab, [packet])
    const after = await received(before, 1)
    expect(differences(before.dropped, after.dropped)).toEqual({ [reason]: 1 })
    expect((await control.connections()).filter(({ client }) => client.endsWith(':6000'))).toEqual([])
    await worksAsEver()
  })

  it('by the hundred, with every octet spoiled in turn, harm nobody', async () => {
    const held = await lab.connect('client', VIP.routed.v4, 7)
    const before = await control.info()
    const spoiled = [syn4, datagram4].flatMap((packet) =>
      Array.from({ length: packet.length - 20 }, (_, at) =>
        [0x00, 0xff, packet[20 + at]! ^ 0x80].map((octet) => withOctet(packet, 20 + at, octet)),
      ).flat(),
    )
    const spoiled6 = [syn6, datagram6].flatMap((packet) =>
      Array.from({ length: packet.length - 40 }, (_, at) =>
        withOctet(packet, 40 + at, packet[40 + at]! ^ 0xff),
      ),
    )
    await inject(lab, [...spoiled, ...spoiled6])
    await received(before, spoiled.length + spoiled6.length)
    // Every packet went somewhere: to a real server, away, or to the kernel. Totals are as of two seconds ago.
    const unaccounted = async () => {
      const info = await control.info()
      return arrived(info) - judged(info)
    }
    await expect.poll(unaccounted, { timeout: 5000, interval: 50 }).toBe(0)
    expect(await held.ask('unharmed?')).toBe('rs1:unharmed?')
    await held.close()
    await worksAsEver()
  })

  it('that start more connections than there is room for are dropped, and others go on', async () => {
    const held = await lab.connect('client', VIP.routed.v4, 7)
    const flood = Array.from({ length: 1500 }, (_, index) =>
      tcp4({ ...v4, source: `10.77.0.200:${10_000 + index}`, flags: 'S' }),
    )
    const before = await control.info()
    await inject(lab, flood)
    const after = await received(before, flood.length)
    expect(after.connections).toBe(1024)
    expect(after.dropped['connection-table-full']).toBeGreaterThan(400)
    expect(await held.ask('still there?')).toBe('rs1:still there?')
    await held.close()
  })

  it('leave the daemon alive, with no verdict refused and no message misunderstood', async () => {
    expect(uipvs.program.isRunning).toBe(true)
    const { queues } = await control.info()
    for (const queue of queues) expect(queue).toMatchObject({ verdictErrors: 0, malformed: 0, overruns: 0 })
    expect(await uipvs.stop()).toBe(0)
  })

  async function worksAsEver(): Promise<void> {
    for (const address of [VIP.routed.v4, VIP.routed.v6]) {
      expect(await lab.curl('client', `http://${endpoint(address, 80)}/`)).toMatchObject({ body: 'rs1\n' })
    }
  }

  /** The counters once `count` more packets have come than in `before`. */
  async function received(before: Info, count: number): Promise<Info> {
    const wanted = arrived(before) + count
    await expect
      .poll(async () => arrived(await control.info()), { timeout: 5000, interval: 10 })
      .toBeGreaterThanOrEqual(wanted)
    return await control.info()
  }
})

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

const arrived = ({ queues }: Info): number => queues.reduce((sum, queue) => sum + queue.received, 0)

const judged = ({ totals, dropped, passed }: Info): number =>
  totals.inPackets + totals.outPackets + sumOf(dropped) + sumOf(passed)

function differences(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  const changed = Object.entries(after).filter(([name, count]) => count !== before[name])
  return Object.fromEntries(changed.map(([name, count]) => [name, count - (before[name] ?? 0)]))
}
