import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../lib/bytes/address.ts'
import { GUE_SOURCE_PORTS } from '../../lib/encode/gue.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import {
  encapsulate,
  LONGEST_OUTER_BYTES,
  leavesChecksum,
  overheadBytes,
  type TunnelEnd,
} from '../../lib/encode/tunnel.ts'
import { DEFAULT_TUNNEL, type TunnelSettings } from '../../lib/service/tunnel.ts'
import { Packet } from '../../lib/wire/packet.ts'
import { decapsulate } from '../support/decapsulate.ts'
import { expectPacket } from '../support/expect-packet.ts'
import {
  fragment4,
  fromHex,
  icmp4,
  readPacket,
  tcp4,
  tcp6,
  toHex,
  udp4,
  withUnfinishedChecksum,
} from '../support/packets.ts'

const INNER_4 = { source: '10.9.0.1:3000', destination: '10.0.0.1:80', payload: 'inner' }
const INNER_6 = { source: '[fd09::1]:3000', destination: '[fd00::1]:80', payload: 'inner' }
const GUARD = 8

const GUE = { type: 'gue', port: 6080, checksum: 'none' } as const
const GRE = { type: 'gre', port: 0, checksum: 'none' } as const

interface Wrapping {
  readonly tunnel?: TunnelSettings
  readonly identification?: number
  readonly dontFragment?: boolean
  readonly leavesChecksum?: boolean
}

const endOf = (destination: string, tunnel: TunnelSettings = DEFAULT_TUNNEL): TunnelEnd => ({
  address: parseAddress(destination)!,
  tunnel,
})

/** The packet behind its outer headers, written over garbage of two kinds, which may show neither in it nor around. */
function encapsulated(inner: Uint8Array, destination: string, wrapping: Wrapping = {}): Uint8Array {
  const { tunnel, identification = 0x1234, leavesChecksum = false } = wrapping
  const over = (garbage: number): Uint8Array => {
    const to = endOf(destination, tunnel)
    const start = GUARD + overheadBytes(to, leavesChecksum)
    const bytes = new Uint8Array(start + inner.length + GUARD).fill(garbage)
    bytes.set(inner, start)
    const packet = new Packet()
    expect(packet.read(bytes, start, start + inner.length)).toBeNull()
    const sourceAddress = parseAddress(to.address.family === 4 ? '192.168.1.254' : 'fd01::254')!
    const dontFragment = wrapping.dontFragment ?? packet.dontFragment
    const options = { identification, dontFragment, leavesChecksum }
    const outerStart = encapsulate(packet, to, { sourceAddress, mtuBytes: 1500 }, options)
    expect(outerStart).toBe(GUARD)
    const isGarbage = (octet: number) => octet === garbage
    expect(bytes.subarray(0, GUARD).every(isGarbage), 'octets before the outer header').toBe(true)
    expect(bytes.subarray(start + inner.length).every(isGarbage), 'octets behind the packet').toBe(true)
    return bytes.slice(GUARD, start + inner.length)
  }
  const result = over(0xa5)
  expect(over(0x5a), 'octets that nobody wrote').toEqual(result)
  return result
}

