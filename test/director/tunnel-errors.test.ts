import { describe, expect, it } from 'vitest'
import type { TunnelSettings } from '../../lib/service/tunnel.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { icmp4, icmp6, tcp4, tcp6 } from '../support/packets.ts'
import { DIRECTOR_4, DIRECTOR_6, type Outcome, Stage } from '../support/stage.ts'

const SERVICE = { 4: 'tcp:10.0.0.1:80', 6: 'tcp:[fd00::1]:80' } as const
const SERVER = { 4: '192.168.1.3:80', 6: '[fd01::3]:80' } as const
const PAIRS = [
  [4, 4],
  [6, 4],
  [4, 6],
  [6, 6],
] as const

const TUNNELS: readonly (readonly [string, TunnelSettings, shimBytes: number])[] = [
  ['ipip', { type: 'ipip', port: 0, checksum: 'none' }, 0],
  ['gue', { type: 'gue', port: 6080, checksum: 'none' }, 12],
  ['gre', { type: 'gre', port: 0, checksum: 'none' }, 4],
  ['gre with checksum', { type: 'gre', port: 0, checksum: 'full' }, 8],
]
const ROWS = TUNNELS.flatMap(([type, tunnel, shimBytes]) =>
  PAIRS.map(([inner, outer]) => ({
    name: `${type}, IPv${inner} in IPv${outer}`,
    tunnel,
    shimBytes,
    inner,
    outer,
  })),
)

const REQUEST = {
  4: (options = {}) =>
    tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: 'S', dontFragment: true, ...options }),
  6: (options = {}) =>
    tcp6({ source: '[fd09::1]:3000', destination: '[fd00::1]:80', flags: 'S', ...options }),
} as const

/** A tunnel to one server, and the packet that went through it. */
function sent(
  inner: 4 | 6,
  outer: 4 | 6,
  tunnel: TunnelSettings,
  options = {},
): { stage: Stage; packet: Uint8Array } {
  const stage = new Stage()
  stage.service(SERVICE[inner])
  stage.destination(SERVICE[inner], SERVER[outer], { method: 'ipip', tunnel, mtuBytes: 9000 })
  return { stage, packet: stage.inbound(REQUEST[inner](options)).out }
}

/** What a router on the way says of the packet. */
const says = (
  outer: 4 | 6,
  type4: [number, number],
  type6: [number, number],
  rest: number,
  body: Uint8Array,
) =>
  outer === 4
    ? icmp4({ source: '192.168.1.77', destination: DIRECTOR_4, type: type4[0], code: type4[1], rest, body })
    : icmp6({ source: 'fd01::77', destination: DIRECTOR_6, type: type6[0], code: type6[1], rest, body })

const tooBig = (outer: 4 | 6, mtuBytes: number, body: Uint8Array) =>
  says(outer, [3, 4], [2, 0], mtuBytes, body)
const unreachable = (outer: 4 | 6, body: Uint8Array) => says(outer, [3, 1], [1, 3], 0, body)

/** What the client is told, and of which packet. */
function told(outcome: Outcome, family: 4 | 6) {
  expect(outcome).toMatchObject({ kind: 'absorb', reason: '' })
  const expectation = expectPacket(outcome.answer!).checksumsAreValid()
  return family === 4
    ? expectation.ipv4({ source: '10.0.0.1', destination: '10.9.0.1' })
    : expectation.ipv6({ source: 'fd00::1', destination: 'fd09::1' })
}

