import { describe, expect, it } from 'vitest'
import { expectPacket } from '../support/expect-packet.ts'
import { fragment4, fragment6, icmp4, icmp6 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const DATA = 'x'.repeat(1400)
const PING = icmp4({
  source: '10.9.0.1',
  destination: '10.0.0.1',
  type: 8,
  rest: 0x12340001,
  ttl: 9,
  body: DATA,
})
const PING_6 = icmp6({
  source: 'fd09::1',
  destination: 'fd00::1',
  type: 128,
  rest: 0x12340001,
  hopLimit: 9,
  body: DATA,
})

function staged(answersEcho: boolean): Stage {
  const stage = new Stage({ answersEcho })
  for (const service of ['tcp:10.0.0.1:80', 'tcp:[fd00::1]:80']) stage.service(service)
  return stage
}

describe('a ping of a virtual address', () => {
  it('is the host’s own business, request and reply, in both directions', () => {
    const stage = staged(false)
    const reply = icmp4({ source: '192.168.1.1', destination: '10.9.0.1', type: 0 })
    for (const packet of [PING, PING_6]) {
      expect(stage.inbound(packet)).toMatchObject({ kind: 'accept', reason: 'protocol-not-followed' })
    }
    expect(stage.outbound(reply)).toMatchObject({ kind: 'accept', reason: 'protocol-not-followed' })
  })

  it('is answered where the director is asked to, with the same data and a fresh hop limit', () => {
    const stage = staged(true)
    const outcome = stage.inbound(PING)
    expect(outcome).toMatchObject({ kind: 'send', destination: null })
    expectPacket(outcome.out)
      .ipv4({ source: '10.0.0.1', destination: '10.9.0.1', ttl: 64 })
      .icmp({ type: 0, code: 0, rest: 0x12340001, body: DATA })
      .checksumsAreValid()
    expectPacket(stage.inbound(PING_6).out)
      .ipv6({ source: 'fd00::1', destination: 'fd09::1', hopLimit: 64 })
      .icmpv6({ type: 129, code: 0, rest: 0x12340001, body: DATA })
      .checksumsAreValid()
  })

  it('in fragments is answered as a whole', () => {
    const stage = staged(true)
    const [first, second] = fragment4(PING, 800)
    expect(stage.inbound(first!).kind).toBe('absorb')
    expectPacket(stage.inbound(second!).out).icmp({ type: 0, body: DATA }).checksumsAreValid()
    const [first6, second6] = fragment6(PING_6, 800)
    expect(stage.inbound(first6!).kind).toBe('absorb')
    expectPacket(stage.inbound(second6!).out).icmpv6({ type: 129, body: DATA }).checksumsAreValid()
    expect(staged(false).inbound(first6!)).toMatchObject({ kind: 'accept' })
  })

  it('of any other address is left alone, and so is one that is only forwarded', () => {
    const stage = staged(true)
    const other = icmp4({ source: '10.9.0.1', destination: '10.0.0.2', type: 8 })
    expect(stage.inbound(other)).toMatchObject({ kind: 'accept' })
    expect(stage.outbound(PING)).toMatchObject({ kind: 'accept' })
    stage.director.services.remove({ ...[...stage.director.services][0]!.key })
    expect(stage.inbound(PING)).toMatchObject({ kind: 'accept' })
  })
})
