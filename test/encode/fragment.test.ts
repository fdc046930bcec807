import { describe, expect, it } from 'vitest'
import { forbidsFragments, fragment } from '../../lib/encode/fragment.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { concat, ip4, ip6, readPacket, tcp4 } from '../support/packets.ts'

const inner = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 7 + (at >>> 8)) & 0xff)
const outer4 = (length: number, identification = 0x77): Uint8Array =>
  ip4({
    source: '192.168.1.254',
    destination: '192.168.1.2',
    protocol: 4,
    identification,
    payload: inner(length),
  })
const outer6 = (length: number): Uint8Array =>
  ip6({ source: 'fd01::254', destination: 'fd01::2', protocol: 41, payload: inner(length) })

function fragmentsOf(whole: Uint8Array, mtuBytes: number, identification = 0x89ab_cdef): Uint8Array[] {
  const found: Uint8Array[] = []
  const area = concat(new Uint8Array(13), whole)
  const out = new Uint8Array(mtuBytes).fill(0xa5)
  fragment(area, 13, area.length, { mtuBytes, identification, out }, (bytes, length) => {
    found.push(bytes.slice(0, length))
    bytes.fill(0xa5)
  })
  return found
}

/** What a receiver makes of them: every octet in its place, none twice, none missing. */
function reassembled(fragments: readonly Uint8Array[]): Uint8Array {
  let expected = 0
  const parts = fragments.map((bytes, index) => {
    const packet = readPacket(bytes)
    expect(packet.fragmentOffset, `the offset of fragment ${index}`).toBe(expected)
    expect(packet.moreFragments, `more after fragment ${index}`).toBe(index < fragments.length - 1)
    expected += packet.end - packet.transportStart
    return bytes.subarray(packet.transportStart)
  })
  return concat(...parts)
}

const SIZES = [
  [1480, 1500],
  [1481, 1500],
  [4000, 1500],
  [3000, 1280],
  [65_000, 1500],
] as const

describe('fragment, IPv4', () => {
  it.each(SIZES)(
    '%i octets for an MTU of %i: each fits, and together they are what was cut',
    (length, mtuBytes) => {
      const fragments = fragmentsOf(outer4(length), mtuBytes)
      expect(fragments).toHaveLength(Math.ceil(length / ((mtuBytes - 20) & ~7)))
      for (const bytes of fragments) {
        expect(bytes.length).toBeLessThanOrEqual(mtuBytes)
        expectPacket(bytes)
          .ipv4({
            source: '192.168.1.254',
            destination: '192.168.1.2',
            protocol: 4,
            identification: 0x77,
            ttl: 64,
          })
          .ipv4({ totalBytes: bytes.length, dontFragment: false })
          .headerChecksumIsValid()
      }
      expect(reassembled(fragments)).toEqual(inner(length))
    },
  )

  it('cuts even for the least MTU there is, 68 octets', () => {
    const fragments = fragmentsOf(outer4(200), 68)
    expect(fragments.map(({ length }) => length)).toEqual([68, 68, 68, 68, 28])
    expect(reassembled(fragments)).toEqual(inner(200))
  })

  it('leaves a packet that fits in one piece', () => {
    const whole = outer4(100)
    expect(fragmentsOf(whole, 1500)).toEqual([whole])
  })
})

describe('fragment, IPv6', () => {
  it.each(SIZES)(
    '%i octets for an MTU of %i: each fits, and together they are what was cut',
    (length, mtuBytes) => {
      const fragments = fragmentsOf(outer6(length), mtuBytes)
      expect(fragments).toHaveLength(Math.ceil(length / ((mtuBytes - 48) & ~7)))
      for (const bytes of fragments) {
        expect(bytes.length).toBeLessThanOrEqual(mtuBytes)
        expectPacket(bytes).ipv6({
          source: 'fd01::254',
          destination: 'fd01::2',
          identification: 0x89ab_cdef,
          headerBytes: 48,
          protocol: 41,
          hopLimit: 64,
          totalBytes: bytes.length,
        })
      }
      expect(reassembled(fragments)).toEqual(inner(length))
    },
  )
})

describe('fragment', () => {
  it('leaves the packet itself untouched', () => {
    const whole = outer4(4000)
    const before = whole.slice()
    fragmentsOf(whole, 1500)
    expect(whole).toEqual(before)
  })
})

describe('forbidsFragments', () => {
  const ends = { source: '10.9.0.1:1', destination: '10.0.0.1:1' }
  it('is what DF says of IPv4, and never so of IPv6', () => {
    expect(forbidsFragments(tcp4({ ...ends, dontFragment: true }), 0)).toBe(true)
    expect(forbidsFragments(tcp4(ends), 0)).toBe(false)
    expect(forbidsFragments(outer6(8), 0)).toBe(false)
    expect(forbidsFragments(concat(new Uint8Array(3), tcp4({ ...ends, dontFragment: true })), 3)).toBe(true)
  })
})
