import { describe, expect, it } from 'vitest'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { parseEndpoint } from '../../lib/service/key.ts'
import type { TunnelSettings } from '../../lib/service/tunnel.ts'
import { decapsulate } from '../support/decapsulate.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { readPacket, tcp4, tcp6, toHex, withUnfinishedChecksum } from '../support/packets.ts'
import {
  type DestinationSpec,
  DIRECTOR_4,
  DIRECTOR_6,
  type Outcome,
  refusalOf,
  Stage,
  serviceKey,
  settingsOf,
} from '../support/stage.ts'

const SERVICE = { 4: 'tcp:10.0.0.1:80', 6: 'tcp:[fd00::1]:80' } as const
const SERVER = { 4: '192.168.1.3:80', 6: '[fd01::3]:80' } as const

const client = {
  4: (options = {}) => tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: 'S', ...options }),
  6: (options = {}) =>
    tcp6({ source: '[fd09::1]:3000', destination: '[fd00::1]:80', flags: 'S', ...options }),
} as const
const oneHopOn = {
  4: (options = {}) => client[4]({ ttl: 63, ...options }),
  6: (options = {}) => client[6]({ hopLimit: 63, ...options }),
} as const

const TUNNELS: readonly (readonly [string, TunnelSettings, shimBytes: number])[] = [
  ['ipip', { type: 'ipip', port: 0, checksum: 'none' }, 0],
  ['gue without checksum', { type: 'gue', port: 6080, checksum: 'none' }, 12],
  ['gue with checksum', { type: 'gue', port: 6080, checksum: 'full' }, 12],
  ['gue with remote checksum', { type: 'gue', port: 6080, checksum: 'remote' }, 12],
  ['gre without checksum', { type: 'gre', port: 0, checksum: 'none' }, 4],
  ['gre with checksum', { type: 'gre', port: 0, checksum: 'full' }, 8],
]
const PAIRS = [
  [4, 4],
  [6, 4],
  [4, 6],
  [6, 6],
] as const
const ROWS = TUNNELS.flatMap(([name, tunnel, shimBytes]) =>
  PAIRS.map(([inner, outer]) => ({
    name: `${name}, IPv${inner} in IPv${outer}`,
    tunnel,
    shimBytes,
    inner,
    outer,
  })),
)
const GUE = TUNNELS[1]![1]
const GUE_REMOTE = TUNNELS[3]![1]
const GRE = TUNNELS[4]![1]

function staged(inner: 4 | 6, outer: 4 | 6, settings: DestinationSpec): Stage {
  const stage = new Stage()
  stage.service(SERVICE[inner])
  stage.destination(SERVICE[inner], SERVER[outer], { method: 'ipip', ...settings })
  return stage
}

const sentThrough = ({ kind, out }: Outcome) => {
  expect(kind).toBe('send')
  return decapsulate(out)
}

describe('a tunnel to a server', () => {
  it.each(ROWS)('takes the packet there whole, one hop on: $name', ({ tunnel, inner, outer }) => {
    const stage = staged(inner, outer, { tunnel })
    for (const headroomBytes of [0, 20, undefined]) {
      const sending = headroomBytes === undefined ? {} : { headroomBytes }
      const sent = sentThrough(stage.inbound(client[inner](), sending))
      expect(sent.type).toBe(tunnel.type)
      expect(toHex(sent.inner)).toBe(toHex(oneHopOn[inner]()))
      expect(`${sent.outer.source} ${sent.outer.destination}`).toBe(
        outer === 4 ? `${DIRECTOR_4} 192.168.1.3` : `${DIRECTOR_6} fd01::3`,
      )
      expect(sent.outer.hopLimit).toBe(63)
      expect(sent.destinationPort).toBe(tunnel.type === 'gue' ? 6080 : undefined)
    }
  })

  it.each(ROWS)('takes as much as its headers leave, and says so of more: $name', (row) => {
    const { tunnel, shimBytes, inner, outer } = row
    const room = 1500 - (outer === 4 ? 20 : 40) - shimBytes
    const stage = staged(inner, outer, { tunnel })
    const headers = client[inner]().length
    const fitting = { dontFragment: true, payload: 'x'.repeat(room - headers) }
    const sent = stage.inbound(client[inner](fitting))
    expect(sent.out.length).toBe(1500)
    expect(toHex(sentThrough(sent).inner)).toBe(toHex(oneHopOn[inner](fitting)))

    const tooLong = client[inner]({ dontFragment: true, payload: 'x'.repeat(room - headers + 1) })
    const refused = stage.inbound(tooLong)
    expect(refused).toMatchObject({ kind: 'drop', reason: 'too-big' })
    const answer = expectPacket(refused.answer!).checksumsAreValid()
    if (inner === 4) answer.icmp({ type: 3, code: 4, rest: room })
    else answer.icmpv6({ type: 2, code: 0, rest: room })
  })

  it('needs a way on which something is left for packets', () => {
    for (const [outer, minBytes] of [
      [4, 20 + 12 + 68],
      [6, 40 + 12 + 1280],
    ] as const) {
      const narrow = staged(4, outer, { tunnel: GUE, mtuBytes: minBytes - 1 })
      expect(narrow.inbound(client[4]())).toMatchObject({ kind: 'drop', reason: 'no-path', answer: null })
      expect(staged(4, outer, { tunnel: GUE, mtuBytes: minBytes }).inbound(client[4]()).kind).toBe('send')
    }
  })

  it('may be changed under connections that exist, which follow', () => {
    const stage = staged(4, 4, { tunnel: GUE })
    expect(sentThrough(stage.inbound(client[4]())).type).toBe('gue')
    stage.edit(SERVICE[4], SERVER[4], { method: 'ipip', tunnel: GRE })
    expect(sentThrough(stage.inbound(client[4]({ flags: 'A' }))).type).toBe('gre')
    stage.edit(SERVICE[4], SERVER[4], { method: 'ipip' })
    expect(sentThrough(stage.inbound(client[4]({ flags: 'A' }))).type).toBe('ipip')
    expect(stage.connections).toHaveLength(1)
  })

  it('has one flow’s packets leave from one port, though they lie in other places', () => {
    const stage = staged(4, 6, { tunnel: GUE })
    const ports = [undefined, 0, 40].map((headroomBytes, index) => {
      const sending = headroomBytes === undefined ? {} : { headroomBytes }
      return sentThrough(stage.inbound(client[4]({ flags: index ? 'A' : 'S' }), sending)).sourcePort
    })
    expect(new Set(ports).size).toBe(1)
  })
})

