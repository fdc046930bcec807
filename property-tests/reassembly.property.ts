import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fragment } from '../lib/encode/fragment.ts'
import { Reassembly } from '../lib/wire/reassembly.ts'
import { expectPacket } from '../test/support/expect-packet.ts'
import { ip4, ip6, readPacket } from '../test/support/packets.ts'
import { uint8, uint16 } from './arbitraries/address.ts'
import { paddedOptions } from './arbitraries/header.ts'

/** A whole packet, and in which order its fragments of what size come, some of them twice. */
interface Scene {
  readonly whole: Uint8Array
  readonly mtuBytes: number
  readonly order: readonly number[]
}

const scenes = (): fc.Arbitrary<Scene> =>
  fc.record({
    whole: fc.oneof(longIpv4(), longIpv6()),
    mtuBytes: fc.integer({ min: 88, max: 400 }), // room for every header there may be, and 8 octets more
    order: fc.array(fc.nat(), { minLength: 1, maxLength: 80 }),
  })

const payload = (): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 1, maxLength: 1500, size: 'max' })

const longIpv4 = (): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      options: paddedOptions(),
      payload: payload(),
      trafficClass: uint8(),
      identification: uint16(),
      dontFragment: fc.boolean(),
    })
    .map((fields) => ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol: 200, ...fields }))

const longIpv6 = (): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      extensions: fc.constantFrom(
        [],
        [HOP_BY_HOP],
        [ROUTING],
        [HOP_BY_HOP, OPTIONS, ROUTING],
        [ROUTING, OPTIONS],
      ),
      payload: payload(),
      trafficClass: uint8(),
    })
    .map((fields) => ip6({ source: 'fd09::1', destination: 'fd00::1', protocol: 200, ...fields }))

const HOP_BY_HOP = { protocol: 0, bytes: Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0) }
const OPTIONS = { protocol: 60, bytes: Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0) }
const ROUTING = { protocol: 43, bytes: Uint8Array.of(0, 0, 4, 0, 0, 0, 0, 0) }

function fragmentsOf(whole: Uint8Array, mtuBytes: number): Uint8Array[] {
  const found: Uint8Array[] = []
  const out = new Uint8Array(Math.max(mtuBytes, whole.length)).fill(0xa5)
  const options = { mtuBytes, identification: 0x1234_5678, out }
  fragment(whole, 0, whole.length, options, (bytes, length) => {
    found.push(bytes.slice(0, length))
    bytes.fill(0xa5)
  })
  return found
}

describe('fragment, then Reassembly', () => {
  it('gives the packet back, octet for octet but for DF, in whatever order and however often the fragments come', () => {
    let compared = 0
    fc.assert(
      fc.property(scenes(), ({ whole: packet, mtuBytes, order }) => {
        const fragments = fragmentsOf(packet, mtuBytes)
        expect(fragments.length > 1).toBe(packet.length > mtuBytes)
        if (fragments.length === 1) return
        compared++
        const reassembly = new Reassembly({ headroomBytes: 8 })
        let whole: Uint8Array | null = null
        const arrivals = [...order.map((index) => fragments[index % fragments.length]!), ...fragments]
        for (const each of arrivals) {
          expect(each.length).toBeLessThanOrEqual(mtuBytes)
          expectPacket(each).headerChecksumIsValid()
          const answer = reassembly.add(readPacket(each), 0)
          if (answer === null) continue
          whole = answer.bytes.slice(answer.start, answer.end)
          expect(answer.largestFragmentBytes).toBe(Math.max(...fragments.map(({ length }) => length)))
          break
        }
        expect(whole).toEqual(withoutFlags(packet))
        expect(reassembly.size + reassembly.heldBytes).toBe(0)
        const { duplicate, ...others } = reassembly.counts
        expect(duplicate).toBeLessThanOrEqual(order.length)
        expect(Object.values(others).every((count) => count === 0)).toBe(true)
      }),
      { numRuns: 500 },
    )
    expect(compared).toBeGreaterThan(200)
  })

  it('cut again as it came, an IPv6 datagram gives the fragments that came', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(cuts, fc.integer({ min: 1, max: 160 }), (units, lastBytes) => {
        const sizes = [...units.map((each) => each * 8), lastBytes]
        const total = sizes.reduce((sum, each) => sum + each, 0)
        const sent: Uint8Array[] = []
        for (let offset = 0, index = 0; offset < total; offset += sizes[index++]!) {
          sent.push(piece(6, offset, sizes[index]!, index < sizes.length - 1))
        }
        const reassembly = new Reassembly({ headroomBytes: 0 })
        const whole = sent.map((each) => reassembly.add(readPacket(each), 0)).at(-1)!
        const found: Uint8Array[] = []
        const mtuBytes = whole.largestFragmentBytes
        const options = { mtuBytes, identification: 9, out: new Uint8Array(mtuBytes), as: whole }
        fragment(whole.bytes, whole.start, whole.end, options, (out, length) =>
          found.push(out.slice(0, length)),
        )
        // What is no longer than its longest fragment, fragment headers gone, leaves in one piece, as from the kernel.
        const isOne = whole.end - whole.start <= mtuBytes
        expect(found).toEqual(isOne ? [whole.bytes.slice(whole.start, whole.end)] : sent)
      }),
      { numRuns: 300 },
    )
  })
})

