import { describe, expect, it } from 'vitest'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { parseEndpoint } from '../../lib/service/key.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { icmp4, icmp6, readPacket, sctp4, tcp4, tcp6, udp4, udp6 } from '../support/packets.ts'
import { DIRECTOR_4, DIRECTOR_6, refusalOf, Stage, serviceKey, settingsOf } from '../support/stage.ts'

const SERVICE = { 4: 'tcp:10.0.0.1:80', 6: 'tcp:[fd00::1]:80' } as const

function staged(options: ConstructorParameters<typeof Stage>[0] = {}): Stage {
  const stage = new Stage(options)
  for (const [service, server] of [
    [SERVICE[4], '192.168.1.1:8080'],
    [SERVICE[6], '[fd01::1]:8080'],
    ['udp:10.0.0.1:53', '192.168.1.1:5300'],
    ['udp:[fd00::1]:53', '[fd01::1]:5300'],
    ['sctp:10.0.0.1:9', '192.168.1.1:9'],
  ] as const) {
    stage.service(service)
    stage.destination(service, server, { fullNat: true })
  }
  return stage
}

const PAIRS = [
  {
    name: 'TCP over IPv4',
    request: tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: 'S' }),
    reply: (port: number) =>
      tcp4({ source: '192.168.1.1:8080', destination: `${DIRECTOR_4}:${port}`, flags: 'SA' }),
    seen: tcp4({ source: '10.0.0.1:80', destination: '10.9.0.1:3000', flags: 'SA' }),
    director: DIRECTOR_4,
  },
  {
    name: 'TCP over IPv6',
    request: tcp6({ source: '[fd09::1]:3000', destination: '[fd00::1]:80', flags: 'S' }),
    reply: (port: number) =>
      tcp6({ source: '[fd01::1]:8080', destination: `[${DIRECTOR_6}]:${port}`, flags: 'SA' }),
    seen: tcp6({ source: '[fd00::1]:80', destination: '[fd09::1]:3000', flags: 'SA' }),
    director: DIRECTOR_6,
  },
  {
    name: 'UDP over IPv4',
    request: udp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:53', payload: 'odd' }),
    reply: (port: number) =>
      udp4({ source: '192.168.1.1:5300', destination: `${DIRECTOR_4}:${port}`, payload: 'odd' }),
    seen: udp4({ source: '10.0.0.1:53', destination: '10.9.0.1:3000', payload: 'odd' }),
    director: DIRECTOR_4,
  },
  {
    name: 'UDP over IPv6',
    request: udp6({ source: '[fd09::1]:3000', destination: '[fd00::1]:53' }),
    reply: (port: number) => udp6({ source: '[fd01::1]:5300', destination: `[${DIRECTOR_6}]:${port}` }),
    seen: udp6({ source: '[fd00::1]:53', destination: '[fd09::1]:3000' }),
    director: DIRECTOR_6,
  },
  {
    name: 'SCTP over IPv4, whose server port stays as it is',
    request: sctp4({
      source: '10.9.0.1:3000',
      destination: '10.0.0.1:9',
      chunks: [['init', new Uint8Array(16)]],
    }),
    reply: (port: number) =>
      sctp4({
        source: '192.168.1.1:9',
        destination: `${DIRECTOR_4}:${port}`,
        chunks: [['initAck', new Uint8Array(16)]],
      }),
    seen: sctp4({
      source: '10.0.0.1:9',
      destination: '10.9.0.1:3000',
      chunks: [['initAck', new Uint8Array(16)]],
    }),
    director: DIRECTOR_4,
  },
] as const