describe('an ICMP error about a tunnel’s packet', () => {
  it.each(ROWS)(
    'tells the client what fits, and the director remembers: $name',
    ({ inner, outer, tunnel, shimBytes }) => {
      const { stage, packet } = sent(inner, outer, tunnel)
      const overheadBytes = (outer === 4 ? 20 : 40) + shimBytes
      const answer = told(stage.inbound(tooBig(outer, 1400, packet)), inner)
      const rest = 1400 - overheadBytes
      if (inner === 4) answer.icmp({ type: 3, code: 4, rest })
      else answer.icmpv6({ type: 2, code: 0, rest })

      const next = stage.inbound(REQUEST[inner]({ payload: 'x'.repeat(1400) }))
      expect(next).toMatchObject({ kind: 'drop', reason: 'too-big' })
      const refused = expectPacket(next.answer!)
      if (inner === 4) refused.icmp({ rest })
      else refused.icmpv6({ rest })
    },
  )

  it.each(ROWS)('tells the client that nobody is there: $name', ({ inner, outer, tunnel }) => {
    const { stage, packet } = sent(inner, outer, tunnel)
    const answer = told(stage.outbound(unreachable(outer, packet)), inner)
    if (inner === 4) answer.icmp({ type: 3, code: 1 }).quoted().ipv4({ ttl: 63 }).tcp({ sourcePort: 3000 })
    else answer.icmpv6({ type: 1 }).quoted().ipv6({ hopLimit: 63 }).tcp({ sourcePort: 3000 })
  })

  const [, IPIP] = TUNNELS[0]!
  const [, GUE] = TUNNELS[1]!

  it('is forgotten in ten minutes: routers change', () => {
    const { stage, packet } = sent(4, 4, IPIP)
    stage.inbound(tooBig(4, 1400, packet))
    const long = REQUEST[4]({ payload: 'x'.repeat(1400) })
    stage.passTime(590_000)
    expect(stage.inbound(long)).toMatchObject({ reason: 'too-big' })
    stage.passTime(12_000)
    expect(stage.inbound(long)).toMatchObject({ kind: 'send' })
  })

  it('is believed down to 552 octets, not further', () => {
    const { stage, packet } = sent(4, 4, IPIP)
    told(stage.inbound(tooBig(4, 68, packet)), 4).icmp({ rest: 532 })
  })

  it('that names no size is absorbed, and changes nothing', () => {
    const { stage, packet } = sent(4, 4, IPIP)
    expect(stage.inbound(tooBig(4, 0, packet))).toMatchObject({ kind: 'absorb', answer: null })
    expect(stage.inbound(REQUEST[4]({ payload: 'x'.repeat(1400) }))).toMatchObject({ kind: 'send' })
  })

  it('is not told to a client that lets its packets be cut; the next are', () => {
    const { stage, packet } = sent(4, 4, IPIP, { dontFragment: false })
    expect(stage.inbound(tooBig(4, 1400, packet))).toMatchObject({ kind: 'absorb', answer: null })
    expect(stage.inbound(REQUEST[4]({ dontFragment: false, payload: 'x'.repeat(1400) }))).toMatchObject({
      kind: 'send',
    })
  })

  it('is counted as an answer of the server', () => {
    const { stage, packet } = sent(4, 4, IPIP)
    const { answer } = stage.inbound(unreachable(4, packet))
    stage.passTime(2000)
    expect(stage.director.totals.shown()).toMatchObject({ outPackets: 1, outBytes: answer!.length })
  })

  it('with a wrong checksum is dropped', () => {
    const { stage, packet } = sent(4, 4, IPIP)
    const error = unreachable(4, packet)
    error[22]! ^= 1
    expect(stage.inbound(error)).toMatchObject({ kind: 'drop', reason: 'icmp-checksum' })
  })

  it.each([
    [
      'to somebody else',
      (body: Uint8Array) =>
        icmp4({ source: '192.168.1.77', destination: '10.0.0.1', type: 3, code: 1, body }),
    ],
    [
      'about an unknown connection',
      (_: Uint8Array) => unreachable(4, sent(4, 4, IPIP, { source: '10.9.0.9:1' }).packet),
    ],
    ['cut off before the inner header', (body: Uint8Array) => unreachable(4, body.subarray(0, 28))],
    ['about a tunnel of another type', () => unreachable(4, sent(4, 4, GUE).packet)],
    [
      'about a later fragment',
      (body: Uint8Array) => {
        const later = body.slice()
        later[7] = 100
        return unreachable(4, later)
      },
    ],
  ] as const)('%s is left alone', (_name, make) => {
    const { stage, packet } = sent(4, 4, IPIP)
    expect(stage.inbound(make(packet)).kind).toBe('accept')
  })

  it.each([
    ['another version of GUE', 28, 0x20],
    ['a control message', 28, 0x40],
    ['no IP packet', 29, 17],
  ] as const)('about GUE with %s is left alone', (_name, at, octet) => {
    const { stage, packet } = sent(4, 4, GUE)
    packet[at] = octet
    expect(stage.inbound(unreachable(4, packet)).kind).toBe('accept')
  })

  it.each([
    ['with flags that we never set', 20, 0x20],
    ['around something else', 22, 0x12],
  ] as const)('about GRE %s is left alone', (_name, at, octet) => {
    const { stage, packet } = sent(4, 4, TUNNELS[2]![1])
    packet[at] = octet
    expect(stage.inbound(unreachable(4, packet)).kind).toBe('accept')
  })
})