describe('encapsulate, ipip', () => {
  it('puts IPv4 into IPv4: 20 octets, protocol 4', () => {
    const inner = tcp4({ ...INNER_4, ttl: 63 })
    const bytes = encapsulated(inner, '192.168.1.2')
    expectPacket(bytes)
      .ipv4({ source: '192.168.1.254', destination: '192.168.1.2', protocol: 4, ttl: 63, headerBytes: 20 })
      .ipv4({ totalBytes: inner.length + 20, moreFragments: false, fragmentOffset: 0 })
      .headerChecksumIsValid()
    expect(bytes.subarray(20)).toEqual(inner)
  })

  it('puts IPv6 into IPv4: protocol 41, never DF', () => {
    const inner = tcp6({ ...INNER_6, hopLimit: 63 })
    const bytes = encapsulated(inner, '192.168.1.2')
    expectPacket(bytes)
      .ipv4({ protocol: 41, ttl: 63, dontFragment: false, identification: 0x1234 })
      .headerChecksumIsValid()
    expect(bytes.subarray(20)).toEqual(inner)
  })

  it('puts IPv6 into IPv6: 40 octets, next header 41, flow label 0', () => {
    const inner = tcp6({ ...INNER_6, hopLimit: 63, flowLabel: 0xabcde })
    const bytes = encapsulated(inner, 'fd01::2')
    expectPacket(bytes).ipv6({
      source: 'fd01::254',
      destination: 'fd01::2',
      protocol: 41,
      hopLimit: 63,
      flowLabel: 0,
      totalBytes: inner.length + 40,
    })
    expect(bytes.subarray(40)).toEqual(inner)
  })

  it('puts IPv4 into IPv6: next header 4', () => {
    const inner = tcp4(INNER_4)
    const bytes = encapsulated(inner, 'fd01::2')
    expectPacket(bytes)
      .ipv6({ protocol: 4, totalBytes: inner.length + 40 })
      .inner()
      .tcp({ payload: 'inner' })
    expect(bytes.subarray(40)).toEqual(inner)
  })

  it('copies DF outside, and needs no identification then', () => {
    const bytes = encapsulated(tcp4({ ...INNER_4, dontFragment: true }), '192.168.1.2')
    expectPacket(bytes).ipv4({ dontFragment: true, identification: 0 }).headerChecksumIsValid()
  })

  it('forbids no fragmenting when told not to, whatever the packet says', () => {
    const inner = tcp4({ ...INNER_4, dontFragment: true })
    const bytes = encapsulated(inner, '192.168.1.2', { dontFragment: false })
    expectPacket(bytes).ipv4({ dontFragment: false, identification: 0x1234 }).headerChecksumIsValid()
    expect(bytes.subarray(20)).toEqual(inner)
  })

  it('gives an identification to what may be fragmented', () => {
    const inner = tcp4({ ...INNER_4, dontFragment: false })
    const bytes = encapsulated(inner, '192.168.1.2', { identification: 0xffff })
    expectPacket(bytes).ipv4({ dontFragment: false, identification: 0xffff }).headerChecksumIsValid()
  })

  it.each([
    ['not capable', 0x28, 0x28],
    ['ECT(1)', 0x29, 0x29],
    ['ECT(0)', 0x2a, 0x2a],
    ['congestion experienced', 0x2b, 0x2a],
    ['everything set', 0xff, 0xfe],
  ])('copies DSCP and ECN, but marks no congestion outside: %s', (_name, trafficClass, outer) => {
    expectPacket(encapsulated(tcp4({ ...INNER_4, trafficClass }), '192.168.1.2')).ipv4({
      trafficClass: outer,
    })
    expectPacket(encapsulated(tcp6({ ...INNER_6, trafficClass }), 'fd01::2')).ipv6({ trafficClass: outer })
    expectPacket(encapsulated(tcp4({ ...INNER_4, trafficClass }), 'fd01::2')).ipv6({ trafficClass: outer })
    expectPacket(encapsulated(tcp6({ ...INNER_6, trafficClass }), '192.168.1.2')).ipv4({
      trafficClass: outer,
    })
  })
})

/** Between the outer IP header and the packet, in hex; GUE's source port, wherever it comes from, as `....`. */
function shimOf(bytes: Uint8Array, innerBytes: number): string {
  const { transportStart, protocol } = readPacket(bytes)
  const shim = toHex(bytes.slice(transportStart, bytes.length - innerBytes))
  return protocol === 17 ? `....${shim.slice(4)}` : shim
}

