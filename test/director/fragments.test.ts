import { describe, expect, it } from 'vitest'
import { expectPacket } from '../support/expect-packet.ts'
import { fragment4, fragment6, icmp4, tcp4, udp4, udp6 } from '../support/packets.ts'
import { type Outcome, Stage } from '../support/stage.ts'

const PAYLOAD = 'x'.repeat(2000)
const REQUEST = udp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:53', payload: PAYLOAD })
const REQUEST_6 = udp6({ source: '[fd09::1]:3000', destination: '[fd00::1]:53', payload: PAYLOAD })
const REPLY = udp4({ source: '192.168.1.1:5300', destination: '10.9.0.1:3000', payload: PAYLOAD })

function staged(): Stage {
  const stage = new Stage()
  for (const [service, server] of [
    ['udp:10.0.0.1:53', '192.168.1.1:5300'],
    ['udp:[fd00::1]:53', '[fd01::1]:5300'],
  ] as const) {
    stage.service(service)
    stage.destination(service, server)
  }
  return stage
}

/** What became of the last of them; the others were absorbed. */
function lastOf(
  stage: Stage,
  fragments: readonly Uint8Array[],
  hook: 'inbound' | 'outbound' = 'inbound',
): Outcome {
  const outcomes = fragments.map((each) => stage[hook](each))
  const last = outcomes.pop()!
  for (const each of outcomes) expect(each).toMatchObject({ kind: 'absorb', reason: '', answer: null })
  return last
}

describe('a datagram in fragments', () => {
  it('goes on as one packet, and says how it came', () => {
    const outcome = lastOf(staged(), fragment4(REQUEST, 1000))
    expect(outcome).toMatchObject({ kind: 'rewrite', largestFragmentBytes: 1020 })
    expectPacket(outcome.out)
      .ipv4({ source: '10.9.0.1', destination: '192.168.1.1', ttl: 63, totalBytes: REQUEST.length })
      .headerChecksumIsValid()
      .udp({ destinationPort: 5300 })
      .checksumsAreValid()
  })

  it('goes on in whatever order it came', () => {
    const outcome = lastOf(staged(), fragment4(REQUEST, 400).reverse())
    expect(outcome).toMatchObject({ kind: 'rewrite', destination: '192.168.1.1:5300' })
  })

  it('is one connection and one packet, whose first fragment alone has ports', () => {
    const stage = staged()
    const service = stage.director.services.lookup(4, 0, 17, 0x0a000001, 0, 0, 0, 53)!
    lastOf(stage, fragment4(REQUEST, 400))
    stage.passTime(2000)
    expect(service.counters.shown()).toMatchObject({
      connections: 1,
      inPackets: 1,
      inBytes: REQUEST.length,
    })
  })

  it('is translated on the way back', () => {
    const stage = staged()
    lastOf(stage, fragment4(REQUEST, 1000))
    const outcome = lastOf(stage, fragment4(REPLY, 1000), 'outbound')
    expect(outcome).toMatchObject({ kind: 'rewrite', largestFragmentBytes: 1020 })
    expectPacket(outcome.out).ipv4({ source: '10.0.0.1' }).udp({ sourcePort: 53 }).checksumsAreValid()
  })

  it('is for nobody, and then is the kernel’s, whole', () => {
    const stray = udp4({ source: '10.9.0.1:3000', destination: '10.0.0.9:53', payload: PAYLOAD })
    const outcome = lastOf(staged(), fragment4(stray, 1000))
    expect(outcome).toMatchObject({ kind: 'accept', reason: 'no-service', largestFragmentBytes: 1020 })
  })

  it('of IPv6 may be longer than the way takes, as long as no fragment was', () => {
    const stage = staged()
    expect(lastOf(stage, fragment6(REQUEST_6, 1000))).toMatchObject({
      kind: 'rewrite',
      largestFragmentBytes: 1048,
    })
    stage.destination('udp:[fd00::1]:53', '[fd01::2]:5300', { mtuBytes: 1280 })
    const other = udp6({ source: '[fd09::2]:3000', destination: '[fd00::1]:53', payload: PAYLOAD })
    expect(lastOf(stage, fragment6(other, 1400))).toMatchObject({ kind: 'drop', reason: 'too-big' })
  })

  it('whose whole is malformed is dropped for that', () => {
    const tooShort = udp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:53', payload: PAYLOAD })
    tooShort[20 + 4] = 0xff // a length that no packet has
    tooShort[20 + 5] = 0xff
    expect(lastOf(staged(), fragment4(tooShort, 1000))).toMatchObject({
      kind: 'drop',
      reason: 'udp-payload-truncated',
    })
  })

  it('that stays incomplete is given up in half a minute, and counted', () => {
    const stage = staged()
    stage.inbound(fragment4(REQUEST, 1000)[0]!)
    stage.passTime(29_000)
    expect(stage.director.dropped.toObject()['fragment-timed-out']).toBe(0)
    stage.passTime(4_000)
    expect(stage.director.dropped.toObject()['fragment-timed-out']).toBe(1)
  })

  it('with two fragments that overlap is given up, and counted', () => {
    const stage = staged()
    const [first, second] = fragment4(REQUEST, 1008)
    const overlapping = fragment4(REQUEST, 800)[1]!
    expect(lastOf(stage, [first!, overlapping])).toMatchObject({ kind: 'absorb' })
    expect(stage.director.dropped.toObject()['fragment-overlap']).toBe(1)
    expect(stage.inbound(second!)).toMatchObject({ kind: 'absorb' })
  })
})

describe('an ICMP error in fragments', () => {
  it('is put together before it is related', () => {
    const stage = staged()
    stage.inbound(udp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:53' }))
    const quoted = udp4({ source: '10.0.0.1:53', destination: '10.9.0.1:3000', payload: 'x'.repeat(400) })
    const error = icmp4({ source: '10.9.0.1', destination: '10.0.0.1', type: 3, code: 3, body: quoted })
    expect(lastOf(stage, fragment4(error, 200))).toMatchObject({
      kind: 'rewrite',
      destination: '192.168.1.1:5300',
    })
  })
})

describe('a segment with DF and a datagram in pieces', () => {
  it('do not hinder each other', () => {
    const stage = staged()
    stage.service('tcp:10.0.0.1:80')
    stage.destination('tcp:10.0.0.1:80', '192.168.1.1:80')
    const [first, second] = fragment4(REQUEST, 1008)
    expect(stage.inbound(first!).kind).toBe('absorb')
    const syn = tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: 'S', dontFragment: true })
    expect(stage.inbound(syn)).toMatchObject({ kind: 'rewrite', largestFragmentBytes: null })
    expect(stage.inbound(second!)).toMatchObject({ kind: 'rewrite' })
  })
})
