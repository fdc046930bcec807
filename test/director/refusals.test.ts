import { beforeEach, describe, expect, it } from 'vitest'
import { DROP_REASONS, PASS_REASONS } from '../../lib/director/reasons.ts'
import { decrementHopLimit } from '../../lib/encode/hop-limit.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { MALFORMED_REASONS } from '../../lib/wire/malformed.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { icmp4, icmp6, ip4, readPacket, tcp4, tcp6, udp4, udp6 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const WEB = 'tcp:10.0.0.1:80'
const WEB_6 = 'tcp:[fd00::1]:80'
const ENDS = { source: '10.9.0.1:3000', destination: '10.0.0.1:80' }
const ENDS_6 = { source: '[fd09::1]:3000', destination: '[fd00::1]:80' }
const SYN = tcp4({ ...ENDS, flags: 'S' })
const SYN_6 = tcp6({ ...ENDS_6, flags: 'S' })

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})

const dropped = (reason: string): number => stage.director.dropped.toObject()[reason]!

/** The ICMP error from the virtual address to the client, octet for octet; the director's first has the id 0x8001. */
const error4 = (
  type: number,
  code: number,
  body: Uint8Array,
  rest = 0,
  identification = 0x8001,
): Uint8Array =>
  icmp4({
    source: '10.0.0.1',
    destination: '10.9.0.1',
    trafficClass: 0xc0,
    identification,
    type,
    code,
    rest,
    body: body.subarray(0, 548),
  })
const error6 = (type: number, code: number, body: Uint8Array, rest = 0): Uint8Array =>
  icmp6({ source: 'fd00::1', destination: 'fd09::1', type, code, rest, body: body.subarray(0, 1232) })

const oneHopOn = (packet: Uint8Array): Uint8Array => {
  const bytes = packet.slice()
  decrementHopLimit(readPacket(bytes))
  return bytes
}

describe('no destination', () => {
  it('is answered with port unreachable, not with a reset', () => {
    stage.service(WEB)
    expect(stage.inbound(SYN)).toEqual({
      largestFragmentBytes: null,
      kind: 'drop',
      reason: 'no-destination',
      out: new Uint8Array(0),
      answer: error4(3, 3, SYN),
      destination: null,
    })
    expect(stage.connections).toHaveLength(0)
  })

  it('is answered so over IPv6, and over UDP', () => {
    stage.service(WEB_6)
    expect(stage.inbound(SYN_6).answer).toEqual(error6(1, 4, SYN_6))
    stage.service('udp:10.0.0.1:80')
    const datagram = udp4({ ...ENDS, payload: 'anyone?' })
    expect(stage.inbound(datagram).answer).toEqual(error4(3, 3, datagram, 0, 0x8002))
  })

  it.each([
    ['all are quiesced', { weight: 0 }],
    ['the only one is full', { upperThreshold: 1 }],
  ])('is what %s comes to', (_name, settings) => {
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80', settings).bind(false)
    expect(stage.inbound(SYN)).toMatchObject({ kind: 'drop', reason: 'no-destination' })
  })

  it('is what a service without a scheduler always has', () => {
    stage.service(WEB, { scheduler: 'none' })
    stage.destination(WEB, '192.168.1.1:80')
    expect(stage.inbound(SYN)).toMatchObject({ kind: 'drop', reason: 'no-destination' })
  })

  it('is what a service on port 0 has that is not persistent', () => {
    stage.service('tcp:10.0.0.1:0')
    stage.destination('tcp:10.0.0.1:0', '192.168.1.1:0')
    expect(stage.inbound(SYN)).toMatchObject({ kind: 'drop', reason: 'no-destination' })
  })
})