describe('encapsulate, gue', () => {
  it.each([
    // UDP: source port, port 6080, length, checksum; GUE: version 0 without options, protocol, no flags
    ['IPv4 in IPv4', tcp4(INNER_4), '192.168.1.2', '.... 17c0 0039 0000 00 04 0000'],
    ['IPv6 in IPv4', tcp6(INNER_6), '192.168.1.2', '.... 17c0 004d 0000 00 29 0000'],
    ['IPv4 in IPv6', tcp4(INNER_4), 'fd01::2', '.... 17c0 0039 0000 00 04 0000'],
    ['IPv6 in IPv6', tcp6(INNER_6), 'fd01::2', '.... 17c0 004d 0000 00 29 0000'],
  ])('stands as UDP and GUE before the packet, with no checksum: %s', (_name, inner, to, shim) => {
    const bytes = encapsulated(inner, to, { tunnel: GUE })
    expect(shimOf(bytes, inner.length)).toBe(shim.replaceAll(' ', ''))
    expect(decapsulate(bytes)).toMatchObject({ type: 'gue', inner, checksum: 'none', destinationPort: 6080 })
    expectPacket(bytes).headerChecksumIsValid()
    expect(readPacket(bytes).protocol).toBe(17)
  })

  it.each(['full', 'remote'] as const)('has a UDP checksum over both families: %s', (checksum) => {
    for (const to of ['192.168.1.2', 'fd01::2']) {
      for (const inner of [tcp4(INNER_4), tcp6(INNER_6)]) {
        const bytes = encapsulated(inner, to, { tunnel: { ...GUE, checksum } })
        expect(decapsulate(bytes)).toMatchObject({ inner, checksum: 'valid', finishedChecksum: false })
        expectPacket(bytes).checksumsAreValid()
      }
    }
  })

  it('never writes a UDP checksum of 0, which would mean none', () => {
    const checksumWith = (word: number): number => {
      const payload = Uint8Array.of(word >>> 8, word & 0xff)
      const inner = udp4({ ...INNER_4, payload, hasChecksum: false })
      const bytes = encapsulated(inner, '192.168.1.2', { tunnel: { ...GUE, checksum: 'full' } })
      expectPacket(bytes).checksumsAreValid()
      return (bytes[26]! << 8) | bytes[27]!
    }
    // The checksum is the complement of all the rest: added to that, it makes a sum of 0xffff, and a checksum of 0.
    const checksum = checksumWith(0)
    expect(checksumWith(checksum)).toBe(0xffff)
    expect(checksumWith(checksum - 1)).toBe(1)
  })

  it('says where the checksum is to be finished: 8 octets more, private flag, start and field', () => {
    const inner = withUnfinishedChecksum(tcp4(INNER_4))
    const tunnel = { ...GUE, checksum: 'remote' } as const
    const bytes = encapsulated(inner, '192.168.1.2', { tunnel, leavesChecksum: true })
    const shim = shimOf(bytes, inner.length)
    // TCP begins at 20, its checksum stands at 36.
    expect(shim.slice(16)).toBe('02040001' + '80000000' + '0014' + '0024')
    expect(bytes.subarray(bytes.length - inner.length), 'the packet as it came').toEqual(inner)
    expect(decapsulate(bytes)).toMatchObject({
      inner: tcp4(INNER_4),
      checksum: 'valid',
      finishedChecksum: true,
    })
  })

  it('tells the far end of IPv6 and of UDP where their checksums are', () => {
    const tunnel = { ...GUE, checksum: 'remote' } as const
    const wrapping = { tunnel, leavesChecksum: true }
    for (const [inner, places] of [
      [tcp6(INNER_6), '00280038'],
      [udp4(INNER_4), '0014001a'],
    ] as const) {
      const bytes = encapsulated(withUnfinishedChecksum(inner), 'fd01::2', wrapping)
      expect(shimOf(bytes, inner.length).slice(32)).toBe(places)
      expect(decapsulate(bytes).inner).toEqual(inner)
    }
  })

  it('sends the packets of a flow from one port, and flows from ports all over the range', () => {
    const portOf = (inner: Uint8Array) =>
      decapsulate(encapsulated(inner, '192.168.1.2', { tunnel: GUE })).sourcePort!
    const flow = (client: number, payload = '') => tcp4({ ...INNER_4, source: `10.9.0.1:${client}`, payload })
    expect(portOf(flow(3000, 'one'))).toBe(portOf(flow(3000, 'another')))
    const ports = Array.from({ length: 2000 }, (_, index) => portOf(flow(1024 + index)))
    // Of 28231 places, 2000 throws hit 1932 on average.
    expect(new Set(ports).size).toBeGreaterThan(1880)
    const { from, to } = GUE_SOURCE_PORTS
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(from)
    expect(Math.max(...ports)).toBeLessThan(to)
    expect(Math.max(...ports) - Math.min(...ports)).toBeGreaterThan((to - from) * 0.98)
  })

  it('tells flows apart by each of their endpoints and the protocol', () => {
    const portOf = (inner: Uint8Array) =>
      decapsulate(encapsulated(inner, '192.168.1.2', { tunnel: GUE })).sourcePort!
    const flows = [
      tcp4(INNER_4),
      udp4(INNER_4),
      tcp4({ ...INNER_4, source: '10.9.0.2:3000' }),
      tcp4({ ...INNER_4, source: '10.9.0.1:3001' }),
      tcp4({ ...INNER_4, destination: '10.0.0.2:80' }),
      tcp4({ ...INNER_4, destination: '10.0.0.1:81' }),
      tcp4({ ...INNER_4, source: '10.0.0.1:3000', destination: '10.9.0.1:80' }),
      tcp6(INNER_6),
    ]
    expect(new Set(flows.map(portOf)).size).toBe(flows.length)
  })
})