describe('an unfinished checksum', () => {
  const { unfinished } = OFFLOAD

  it.each(ROWS)('is finished before the packet or behind the tunnel: $name', ({ tunnel, inner, outer }) => {
    const stage = staged(inner, outer, { tunnel })
    for (const headroomBytes of [0, undefined]) {
      const sending = { offload: unfinished, ...(headroomBytes === undefined ? {} : { headroomBytes }) }
      const sent = sentThrough(stage.inbound(withUnfinishedChecksum(client[inner]()), sending))
      expect(toHex(sent.inner)).toBe(toHex(oneHopOn[inner]()))
      expect(sent.finishedChecksum ?? false).toBe(tunnel.checksum === 'remote')
    }
  })

  it('costs 8 octets of room where it is left to the far end', () => {
    const stage = staged(4, 4, { tunnel: GUE_REMOTE })
    const long = withUnfinishedChecksum(client[4]({ dontFragment: true, payload: 'x'.repeat(1460 - 40 + 1) }))
    const refused = stage.inbound(long, { offload: unfinished })
    expectPacket(refused.answer!).icmp({ type: 3, code: 4, rest: 1460 })
    expect(stage.inbound(long).kind).toBe('send')
  })
})

describe('with pmtu_disc off', () => {
  function stagedWithout(inner: 4 | 6, outer: 4 | 6): Stage {
    const stage = staged(inner, outer, { tunnel: GUE })
    stage.director.knobs.pmtu_disc = 0
    return stage
  }

  it('the outer packet may be fragmented, and so none is too big', () => {
    const stage = stagedWithout(4, 4)
    const outers = [0, 2000].map((length) => {
      const sent = sentThrough(stage.inbound(client[4]({ dontFragment: true, payload: 'x'.repeat(length) })))
      expect(readPacket(sent.inner).dontFragment).toBe(true)
      expect(sent.outer.dontFragment).toBe(false)
      return sent.outer.identification
    })
    expect(outers[1]).toBe((outers[0]! + 1) & 0xffff)
    const over6 = stagedWithout(4, 6).inbound(client[4]({ dontFragment: true, payload: 'x'.repeat(2000) }))
    expect(over6.out.length).toBe(40 + 12 + 2040)
  })

  it('IPv6 packets still are', () => {
    const refused = stagedWithout(6, 4).inbound(client[6]({ payload: 'x'.repeat(2000) }))
    expectPacket(refused.answer!).icmpv6({ type: 2, code: 0, rest: 1500 - 20 - 12 })
  })

  it('so are packets for which there is no length to say it', () => {
    const longest = client[4]({ payload: 'x'.repeat(65_535 - 40) })
    expect(stagedWithout(4, 4).inbound(longest)).toMatchObject({ kind: 'drop', reason: 'too-big' })
  })

  it('other methods refuse as ever', () => {
    const stage = staged(4, 4, { method: 'gatewaying' })
    stage.director.knobs.pmtu_disc = 0
    const refused = stage.inbound(client[4]({ dontFragment: true, payload: 'x'.repeat(2000) }))
    expectPacket(refused.answer!).icmp({ type: 3, code: 4, rest: 1500 })
  })
})

describe('the service table', () => {
  it('refuses a gue tunnel without a port, added or edited, whatever the method', () => {
    const { services } = staged(4, 4, {}).director
    const tunnel = { ...GUE, port: 0 }
    const [key, at, other] = [
      serviceKey(SERVICE[4]),
      parseEndpoint(SERVER[4])!,
      parseEndpoint('192.168.1.4:80')!,
    ]
    for (const method of ['ipip', 'masquerading'] as const) {
      const settings = settingsOf({ method, tunnel })
      expect(refusalOf(services.addDestination(key, other, settings))).toBe('invalid-value')
      expect(refusalOf(services.editDestination(key, at, settings))).toBe('invalid-value')
    }
    expect(services.get(key)?.pool.map((each) => each.tunnel.type)).toEqual(['ipip'])
  })

  it('asks no port of the others, and forgets a tunnel that an edit leaves out', () => {
    const { services } = staged(4, 4, { tunnel: GRE }).director
    const [key, at] = [serviceKey(SERVICE[4]), parseEndpoint(SERVER[4])!]
    expect(services.get(key)?.find(at)?.tunnel).toEqual(GRE)
    services.editDestination(key, at, settingsOf({ method: 'ipip' }))
    expect(services.get(key)?.find(at)?.tunnel).toEqual({ type: 'ipip', port: 0, checksum: 'none' })
  })
})