describe('ICMP errors are limited', () => {
  const refusedFrom = (source: string): boolean =>
    stage.inbound(tcp4({ ...ENDS, source, flags: 'S' })).answer !== null
  const answered = (attempts: number, source: (n: number) => string): number =>
    Array.from({ length: attempts }, (_, n) => refusedFrom(source(n))).filter(Boolean).length

  beforeEach(() => {
    stage.service(WEB)
    stage.passTime(60_000)
  })

  it('to six at once for one client, then one a second; the drops are counted all the same', () => {
    expect(answered(20, () => '10.9.0.1:3000')).toBe(6)
    expect(dropped('no-destination')).toBe(20)
    stage.passTime(900)
    expect(refusedFrom('10.9.0.1:3000')).toBe(false)
    stage.passTime(100)
    expect(answered(5, () => '10.9.0.1:3000')).toBe(1)
    stage.passTime(3_600_000)
    expect(answered(20, () => '10.9.0.1:3000')).toBe(6)
  })

  it('to fifty at once for all clients together, then a thousand a second', () => {
    const client = (n: number) => `10.9.${n >>> 8}.${n & 255}:3000`
    expect(answered(300, client)).toBe(50)
    stage.passTime(10)
    expect(answered(300, client)).toBe(10)
  })

  it('to none for senders that cannot be answered', () => {
    for (const source of ['0.0.0.0:3000', '224.0.0.9:3000', '255.255.255.255:3000']) {
      expect(refusedFrom(source), source).toBe(false)
    }
  })
})

describe('a packet on its last hop', () => {
  beforeEach(() => {
    stage.service(WEB)
    stage.service(WEB_6)
  })

  it.each(['masquerading', 'gatewaying', 'ipip'] as const)(
    'by %s is answered with time exceeded',
    (method) => {
      stage.destination(WEB, '192.168.1.1:80', { method })
      stage.destination(WEB_6, '[fd01::1]:80', { method })
      const last = tcp4({ ...ENDS, flags: 'S', ttl: 1 })
      expect(stage.inbound(last)).toMatchObject({
        kind: 'drop',
        reason: 'hop-limit-exceeded',
        answer: error4(11, 0, last),
      })
      const last6 = tcp6({ ...ENDS_6, flags: 'S', hopLimit: 1 })
      expect(stage.inbound(last6).answer).toEqual(error6(3, 0, last6))
      expect(stage.inbound(tcp4({ ...ENDS, flags: 'S', ttl: 2 })).kind).not.toBe('drop')
    },
  )

  it('is one also when it has no hop left at all', () => {
    stage.destination(WEB, '192.168.1.1:80')
    expect(stage.inbound(tcp4({ ...ENDS, flags: 'S', ttl: 0 })).reason).toBe('hop-limit-exceeded')
  })
})

