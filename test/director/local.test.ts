import { describe, expect, it } from 'vitest'
import { expectPacket } from '../support/expect-packet.ts'
import { icmp4, tcp4, udp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const SERVICE = 'tcp:10.0.0.1:80'
const SYN = tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: 'S' })

function staged(method: 'masquerading' | 'gatewaying' | 'ipip', at = '192.168.1.254:8080'): Stage {
  const stage = new Stage()
  stage.service(SERVICE)
  stage.destination(SERVICE, at, { method, isLocal: true, mtuBytes: 100 })
  return stage
}

describe('a real server on the director itself', () => {
  it('gets masqueraded packets with its own endpoint, their hop limit and size as they came', () => {
    const stage = staged('masquerading')
    const long = tcp4({
      source: '10.9.0.1:3000',
      destination: '10.0.0.1:80',
      flags: 'S',
      ttl: 1,
      dontFragment: true,
      payload: 'x'.repeat(200),
    })
    const outcome = stage.inbound(long)
    expect(outcome).toMatchObject({ kind: 'rewrite', destination: '192.168.1.254:8080' })
    expectPacket(outcome.out)
      .ipv4({ destination: '192.168.1.254', ttl: 1 })
      .tcp({ destinationPort: 8080 })
      .checksumsAreValid()
  })

  it('answers under the service’s name', () => {
    const stage = staged('masquerading')
    stage.inbound(SYN)
    const outcome = stage.outbound(
      tcp4({ source: '192.168.1.254:8080', destination: '10.9.0.1:3000', flags: 'SA' }),
    )
    expectPacket(outcome.out).ipv4({ source: '10.0.0.1' }).tcp({ sourcePort: 80 }).checksumsAreValid()
  })

  it.each(['gatewaying', 'ipip'] as const)(
    'by %s gets its packets as they are, and the connection is followed',
    (method) => {
      const stage = staged(method, '192.168.1.254:80')
      expect(stage.inbound(SYN)).toMatchObject({
        kind: 'accept',
        reason: '',
        destination: '192.168.1.254:80',
      })
      expect(stage.connection).toMatchObject({ stateName: 'SYN_RECV' })
    },
  )

  it('gets ICMP errors about its answers, by either method', () => {
    for (const [method, kind] of [
      ['masquerading', 'rewrite'],
      ['gatewaying', 'accept'],
    ] as const) {
      const stage = staged(method, '192.168.1.254:80')
      stage.inbound(SYN)
      const body = tcp4({ source: '10.0.0.1:80', destination: '10.9.0.1:3000', flags: 'SA' })
      const error = icmp4({ source: '10.9.0.1', destination: '10.0.0.1', type: 3, code: 1, ttl: 1, body })
      expect(stage.inbound(error).kind).toBe(kind)
    }
  })

  it('may be spoken to from a loopback address, as no other may', () => {
    const syn = tcp4({ source: '127.0.0.1:3000', destination: '10.0.0.1:80', flags: 'S' })
    expect(staged('masquerading').inbound(syn).kind).toBe('rewrite')
    const stage = new Stage()
    stage.service(SERVICE)
    stage.destination(SERVICE, '192.168.1.1:80')
    expect(stage.inbound(syn)).toMatchObject({ kind: 'drop', reason: 'loopback-source' })
    expect(stage.connections).toEqual([])
  })
})

describe('cache_bypass', () => {
  const MARKED = { mark: 7 }
  const TO_CACHE = tcp4({ source: '10.9.0.1:3000', destination: '198.51.100.1:80', flags: 'S' })

  function bypassing(options = {}): Stage {
    const stage = new Stage({ isLocal: (address) => `${address}` === '198.51.100.9', ...options })
    stage.director.knobs.cache_bypass = 1
    stage.service('fwmark:7')
    return stage
  }

  it('lets packets of a mark without destination go on to where they are addressed', () => {
    const stage = bypassing()
    const outcome = stage.inbound(TO_CACHE, MARKED)
    expect(outcome).toMatchObject({ kind: 'rewrite', destination: null })
    expectPacket(outcome.out)
      .ipv4({ destination: '198.51.100.1', ttl: 63 })
      .tcp({ destinationPort: 80 })
      .checksumsAreValid()
    expect(stage.connection).toMatchObject({ stateName: 'SYN_RECV', destinationId: 0 })
  })

  it('remembers it: the connection stays where it began when a destination comes', () => {
    const stage = bypassing()
    stage.inbound(TO_CACHE, MARKED)
    stage.destination('fwmark:7', '192.168.1.1:80', { method: 'gatewaying' })
    const ack = tcp4({ source: '10.9.0.1:3000', destination: '198.51.100.1:80' })
    expect(stage.inbound(ack, MARKED)).toMatchObject({ kind: 'rewrite', destination: null })
    const other = tcp4({ source: '10.9.0.1:3001', destination: '198.51.100.1:80', flags: 'S' })
    expect(stage.inbound(other, MARKED)).toMatchObject({ kind: 'direct', destination: '192.168.1.1:80' })
  })

  it('counts nothing, since nobody is bound, and lets the connection expire like any', () => {
    const stage = bypassing()
    stage.director.knobs.expire_nodest_conn = 1
    stage.inbound(TO_CACHE, MARKED)
    stage.inbound(TO_CACHE, MARKED)
    stage.passTime(2000)
    expect(stage.director.totals.shown()).toMatchObject({ connections: 0, inPackets: 0 })
    expect(stage.connections).toHaveLength(1)
    stage.passTime(200_000)
    expect(stage.connections).toEqual([])
  })

  it('takes ICMP errors about the answers along', () => {
    const stage = bypassing()
    stage.inbound(TO_CACHE, MARKED)
    const body = tcp4({ source: '198.51.100.1:80', destination: '10.9.0.1:3000', flags: 'SA' })
    const error = icmp4({ source: '10.9.0.1', destination: '198.51.100.1', type: 3, code: 1, body })
    expectPacket(stage.inbound(error).out).ipv4({ destination: '198.51.100.1', ttl: 63 })
  })

  it.each([
    [
      'of a service with an address',
      { service: 'udp:10.0.0.1:53', packet: udp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:53' }) },
    ],
    [
      'to the host itself',
      {
        service: null,
        packet: tcp4({ source: '10.9.0.1:3000', destination: '198.51.100.9:80', flags: 'S' }),
      },
    ],
    ['to a group', { service: null, packet: udp4({ source: '10.9.0.1:3000', destination: '224.0.0.1:80' }) }],
  ] as const)('leaves packets alone that are %s', (_name, { service, packet }) => {
    const stage = bypassing()
    if (service !== null) stage.service(service)
    expect(stage.inbound(packet, service === null ? MARKED : {})).toMatchObject({
      kind: 'drop',
      reason: 'no-destination',
    })
  })

  it('does nothing unless it is asked for', () => {
    const stage = bypassing()
    stage.director.knobs.cache_bypass = 0
    expect(stage.inbound(TO_CACHE, MARKED)).toMatchObject({ kind: 'drop', reason: 'no-destination' })
  })
})
