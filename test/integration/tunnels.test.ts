/** GUE and GRE by a running daemon: set up with uipvsadm, and taken apart from a capture on the real server. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GUE_SOURCE_PORTS } from '../../lib/encode/gue.ts'
import { decrementHopLimit } from '../../lib/encode/hop-limit.ts'
import { decapsulate } from '../support/decapsulate.ts'
import { CLIENT, DIRECTOR, endpoint, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import type { Capture } from '../support/lab/capture.ts'
import { Lab } from '../support/lab/lab.ts'
import { listening } from '../support/lab/listening.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'
import { readPacket, toHex } from '../support/packets.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const GUE_PORT = 6080
/** Not the default, so that what is copied can be told from what is made up. */
const TTL = 37

const TUNNELS = [
  {
    options: `--tun-type gue --tun-port ${GUE_PORT} --tun-nocsum`,
    info: `gue:${GUE_PORT}:-c`,
    checksum: 'none',
  },
  {
    options: `--tun-type gue --tun-port ${GUE_PORT} --tun-csum`,
    info: `gue:${GUE_PORT}:+c`,
    checksum: 'valid',
  },
  {
    options: `--tun-type gue --tun-port ${GUE_PORT} --tun-remcsum`,
    info: `gue:${GUE_PORT}:r+c`,
    checksum: 'valid',
  },
  { options: '--tun-type gre --tun-nocsum', info: 'gre:-c', checksum: 'none' },
  { options: '--tun-type gre --tun-csum', info: 'gre:+c', checksum: 'valid' },
] as const

/** A service for each tunnel and pair of families, told by its port. */
const ROWS = TUNNELS.flatMap((tunnel) =>
  (['v4', 'v6'] as const).flatMap((service) =>
    (['v4', 'v6'] as const).map((server) => ({ ...tunnel, service, server })),
  ),
).map((row, index) => ({
  ...row,
  port: 7000 + index,
  name: `${row.options.replaceAll('--tun-', '')}, IP${row.service} in IP${row.server}`,
}))
type Row = (typeof ROWS)[number]

const WITH_CHECKSUM = ROWS.filter(({ options }) => options.includes('gue') && options.includes('--tun-csum'))
const BACK = realServerAddresses('rs1').back
const serviceOf = ({ service, port }: Row): string => endpoint(VIP.routed[service], port)

const CONFIGURATION = ROWS.map(
  (row) =>
    `-A -u ${serviceOf(row)} -s rr\n-a -u ${serviceOf(row)} -r ${endpoint(BACK[row.server], row.port)} -i -w 1 ${row.options}\n`,
).join('')