describe('a packet that is too big for the way', () => {
  const big = (bytes: number) =>
    tcp4({ ...ENDS, flags: 'S', dontFragment: true, payload: 'x'.repeat(bytes - 40) })
  const big6 = (bytes: number) => tcp6({ ...ENDS_6, flags: 'S', payload: 'x'.repeat(bytes - 60) })

  it.each([
    ['masquerading', '192.168.1.1:80', 1300, 1300],
    ['gatewaying', '192.168.1.1:80', 1300, 1300],
    ['ipip', '192.168.1.1:80', 1300, 1280],
    ['ipip', '[fd01::1]:80', 1400, 1360],
  ] as const)('by %s to %s, MTU %i, is told %i, and quoted one hop on', (method, to, mtuBytes, told) => {
    stage.service(WEB)
    stage.destination(WEB, to, { method, mtuBytes })
    expect(stage.inbound(big(told + 1))).toMatchObject({
      kind: 'drop',
      reason: 'too-big',
      answer: error4(3, 4, oneHopOn(big(told + 1)), told),
    })
    expect(stage.inbound(big(told)).kind).not.toBe('drop')
  })

  it.each([
    ['masquerading', '[fd01::1]:80', 1300, 1300],
    ['gatewaying', '[fd01::1]:80', 1300, 1300],
    ['ipip', '[fd01::1]:80', 1400, 1360],
    ['ipip', '192.168.1.1:80', 1400, 1380],
  ] as const)('over IPv6 by %s to %s, MTU %i, is told %i', (method, to, mtuBytes, told) => {
    stage.service(WEB_6)
    stage.destination(WEB_6, to, { method, mtuBytes })
    expect(stage.inbound(big6(told + 1))).toMatchObject({
      kind: 'drop',
      reason: 'too-big',
      answer: error6(2, 0, oneHopOn(big6(told + 1)), told),
    })
    expect(stage.inbound(big6(told)).kind).not.toBe('drop')
  })

  it('goes on when it may be fragmented', () => {
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80', { method: 'ipip', mtuBytes: 1300 })
    const whole = tcp4({ ...ENDS, flags: 'S', payload: 'x'.repeat(1400) })
    const outcome = stage.inbound(whole)
    expect(outcome.kind).toBe('send')
    expectPacket(outcome.out).ipv4({ dontFragment: false, totalBytes: 1460 })
  })

  it('is refused when not even the length of an outer header could tell its size', () => {
    stage.service('udp:10.0.0.1:80')
    stage.destination('udp:10.0.0.1:80', '192.168.1.1:80', { method: 'ipip' })
    const longest = (bytes: number) => udp4({ ...ENDS, payload: new Uint8Array(bytes - 28) })
    expect(stage.inbound(longest(65_515)).kind).toBe('send')
    expect(stage.inbound(longest(65_516))).toMatchObject({ kind: 'drop', reason: 'too-big' })
    expect(stage.inbound(longest(65_535))).toMatchObject({ kind: 'drop', reason: 'too-big' })
  })

  it('counts as received, as in IPVS', () => {
    stage.service(WEB)
    const destination = stage.destination(WEB, '192.168.1.1:80', { mtuBytes: 1300 })
    stage.inbound(big(1400))
    expect(destination.counters.current()).toMatchObject({ connections: 1, inPackets: 1, inBytes: 1400 })
  })

  it('is the kernel’s to judge where the kernel forwards it', () => {
    stage = new Stage({ kernelForwards: { masquerading: true, gatewaying: true } })
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80', { method: 'gatewaying', mtuBytes: 1300 })
    const outcome = stage.inbound(big(1400))
    expect(outcome).toMatchObject({ kind: 'direct', out: big(1400) })
  })
})

describe('where the kernel forwards', () => {
  it('it takes the hop off itself', () => {
    stage = new Stage({ kernelForwards: { masquerading: true, gatewaying: true } })
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80')
    expectPacket(stage.inbound(SYN).out).ipv4({ ttl: 64, destination: '192.168.1.1' }).checksumsAreValid()
    stage.edit(WEB, '192.168.1.1:80', { method: 'gatewaying' })
    expect(stage.inbound(tcp4({ ...ENDS, source: '10.9.0.1:3001', flags: 'S' })).out).toEqual(
      tcp4({ ...ENDS, source: '10.9.0.1:3001', flags: 'S' }),
    )
  })
})

describe('a tunnel without a way', () => {
  it('is answered with host unreachable', () => {
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80', { method: 'ipip', mtuBytes: null })
    expect(stage.inbound(SYN)).toMatchObject({ kind: 'drop', reason: 'no-path', answer: error4(3, 1, SYN) })
  })

  it.each([
    ['IPv4', '192.168.1.1:80', 88],
    ['IPv6', '[fd01::1]:80', 1320],
  ])(
    'is what an outer %s path has that leaves less than the least MTU: dropped silently',
    (_name, to, least) => {
      stage.service(WEB)
      const destination = stage.destination(WEB, to, { method: 'ipip', mtuBytes: least - 1 })
      expect(stage.inbound(SYN)).toMatchObject({ kind: 'drop', reason: 'no-path', answer: null })
      destination.path = { ...destination.path!, mtuBytes: least }
      expect(stage.inbound(SYN).kind).toBe('send')
    },
  )

  it('does not trouble the other methods', () => {
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80', { mtuBytes: null })
    expect(stage.inbound(SYN).kind).toBe('rewrite')
  })
})