/** A fragment of one of a few datagrams, carrying at each place what belongs there. */
interface Arrival {
  readonly family: 4 | 6
  readonly offset: number
  readonly length: number
  readonly moreFragments: boolean
  readonly identification: number
  readonly passMs: number
}

const arrivals = (): fc.Arbitrary<Arrival[]> =>
  fc.array(
    fc.record({
      family: fc.constantFrom(4 as const, 6 as const),
      offset: fc
        .oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 8100 }))
        .map((units) => units * 8),
      length: fc.oneof(fc.constantFrom(8, 16, 24), fc.integer({ min: 0, max: 40 })),
      moreFragments: fc.boolean(),
      identification: fc.integer({ min: 0, max: 5 }),
      passMs: fc.constantFrom(0, 0, 0, 1, 10_000, 30_000, 60_000),
    }),
    { maxLength: 60 },
  )

const LIMITS = { datagramLimit: 3, memoryLimitBytes: 3000 }

describe('Reassembly', () => {
  it('takes any fragments in its stride, within its bounds, and gives only what was sent', () => {
    fc.assert(
      fc.property(arrivals(), (sent) => {
        const reassembly = new Reassembly({ headroomBytes: 0, ...LIMITS })
        let nowMs = 0
        for (const each of sent) {
          nowMs += each.passMs
          if (each.passMs > 1) reassembly.passTime(nowMs)
          const bytes = piece(each.family, each.offset, each.length, each.moreFragments, each.identification)
          const packet = readPacket(bytes)
          if (!packet.isFragment) continue
          const whole = reassembly.add(packet, nowMs)
          expect(reassembly.size).toBeLessThanOrEqual(LIMITS.datagramLimit)
          expect(reassembly.heldBytes).toBeLessThanOrEqual(LIMITS.memoryLimitBytes)
          expect(reassembly.heldBytes >= reassembly.size * 256 && reassembly.heldBytes >= 0).toBe(true)
          if (whole === null) continue
          const found = readPacket(whole.bytes.slice(whole.start, whole.end))
          expect(found.isFragment).toBe(false)
          expect([...found.bytes.subarray(found.transportStart)]).toEqual(
            content(0, found.end - found.transportStart),
          )
        }
        reassembly.passTime(nowMs + 60_000)
        expect(reassembly.size + reassembly.heldBytes).toBe(0)
      }),
      { numRuns: 2000 },
    )
  })
})

/** What stands at each place of every datagram. */
const content = (from: number, length: number): number[] =>
  Array.from({ length }, (_, index) => ((from + index) * 7 + ((from + index) >>> 8)) & 0xff)

function piece(
  family: 4 | 6,
  offset: number,
  length: number,
  moreFragments: boolean,
  identification = 9,
): Uint8Array {
  const payload = Uint8Array.from(content(offset, length))
  if (family === 4) {
    const ends = { source: '10.9.0.1', destination: '10.0.0.1', protocol: 200, identification }
    return ip4({ ...ends, fragmentOffset: offset, moreFragments, payload })
  }
  const header = Uint8Array.of(
    0,
    0,
    offset >>> 8,
    (offset & 0xf8) | (moreFragments ? 1 : 0),
    0,
    0,
    0,
    identification,
  )
  return ip6({
    source: 'fd09::1',
    destination: 'fd00::1',
    extensions: [{ protocol: 44, bytes: header }],
    protocol: 200,
    payload,
  })
}

/** An IPv4 packet with its flags cleared; other packets as they are. */
function withoutFlags(bytes: Uint8Array): Uint8Array {
  const { family, start, transportStart } = readPacket(bytes)
  if (family === 6) return bytes
  const copy = bytes.slice()
  copy.fill(0, 6, 8).fill(0, 10, 12)
  let sum = 0
  for (let at = start; at < transportStart; at += 2) sum += (copy[at]! << 8) | copy[at + 1]!
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  copy[10] = (~sum >>> 8) & 0xff
  copy[11] = ~sum & 0xff
  return copy
}