describe('encapsulate, gre', () => {
  it.each([
    ['IPv4 in IPv4', tcp4(INNER_4), '192.168.1.2', '00000800'],
    ['IPv6 in IPv4', tcp6(INNER_6), '192.168.1.2', '000086dd'],
    ['IPv4 in IPv6', tcp4(INNER_4), 'fd01::2', '00000800'],
    ['IPv6 in IPv6', tcp6(INNER_6), 'fd01::2', '000086dd'],
  ])('stands as four octets before the packet: %s', (_name, inner, to, shim) => {
    const bytes = encapsulated(inner, to, { tunnel: GRE })
    expect(shimOf(bytes, inner.length)).toBe(shim)
    expect(readPacket(bytes).protocol).toBe(47)
    expect(decapsulate(bytes)).toMatchObject({ type: 'gre', inner, checksum: 'none' })
  })

  it.each([
    ['IPv4 in IPv4', tcp4(INNER_4), '192.168.1.2', /^80000800[0-9a-f]{4}0000$/],
    ['IPv6 in IPv4', tcp6(INNER_6), '192.168.1.2', /^800086dd[0-9a-f]{4}0000$/],
    ['IPv4 in IPv6', tcp4(INNER_4), 'fd01::2', /^80000800[0-9a-f]{4}0000$/],
    ['IPv6 in IPv6', tcp6(INNER_6), 'fd01::2', /^800086dd[0-9a-f]{4}0000$/],
  ])('covers itself and the packet, odd lengths included: %s', (_name, inner, to, shim) => {
    const bytes = encapsulated(inner, to, { tunnel: { ...GRE, checksum: 'full' } })
    expect(shimOf(bytes, inner.length)).toMatch(shim)
    expect(decapsulate(bytes)).toMatchObject({ inner, checksum: 'valid' })
    bytes[bytes.length - 1]! ^= 1
    expect(() => decapsulate(bytes)).toThrow('GRE checksum')
  })

  it('writes what the kernel wrote', () => {
    const inner = fromHex('452b0028abcd40003f067bcd0a0900010a0000010be7006f000003e800000000500220006b9a0000')
    const bytes = encapsulated(inner, '192.168.1.3', { tunnel: { ...GRE, checksum: 'full' } })
    expect(toHex(bytes.subarray(0, 28))).toBe('452a0044000040003f2fb70fc0a801fec0a80103800008008c240000')
  })
})

describe('overheadBytes', () => {
  it.each([
    ['ipip', 'none', 0],
    ['ipip', 'full', 0],
    ['gue', 'none', 12],
    ['gue', 'full', 12],
    ['gue', 'remote', 12],
    ['gre', 'none', 4],
    ['gre', 'full', 8],
    ['gre', 'remote', 4],
  ] as const)('is the outer IP header and, for %s with checksum %s, %i octets', (type, checksum, bytes) => {
    const tunnel = { type, port: 6080, checksum }
    expect(overheadBytes(endOf('192.168.1.2', tunnel), false)).toBe(20 + bytes)
    expect(overheadBytes(endOf('fd01::2', tunnel), false)).toBe(40 + bytes)
  })

  it('is 8 more where the far end is to finish a checksum, which is the longest there is', () => {
    const tunnel = { ...GUE, checksum: 'remote' } as const
    expect(overheadBytes(endOf('192.168.1.2', tunnel), true)).toBe(40)
    expect(overheadBytes(endOf('fd01::2', tunnel), true)).toBe(60)
    expect(LONGEST_OUTER_BYTES).toBe(60)
  })
})

describe('leavesChecksum', () => {
  const REMOTE = endOf('192.168.1.2', { ...GUE, checksum: 'remote' })
  const { finished, unfinished, unfinishedSuper } = OFFLOAD

  it('is for unfinished checksums, in a gue tunnel that was set up for it', () => {
    const packet = readPacket(tcp4(INNER_4))
    expect(leavesChecksum(REMOTE, packet, unfinished)).toBe(true)
    expect(leavesChecksum(REMOTE, packet, unfinishedSuper)).toBe(true)
    expect(leavesChecksum(REMOTE, packet, finished)).toBe(false)
    for (const tunnel of [
      DEFAULT_TUNNEL,
      GUE,
      { ...GUE, checksum: 'full' },
      { ...GRE, checksum: 'remote' },
      { ...DEFAULT_TUNNEL, checksum: 'remote' },
    ] as const) {
      expect(leavesChecksum(endOf('192.168.1.2', tunnel), packet, unfinished)).toBe(false)
    }
  })

  it('is not for what has no such checksum: fragments, and protocols without a pseudo-header', () => {
    const [first] = fragment4(udp4({ ...INNER_4, payload: 'x'.repeat(64) }), 32)
    expect(leavesChecksum(REMOTE, readPacket(first!), unfinished)).toBe(false)
    const echo = icmp4({ source: '10.9.0.1', destination: '10.0.0.1', type: 8 })
    expect(leavesChecksum(REMOTE, readPacket(echo), unfinished)).toBe(false)
  })
})
