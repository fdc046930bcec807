import { beforeEach, describe, expect, it } from 'vitest'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { fragment4, ip4, ip6, udp4, udp6 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const IKE = 'udp:10.0.0.1:500'
const request = (protocol: number = PROTOCOL.esp) =>
  ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol, payload: 'x'.repeat(64) })
const reply = ip4({
  source: '192.168.1.9',
  destination: '10.9.0.1',
  protocol: PROTOCOL.esp,
  payload: 'secret',
})
const exchange = udp4({ source: '10.9.0.1:500', destination: '10.0.0.1:500', payload: 'ike' })

describe('AH and ESP', () => {
  let stage: Stage
  beforeEach(() => {
    stage = new Stage()
    stage.service(IKE)
    stage.destination(IKE, '192.168.1.9:500')
  })

  it('are left to the kernel where there was no key exchange', () => {
    expect(stage.inbound(request())).toMatchObject({ kind: 'accept', reason: 'not-a-connection-start' })
    expect(stage.outbound(reply)).toMatchObject({ kind: 'accept', reason: 'no-connection' })
    expect(stage.connections).toHaveLength(0)
  })

  it.each([PROTOCOL.esp, PROTOCOL.ah])(
    'follow the key exchange, in both directions: protocol %i',
    (protocol) => {
      stage.inbound(exchange)
      expectPacket(stage.inbound(request(protocol)).out)
        .ipv4({ source: '10.9.0.1', destination: '192.168.1.9', protocol, ttl: 63 })
        .payload('x'.repeat(64))
        .headerChecksumIsValid()
      const answer = ip4({ source: '192.168.1.9', destination: '10.9.0.1', protocol, payload: 'secret' })
      expectPacket(stage.outbound(answer).out)
        .ipv4({ source: '10.0.0.1', destination: '10.9.0.1', protocol })
        .payload('secret')
        .headerChecksumIsValid()
      expect(stage.connections).toHaveLength(1)
    },
  )

  it('prolong the connection by its own timeout, and change nothing else of it', () => {
    stage.inbound(exchange)
    stage.director.timeouts = { tcp: 0, tcpFin: 0, udp: 10 }
    stage.passTime(100_000)
    expect(stage.connection.expiresSeconds).toBe(200)
    stage.inbound(request())
    expect(stage.connection).toMatchObject({ expiresSeconds: 300, stateName: 'UDP', protocol: PROTOCOL.udp })
    stage.passTime(100_000)
    stage.outbound(reply)
    expect(stage.connection).toMatchObject({ expiresSeconds: 300, inPackets: 2 })
  })

  it('are counted as the connection’s packets', () => {
    stage.inbound(exchange)
    const { totals } = stage.director
    const before = totals.shown()
    stage.inbound(request())
    stage.outbound(reply)
    stage.passTime(2000)
    const after = totals.shown()
    expect(after.inPackets - before.inPackets).toBe(2) // the exchange itself was not in the snapshot either
    expect(after.outPackets - before.outPackets).toBe(1)
    expect(after.connections - before.connections).toBe(1)
  })

  it('are not put together from fragments: each goes the same way by itself', () => {
    stage.inbound(exchange)
    for (const fragment of fragment4(request(), 32)) {
      const { kind, out } = stage.inbound(fragment)
      expect(kind).toBe('rewrite')
      expectPacket(out)
        .ipv4({ destination: '192.168.1.9', totalBytes: fragment.length })
        .headerChecksumIsValid()
      expect(out.subarray(20)).toEqual(fragment.subarray(20))
    }
  })

  it('go by direct routing as they are', () => {
    const direct = new Stage()
    direct.service(IKE)
    direct.destination(IKE, '192.168.1.9:500', { method: 'gatewaying' })
    direct.inbound(exchange)
    const { kind, out } = direct.inbound(request())
    expect(kind).toBe('direct')
    expectPacket(out)
      .ipv4({ destination: '10.0.0.1', ttl: 63 })
      .payload('x'.repeat(64))
      .headerChecksumIsValid()
  })

  it('of IPv6: ESP follows; AH is walked past, so that what it guards follows its own connection', () => {
    const six = new Stage()
    const ends = { source: '[fd09::1]:500', destination: '[fd00::1]:500' }
    six.service('udp:[fd00::1]:500')
    six.destination('udp:[fd00::1]:500', '[fd01::9]:500')
    six.inbound(udp6(ends))
    const esp = ip6({ source: 'fd09::1', destination: 'fd00::1', protocol: PROTOCOL.esp, payload: 'secret' })
    expectPacket(six.inbound(esp).out).ipv6({ destination: 'fd01::9' }).payload('secret')
    const guarded = { ...ends, source: '[fd09::1]:7', extensions: [{ protocol: PROTOCOL.ah, bytes: ah() }] }
    expectPacket(six.inbound(udp6(guarded)).out)
      .ipv6({ destination: 'fd01::9' })
      .udp({ sourcePort: 7 })
    expect(six.connections).toHaveLength(2)
  })
})

/** An authentication header of 24 octets. */
const ah = (): Uint8Array => new Uint8Array(24).fill(4, 1, 2)