describe('malformed packets', () => {
  const withOctets = (bytes: Uint8Array, at: number, ...values: number[]): Uint8Array => {
    const copy = bytes.slice()
    copy.set(values, at)
    return copy
  }
  const SAMPLES: readonly (readonly [string, Uint8Array])[] = [
    ['ip-empty', new Uint8Array(0)],
    ['ip-version', withOctets(SYN, 0, 0x55)],
    ['ipv4-truncated', SYN.slice(0, 19)],
    ['ipv4-header-length', withOctets(SYN, 0, 0x44)],
    ['ipv4-options-truncated', withOctets(SYN, 0, 0x4f)],
    ['ipv4-total-length', withOctets(SYN, 2, 0, 19)],
    ['ipv4-payload-truncated', SYN.slice(0, -1)],
    ['ipv4-fragment-end', withOctets(SYN, 6, 0x1f, 0xff)],
    ['ipv6-truncated', SYN_6.slice(0, 39)],
    ['ipv6-payload-truncated', SYN_6.slice(0, -1)],
    ['ipv6-jumbogram', withOctets(SYN_6, 4, 0, 0)],
    [
      'tcp-truncated',
      ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol: 6, payload: 'too short' }),
    ],
    ['tcp-data-offset', withOctets(SYN, 32, 0x40)],
    ['tcp-options-truncated', withOctets(SYN, 32, 0xf0)],
    ['udp-truncated', ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol: 17, payload: 'short' })],
    ['udp-length', withOctets(udp4(ENDS), 24, 0, 7)],
    ['udp-payload-truncated', withOctets(udp6(ENDS_6), 44, 0, 9)],
    ['sctp-truncated', ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol: 132, payload: 'short' })],
    ['icmp-truncated', ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol: 1, payload: 'short' })],
  ]

  it.each(SAMPLES)('are dropped and counted by their flaw, in both directions: %s', (reason, packet) => {
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80')
    expect(stage.inbound(packet)).toMatchObject({ kind: 'drop', reason, answer: null })
    expect(stage.outbound(packet)).toMatchObject({ kind: 'drop', reason, answer: null })
    expect(dropped(reason)).toBe(2)
    const others = Object.entries(stage.director.dropped.toObject()).filter(([, count]) => count > 0)
    expect(others).toEqual([[reason, 2]])
    expect(stage.connections).toHaveLength(0)
  })
})

describe('the counters of reasons', () => {
  it('begin with every reason there is, at 0', () => {
    expect(Object.keys(stage.director.dropped.toObject())).toEqual([...DROP_REASONS])
    expect(Object.keys(stage.director.passed.toObject())).toEqual([...PASS_REASONS])
    expect(DROP_REASONS).toEqual(expect.arrayContaining([...MALFORMED_REASONS]))
    expect(new Set([...DROP_REASONS, ...PASS_REASONS]).size).toBe(DROP_REASONS.length + PASS_REASONS.length)
  })

  it('count what is left to the kernel as well', () => {
    stage.inbound(SYN)
    stage.inbound(tcp4(ENDS))
    stage.outbound(SYN)
    expect(stage.director.passed.toObject()).toMatchObject({
      'no-service': 1,
      'not-a-connection-start': 1,
      'no-connection': 1,
    })
  })
})

describe('a super-packet', () => {
  it('is not tunnelled: no segment of it would fit', () => {
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80', { method: 'ipip' })
    const whole = tcp4({ ...ENDS, flags: 'S', dontFragment: true, payload: 'x'.repeat(9000) })
    const outcome = stage.inbound(whole, { offload: OFFLOAD.unfinishedSuper })
    expect(outcome).toMatchObject({ kind: 'drop', reason: 'too-big' })
  })
})
