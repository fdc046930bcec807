import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../lib/bytes/address.ts'
import {
  describeIpv6,
  emitIpv6,
  type Ipv6Header,
  Ipv6View,
  ipv6At,
  ipv6Flaw,
  ipv6HeaderFlaw,
  parseIpv6,
} from '../../lib/wire/ipv6.ts'
import { emitted, prefixes, withOctet } from '../support/buffers.ts'
import { fromHex } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const viewOf = (hex: string): Ipv6View => {
  const view = ipv6At(fromHex(hex))
  if (view.kind === 'malformed') throw new Error(view.reason)
  return view
}
const reasonOf = (bytes: Uint8Array, start = 0, end = bytes.length) => ipv6Flaw(bytes, start, end)?.reason

describe('ipv6At', () => {
  it('reads every field of a packet the kernel sent', () => {
    const view = viewOf(KERNEL.tcp6)
    expect(view).toMatchObject({
      version: 6,
      trafficClass: 0x12,
      flowLabel: 0x12345,
      payloadBytes: 20,
      nextHeader: 6,
      hopLimit: 64,
    })
    expect(`${view.source} ${view.destination}`).toBe('fd09::1 fd00::1')
  })

  it('refuses every truncated prefix of a packet', () => {
    for (const prefix of prefixes(fromHex(KERNEL.udp6BehindHopByHop))) {
      expect(reasonOf(prefix), `${prefix.length}`).toBe(
        prefix.length < 40 ? 'ipv6-truncated' : 'ipv6-payload-truncated',
      )
    }
  })

  it('refuses another version', () => {
    expect(reasonOf(withOctet(fromHex(KERNEL.tcp6), 0, 0x45))).toBe('ipv6-version')
  })

  it('refuses a payload length of 0 with a payload behind it, and no other', () => {
    const bytes = withOctet(fromHex(KERNEL.tcp6), 5, 0)
    expect(reasonOf(bytes)).toBe('ipv6-jumbogram')
    expect(reasonOf(bytes, 0, 40)).toBeUndefined()
  })

  it('allows octets behind the payload length', () => {
    expect(reasonOf(fromHex(`${KERNEL.tcp6} 0000`))).toBeUndefined()
  })
})

describe('ipv6HeaderFlaw', () => {
  it('is content with a header whose packet is cut short', () => {
    const bytes = fromHex(KERNEL.tcp6)
    expect(ipv6HeaderFlaw(bytes, 0, 40)).toBeNull()
    expect(ipv6HeaderFlaw(bytes, 0, 39)?.reason).toBe('ipv6-truncated')
  })
})

describe('Ipv6View', () => {
  it('writes every field and nothing beside it', () => {
    const view = viewOf(KERNEL.tcp6)
    view.trafficClass = 0xff
    expect(view).toMatchObject({ version: 6, trafficClass: 0xff, flowLabel: 0x12345 })
    view.flowLabel = 0x54321
    view.payloadBytes = 0x0102
    view.nextHeader = 17
    view.hopLimit = 1
    view.source = parseAddress('2001:db8::1') ?? view.source
    view.destination = parseAddress('2001:db8::2') ?? view.destination
    const written = fromHex(`6ff54321 0102 11 01
      20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000002`)
    expect(view.bytes.subarray(0, 40)).toEqual(written)
    expect(view.version).toBe(6)
  })

  it('moves from header to header', () => {
    const view = viewOf(KERNEL.tcp6)
    expect(view.at(fromHex(`00 ${KERNEL.ipip4in6}`), 1)).toBe(view)
    expect(view).toMatchObject({ nextHeader: 4, hopLimit: 63 })
  })
})

describe('emitIpv6', () => {
  it('writes back, octet for octet, every header it parsed', () => {
    for (const hex of [KERNEL.tcp6, KERNEL.udp6BehindHopByHop, KERNEL.ipip4in6, KERNEL.icmp6PacketTooBig]) {
      const header = parseIpv6(viewOf(hex))
      expect(emitted(40, (to, at) => emitIpv6(to, at, header))).toEqual(fromHex(hex).slice(0, 40))
    }
  })

  it('writes every value at its greatest', () => {
    const ones = parseAddress('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff') ?? viewOf(KERNEL.tcp6).source
    const header: Ipv6Header = {
      trafficClass: 0xff,
      flowLabel: 0xfffff,
      nextHeader: 0xff,
      hopLimit: 0xff,
      source: ones,
      destination: ones,
      payloadBytes: 0xffff,
    }
    const bytes = emitted(40, (to, at) => emitIpv6(to, at, header))
    expect(bytes).toEqual(withOctet(new Uint8Array(40).fill(0xff), 0, 0x6f))
    expect(parseIpv6(new Ipv6View(bytes, 0))).toEqual(header)
  })
})

describe('describeIpv6', () => {
  it('shows addresses and hop limit, and a flow label where there is one', () => {
    expect(describeIpv6(viewOf(KERNEL.tcp6))).toBe('fd09::1 > fd00::1 hlim 64 flow 0x12345')
    expect(describeIpv6(viewOf(KERNEL.ipip4in6))).toBe('fd01::254 > fd01::3 hlim 63')
  })
})