describe('full NAT', () => {
  it.each(PAIRS)(
    'hides the client behind the director, and finds it again: $name',
    ({ request, reply, seen, director }) => {
      const stage = staged()
      const there = stage.inbound(request)
      expect(there.kind).toBe('rewrite')
      expectPacket(there.out).checksumsAreValid()
      const { source, sourcePort } = readPacket(there.out)
      expect(`${source}`).toBe(director)
      expect(sourcePort).toBeGreaterThanOrEqual(1024)
      expect(sourcePort).toBeLessThan(32_768)
      const back = stage.outbound(reply(sourcePort))
      expect(back.kind).toBe('rewrite')
      expect(back.out).toEqual(seen)
    },
  )

  it('gives every client a port of its own towards one server, and the same again to the same', () => {
    const stage = staged()
    const portOf = (client: number) =>
      readPacket(
        stage.inbound(tcp4({ source: `10.9.0.1:${client}`, destination: '10.0.0.1:80', flags: 'S' })).out,
      ).sourcePort
    const ports = Array.from({ length: 500 }, (_, index) => portOf(2000 + index))
    expect(new Set(ports).size).toBe(500)
    expect(portOf(2007)).toBe(ports[7])
  })

  it('serves a client in the real server’s own network', () => {
    const stage = staged()
    const there = stage.inbound(tcp4({ source: '192.168.1.77:3000', destination: '10.0.0.1:80', flags: 'S' }))
    expectPacket(there.out).ipv4({ source: DIRECTOR_4, destination: '192.168.1.1' })
    const { sourcePort } = readPacket(there.out)
    const back = stage.outbound(
      tcp4({ source: '192.168.1.1:8080', destination: `${DIRECTOR_4}:${sourcePort}`, flags: 'SA' }),
    )
    expectPacket(back.out)
      .ipv4({ source: '10.0.0.1', destination: '192.168.1.77' })
      .tcp({ sourcePort: 80, destinationPort: 3000 })
  })

  it('turns a client away when every port towards its server is taken, and takes it when one is free', () => {
    const stage = staged({ connectionLimit: 40_000 })
    const packet = udp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:53', hasChecksum: false })
    // Clients told apart by the low half of their address, without a packet made anew for each.
    const send = (index: number) => {
      const bytes = packet.slice()
      bytes[14] = index >> 8
      bytes[15] = index & 255
      const arrival = { bytes, start: 0, end: bytes.length, hook: 'inbound', mark: 0 } as const
      const verdict = stage.director.process({ ...arrival, offload: OFFLOAD.finished, nowMs: stage.nowMs })
      return { kind: verdict.kind, reason: verdict.reason }
    }
    let served = 0
    for (let index = 0; index < 31_744; index++) if (send(index).kind === 'rewrite') served++
    expect(served).toBe(31_744)
    expect(send(31_744)).toMatchObject({ kind: 'drop', reason: 'no-local-port' })
    expect(stage.director.connections.size).toBe(31_744)
    stage.passTime(400_000)
    expect(stage.director.connections.size).toBe(0)
    expect(send(31_744).kind).toBe('rewrite')
  })

  it('takes nothing for an answer that comes from elsewhere', () => {
    const stage = staged()
    const { sourcePort } = readPacket(stage.inbound(PAIRS[0].request).out)
    const to = `${DIRECTOR_4}:${sourcePort}`
    for (const source of ['192.168.1.2:8080', '192.168.1.1:8081']) {
      expect(stage.outbound(tcp4({ source, destination: to }))).toMatchObject({
        kind: 'accept',
        reason: 'no-connection',
      })
    }
    expect(
      stage.outbound(tcp4({ source: '192.168.1.1:8080', destination: `${DIRECTOR_4}:${sourcePort ^ 1}` })),
    ).toMatchObject({ kind: 'accept' })
    expect(
      stage.outbound(tcp4({ source: '192.168.1.1:8080', destination: `${DIRECTOR_4}:99` })),
    ).toMatchObject({ kind: 'accept' })
  })

  it('translates ICMP errors from the servers’ side, quotation and all', () => {
    const stage = staged()
    const sent = stage.inbound(PAIRS[0].request).out
    const error = icmp4({ source: '192.168.1.250', destination: DIRECTOR_4, type: 3, code: 1, body: sent })
    const outcome = stage.outbound(error)
    expect(outcome.kind).toBe('rewrite')
    const quoted = expectPacket(outcome.out)
      .ipv4({ source: '10.0.0.1', destination: '10.9.0.1' })
      .checksumsAreValid()
      .quoted()
    quoted
      .ipv4({ source: '10.9.0.1', destination: '10.0.0.1' })
      .tcp({ sourcePort: 3000, destinationPort: 80 })
  })

  it('translates ICMPv6 errors from the clients’ side', () => {
    const stage = staged()
    const { sourcePort } = readPacket(stage.inbound(PAIRS[1].request).out)
    const error = icmp6({ source: 'fd09::1', destination: 'fd00::1', type: 1, code: 4, body: PAIRS[1].seen })
    const outcome = stage.inbound(error)
    const quoted = expectPacket(outcome.out)
      .ipv6({ source: DIRECTOR_6, destination: 'fd01::1' })
      .checksumsAreValid()
      .quoted()
    quoted
      .ipv6({ source: 'fd01::1', destination: DIRECTOR_6 })
      .tcp({ sourcePort: 8080, destinationPort: sourcePort })
  })

  it('needs a path, whose source address it takes', () => {
    const stage = new Stage()
    stage.service(SERVICE[4])
    stage.destination(SERVICE[4], '192.168.1.1:80', { fullNat: true, mtuBytes: null })
    expect(stage.inbound(PAIRS[0].request)).toMatchObject({ kind: 'drop', reason: 'no-local-port' })
    expect(stage.connections).toEqual([])
  })

  it('is a way of masquerading alone', () => {
    const stage = new Stage()
    stage.service(SERVICE[4])
    const at = parseEndpoint('192.168.1.1:80')!
    const settings = settingsOf({ method: 'gatewaying', fullNat: true })
    expect(refusalOf(stage.director.services.addDestination(serviceKey(SERVICE[4]), at, settings))).toBe(
      'invalid-value',
    )
  })
})