describe.skipIf(obstacle !== null)('a daemon with gue and gre tunnels', () => {
  let lab: Lab
  let daemon: Uipvs
  let client: Capture
  let server: Capture

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'tunnels', realServers: 1, withoutOffloads: ['client', 'rs1'] })
    daemon = await lab.uipvs()
    await daemon.adm(['-R'], { input: CONFIGURATION })
    ;[client, server] = await Promise.all([
      lab.capture('client', 'front', 'udp'),
      lab.capture('rs1', 'back', `ip proto 47 or ip6 proto 47 or udp port ${GUE_PORT}`),
    ])
    for (const row of ROWS) await send(row, `${row.name}\n`)
    await server.wait(isToServer, { count: ROWS.length })
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  /** One datagram to the row's service. */
  async function send({ service, port }: Row, text: string, options: readonly string[] = []): Promise<void> {
    const ttl = service === 'v4' ? `ttl=${TTL}` : `ipv6-unicast-hops=${TTL}`
    const target = `UDP${service.slice(1)}:${endpoint(VIP.routed[service], port)}`
    const words = ['socat', '-u', '-b', '65507', 'STDIN', [target, ttl, ...options].join(',')]
    await lab.exec('client', words, { input: text })
  }

  it.each(ROWS)('sends the packet whole, one hop on, to the real server: $name', (row) => {
    const sent = client.frames
      .map(({ packet }) => packet)
      .filter((packet) => readPacket(packet).destinationPort === row.port)
    const received = server.frames
      .filter(isToServer)
      .map(({ packet }) => decapsulate(packet))
      .filter(({ inner }) => readPacket(inner).destinationPort === row.port)
    expect([sent.length, received.length]).toEqual([1, 1])

    const { outer, inner, type, checksum, sourcePort, destinationPort } = received[0]!
    const oneHopOn = sent[0]!.slice()
    expect(readPacket(oneHopOn).source.toString()).toBe(CLIENT[row.service])
    decrementHopLimit(readPacket(oneHopOn))
    expect(toHex(inner)).toBe(toHex(oneHopOn))
    expect(`${outer.source} ${outer.destination}`).toBe(`${DIRECTOR.back[row.server]} ${BACK[row.server]}`)
    expect(outer.hopLimit).toBe(TTL - 1)
    expect({ type, checksum }).toEqual({ type: row.info.slice(0, 3), checksum: row.checksum })
    if (type !== 'gue') return
    expect(destinationPort).toBe(GUE_PORT)
    expect(sourcePort).toBeGreaterThanOrEqual(GUE_SOURCE_PORTS.from)
    expect(sourcePort).toBeLessThan(GUE_SOURCE_PORTS.to)
  })

  it.each(WITH_CHECKSUM)(
    'has its checksums accepted by the real server’s kernel, in fragments too: $name',
    async (row) => {
      const listen = `UDP${row.server.slice(1)}-RECV:${GUE_PORT},bind=${endpoint(BACK[row.server], 0).replace(/:0$/, '')}`
      const program = lab.spawn('rs1', ['socat', '-u', '-b', '65507', listen, 'STDOUT'])
      await listening(program, { protocol: 'udp', port: GUE_PORT })
      await send(row, 'a short datagram')
      await program.until('datagram', () => program.stdout.includes('a short datagram'))
      if (row.service === 'v4') {
        // Fills the client's link, may be fragmented, and is longer than that link with its outer headers.
        const text = 'fragmented'.repeat(147)
        await send(row, text, ['mtudiscover=0'])
        await program.until('whole datagram', () => program.stdout.includes(text))
      }
      await program.stop()
    },
  )

  it('lists and saves them as they were set up', async () => {
    const { stdout: listed } = await daemon.adm(['-L', '-n', '--tun-info'])
    const { stdout: saved } = await daemon.adm(['-S', '-n'])
    for (const row of ROWS) {
      const name = endpoint(BACK[row.server], row.port).padEnd(28)
      expect(listed).toContain(`  -> ${name} Tunnel  ${row.info.padEnd(13)} 1      `)
    }
    expect(saved.split('\n').sort()).toEqual(CONFIGURATION.split('\n').sort())
  })

  it('changes a tunnel under a connection that exists', async () => {
    const [row] = ROWS as [Row]
    const change = ['-e', '-u', serviceOf(row), '-r', endpoint(BACK[row.server], row.port)]
    await daemon.adm([...change, '-i', '--tun-type', 'gre'])
    await send(row, 'changed', [`sourceport=${readPacket(client.frames[0]!.packet).sourcePort}`])
    const [frame] = await server.wait(({ packet }) => Buffer.from(packet).includes('changed'))
    expect(decapsulate(frame!.packet).type).toBe('gre')
    const { stdout } = await daemon.adm(['-L', '-n', '-c'])
    expect(stdout.split('\n').filter((line) => line.includes(`${VIP.routed.v4}:${row.port} `))).toHaveLength(
      1,
    )
  })
})

/** Answers of the real server's kernel, that it knows no such port or protocol, are captured by no filter of ours. */
const isToServer = ({ packet }: { readonly packet: Uint8Array }): boolean => {
  const destination = readPacket(packet).destination.toString()
  return destination === BACK.v4 || destination === BACK.v6
}
