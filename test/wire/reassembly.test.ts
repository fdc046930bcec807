import { describe, expect, it } from 'vitest'
import { type Reassembled, Reassembly, type ReassemblyOptions } from '../../lib/wire/reassembly.ts'
import { expectPacket } from '../support/expect-packet.ts'
import {
  concat,
  fragment4,
  fragment6,
  type Ip6Extension,
  ip4,
  ip6,
  readPacket,
  tcp4,
  udp4,
  udp6,
} from '../support/packets.ts'

const ENDS_4 = { source: '10.9.0.1:3084', destination: '10.0.0.1:53' }
const ENDS_6 = { source: '[fd09::1]:3084', destination: '[fd00::1]:53' }
const payload = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 7 + (at >>> 8)) & 0xff)
const WHOLE_4 = udp4({ ...ENDS_4, payload: payload(100) })
const WHOLE_6 = udp6({ ...ENDS_6, payload: payload(100) })
const HEADROOM_BYTES = 40

const newReassembly = (options: Partial<ReassemblyOptions> = {}): Reassembly =>
  new Reassembly({ headroomBytes: HEADROOM_BYTES, ...options })

/** Adds all; the last answer, as a packet of its own. */
function addAll(reassembly: Reassembly, fragments: readonly Uint8Array[], nowMs = 0): Uint8Array | null {
  let answer: Uint8Array | null = null
  for (const each of fragments) answer = packetOf(reassembly.add(readPacket(each), nowMs))
  return answer
}

const packetOf = (whole: Reassembled | null): Uint8Array | null =>
  whole === null ? null : whole.bytes.slice(whole.start, whole.end)

/** One IPv4 fragment of a datagram of its own making: octets of the value `fill`. */
const piece = (offset: number, length: number, moreFragments: boolean, fill = 1): Uint8Array =>
  ip4({
    source: '10.9.0.1',
    destination: '10.0.0.1',
    protocol: 200,
    fragmentOffset: offset,
    moreFragments,
    payload: new Uint8Array(length).fill(fill),
  })

const piece6 = (offset: number, length: number, moreFragments: boolean): Uint8Array =>
  ip6({
    source: 'fd09::1',
    destination: 'fd00::1',
    protocol: 200,
    extensions: [fragmentHeader(offset, moreFragments)],
    payload: new Uint8Array(length),
  })

const fragmentHeader = (offset: number, moreFragments: boolean): Ip6Extension => ({
  protocol: 44,
  bytes: Uint8Array.of(0, 0, offset >>> 8, (offset & 0xf8) | (moreFragments ? 1 : 0), 0, 0, 0, 9),
})

const noCounts = {
  duplicate: 0,
  malformed: 0,
  overlap: 0,
  contradiction: 0,
  'too-long': 0,
  'mixed-ecn': 0,
  'timed-out': 0,
  evicted: 0,
}

describe('Reassembly', () => {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ] as const
  it.each(orders)('gives the IPv4 packet as it was, whichever fragment comes when: %i %i %i', (...order) => {
    const fragments = fragment4(WHOLE_4, 40)
    const reassembly = newReassembly()
    expect(
      addAll(
        reassembly,
        order.map((index) => fragments[index]!),
      ),
    ).toEqual(WHOLE_4)
    expect(reassembly).toMatchObject({ size: 0, heldBytes: 0, counts: noCounts })
  })

  it.each(orders)('gives the IPv6 packet as it was, whichever fragment comes when: %i %i %i', (...order) => {
    const fragments = fragment6(WHOLE_6, 40)
    const reassembly = newReassembly()
    expect(
      addAll(
        reassembly,
        order.map((index) => fragments[index]!),
      ),
    ).toEqual(WHOLE_6)
    expect(reassembly).toMatchObject({ size: 0, heldBytes: 0, counts: noCounts })
  })

  it('holds back until the last hole is closed', () => {
    const reassembly = newReassembly()
    const [first, second, third] = fragment4(WHOLE_4, 40)
    expect(addAll(reassembly, [third!, first!])).toBeNull()
    expect(reassembly.size).toBe(1)
    expect(reassembly.heldBytes).toBeGreaterThan(60)
    expect(addAll(reassembly, [second!])).toEqual(WHOLE_4)
  })

  it('counts the header that it keeps', () => {
    const [with_, without] = [piece(0, 8, true), piece(8, 8, true)].map((bytes) => {
      const reassembly = newReassembly()
      addAll(reassembly, [bytes])
      return reassembly.heldBytes
    })
    expect(with_! - without!).toBe(20)
  })

  it('leaves headroom, and tells how the packet was cut', () => {
    const reassembly = newReassembly()
    const [first, second, third] = fragment6(WHOLE_6, 48)
    addAll(reassembly, [third!, first!])
    const whole = reassembly.add(readPacket(second!), 0)
    expect(whole).toMatchObject({
      start: HEADROOM_BYTES,
      end: HEADROOM_BYTES + WHOLE_6.length,
      largestFragmentBytes: 40 + 8 + 48,
      repeatedBytes: 40,
      dataBytes: [48, 48, 12],
    })
  })

  it('keeps the options and the identification of the first fragment, and clears the flags', () => {
    const options = Uint8Array.of(0x94, 4, 0, 0) // router alert
    const whole = udp4({ ...ENDS_4, options, identification: 0xbeef, ttl: 9, payload: payload(60) })
    const found = addAll(newReassembly(), fragment4(whole, 24).reverse())
    expect(found).toEqual(whole)
    expectPacket(found!).ipv4({ headerBytes: 24, identification: 0xbeef, ttl: 9 }).checksumsAreValid()
  })

  it('clears DF, which some senders set on fragments', () => {
    const fragments = fragment4(WHOLE_4, 56).map((bytes) => {
      const { fragmentOffset, moreFragments } = readPacket(bytes)
      const data = bytes.slice(20)
      return ip4({
        source: '10.9.0.1',
        destination: '10.0.0.1',
        protocol: 17,
        dontFragment: true,
        fragmentOffset,
        moreFragments,
        payload: data,
      })
    })
    expect(addAll(newReassembly(), fragments)).toEqual(WHOLE_4)
  })

  it('keeps the extension headers before the fragment header and those behind it', () => {
    const hopByHop = { protocol: 0, bytes: Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0) }
    const routing = { protocol: 43, bytes: Uint8Array.of(0, 0, 4, 0, 0, 0, 0, 0) }
    const ends = { source: 'fd09::1', destination: 'fd00::1' }
    const datagram = WHOLE_6.subarray(40)
    const destinationOptions = Uint8Array.of(17, 0, 1, 4, 0, 0, 0, 0)
    const behind = concat(destinationOptions, datagram)
    const cut = (offset: number, end: number) =>
      ip6({
        ...ends,
        extensions: [hopByHop, routing, fragmentHeader(offset, end < behind.length)],
        protocol: 60,
        payload: behind.slice(offset, end),
      })
    const whole = ip6({ ...ends, extensions: [hopByHop, routing], protocol: 60, payload: behind })
    expect(addAll(newReassembly(), [cut(48, behind.length), cut(0, 48)])).toEqual(whole)
    expectPacket(whole)
      .ipv6({ headerBytes: 40 + 8 + 8 + 8, protocol: 17 })
      .checksumsAreValid()
  })

  it('keeps datagrams apart by addresses and identification, IPv4 by protocol too', () => {
    const reassembly = newReassembly()
    const others = [
      WHOLE_4,
      udp4({ ...ENDS_4, identification: 1, payload: payload(100) }),
      udp4({ ...ENDS_4, source: '10.9.0.2:3084', payload: payload(100) }),
      udp4({ ...ENDS_4, destination: '10.0.0.2:53', payload: payload(100) }),
      tcp4({ ...ENDS_4, payload: payload(100) }),
    ].map((whole) => ({ whole, fragments: fragment4(whole, 64) }))
    others.push({ whole: WHOLE_6, fragments: fragment6(WHOLE_6, 64, 1) })
    const other6 = udp6({ ...ENDS_6, payload: payload(101) })
    others.push({ whole: other6, fragments: fragment6(other6, 64, 0x1_0001) })
    for (const { fragments } of others) addAll(reassembly, fragments.slice(0, 1))
    expect(reassembly.size).toBe(others.length)
    for (const { whole, fragments } of others) expect(addAll(reassembly, fragments.slice(1))).toEqual(whole)
  })

  it('keeps datagrams apart whose addresses or identification differ in one bit, any of them', () => {
    const reassembly = newReassembly()
    const addresses = {
      4: [...Array(8).keys()].map((at) => 12 + at),
      6: [...Array(32).keys()].map((at) => 8 + at),
    }
    const fields = [
      ...[...addresses[4], 4, 5].map((at) => ({ bytes: piece(8, 8, true), at })),
      ...[...addresses[6], 44, 45, 46, 47].map((at) => ({ bytes: piece6(8, 8, true), at })),
    ]
    for (const { bytes, at } of fields) {
      bytes[at]! ^= 0x10
      addAll(reassembly, [bytes])
    }
    expect(reassembly).toMatchObject({ size: fields.length, counts: noCounts })
  })

  it('copies what it keeps: the octets of a fragment may be overwritten', () => {
    const reassembly = newReassembly()
    const [first, second] = fragment4(WHOLE_4, 64).map((bytes) => Buffer.from(bytes))
    reassembly.add(readPacket(first!), 0)
    first!.fill(0xa5)
    expect(addAll(reassembly, [second!])).toEqual(WHOLE_4)
  })

  it('puts the largest packets together: 65535 octets of IPv4, and behind an IPv6 header', () => {
    const ends = { source: '10.9.0.1', destination: '10.0.0.1' }
    const whole4 = ip4({ ...ends, protocol: 200, payload: payload(65_535 - 20) })
    expect(addAll(newReassembly(), fragment4(whole4, 1480))).toEqual(whole4)
    const whole6 = ip6({ source: 'fd09::1', destination: 'fd00::1', protocol: 200, payload: payload(65_528) })
    expect(addAll(newReassembly(), fragment6(whole6, 1448))).toEqual(whole6)
  })
})

describe('Reassembly, of what does not fit together', () => {
  it.each([
    ['wholly', piece(16, 8, true)],
    ['as it came', piece(8, 16, true)],
    ['over two that touch', piece(16, 16, true)],
    ['with other octets', piece(8, 16, true, 0xff)],
  ])('ignores what is there already, %s', (_, repeated) => {
    const reassembly = newReassembly()
    const held = addAll(reassembly, [piece(8, 16, true), piece(24, 16, true), repeated])
    expect(held).toBeNull()
    expect(reassembly.counts).toEqual({ ...noCounts, duplicate: 1 })
    const whole = addAll(reassembly, [piece(40, 5, false), piece(0, 8, true)])
    expect(whole?.subarray(20)).toEqual(new Uint8Array(45).fill(1))
  })

  it.each([
    ['begins before', piece(0, 16, true)],
    ['ends behind', piece(16, 16, true)],
    ['covers it', piece(0, 40, true)],
    ['spans a hole', piece(16, 24, true)],
    ['spans a hole, from end to end', piece(8, 40, true)],
  ])('drops the whole datagram for an overlap: the fragment that %s', (_, overlapping) => {
    const reassembly = newReassembly()
    addAll(reassembly, [piece(8, 16, true), piece(32, 16, true), overlapping])
    expect(reassembly).toMatchObject({ size: 0, heldBytes: 0, counts: { ...noCounts, overlap: 1 } })
  })

  it.each([
    ['a second end', [piece(16, 8, false), piece(32, 8, false)]],
    ['an end before what is there', [piece(32, 8, true), piece(8, 8, false)]],
    ['more behind the end', [piece(8, 8, false), piece(16, 8, true)]],
  ])('drops the whole datagram for %s', (_, fragments) => {
    const reassembly = newReassembly()
    addAll(reassembly, fragments)
    expect(reassembly).toMatchObject({ size: 0, heldBytes: 0, counts: { ...noCounts, contradiction: 1 } })
  })

  it.each([
    ['no data', piece(8, 0, true)],
    ['no data, IPv6', piece6(8, 0, false)],
    ['data that ends askew', piece(8, 12, true)],
    ['data that ends askew, IPv6', piece6(8, 12, true)],
  ])('ignores a fragment with %s', (_, spoiled) => {
    const reassembly = newReassembly()
    addAll(reassembly, [spoiled])
    expect(reassembly).toMatchObject({ size: 0, heldBytes: 0, counts: { ...noCounts, malformed: 1 } })
  })

  it('drops what would be longer than a packet can be, once the headers are known', () => {
    const long = { ...ENDS_4, source: '10.9.0.1', destination: '10.0.0.1', protocol: 200 }
    const last = ip4({ ...long, fragmentOffset: 65_488, payload: new Uint8Array(27) })
    const first = ip4({
      ...long,
      moreFragments: true,
      options: new Uint8Array(40),
      payload: new Uint8Array(8),
    })
    const reassembly = newReassembly()
    expect(addAll(reassembly, [last])).toBeNull()
    expect(reassembly.size).toBe(1)
    addAll(reassembly, [first])
    expect(reassembly).toMatchObject({ size: 0, counts: { ...noCounts, 'too-long': 1 } })
  })

  it('counts extension headers in, of IPv6', () => {
    const ends = { source: 'fd09::1', destination: 'fd00::1', protocol: 200 }
    const hopByHop = { protocol: 0, bytes: new Uint8Array(32).fill(3, 1, 2) }
    const first = ip6({
      ...ends,
      extensions: [hopByHop, fragmentHeader(0, true)],
      payload: new Uint8Array(8),
    })
    const last = ip6({ ...ends, extensions: [fragmentHeader(65_480, false)], payload: new Uint8Array(32) })
    const reassembly = newReassembly()
    addAll(reassembly, [first, last])
    expect(reassembly).toMatchObject({ size: 0, counts: { ...noCounts, 'too-long': 1 } })
  })

  it('marks the datagram when one fragment met congestion, and drops it when senders cannot have meant it', () => {
    const fragments = (...ecn: number[]) =>
      ecn.map((trafficClass, index) =>
        ip4({
          source: '10.9.0.1',
          destination: '10.0.0.1',
          protocol: 200,
          trafficClass: 0x28 | trafficClass,
          fragmentOffset: index * 8,
          moreFragments: index < ecn.length - 1,
          payload: new Uint8Array(8),
        }),
      )
    const reassembly = newReassembly()
    const marked = addAll(reassembly, fragments(2, 3, 2))
    expectPacket(marked!).ipv4({ trafficClass: 0x2b }).headerChecksumIsValid()
    expectPacket(addAll(reassembly, fragments(2, 1))!).ipv4({ trafficClass: 0x2a })
    expectPacket(addAll(reassembly, fragments(0, 0))!).ipv4({ trafficClass: 0x28 })
    expect(addAll(reassembly, fragments(0, 3))).toBeNull()
    expect(addAll(reassembly, fragments(2, 0))).toBeNull()
    expect(reassembly).toMatchObject({ size: 0, heldBytes: 0, counts: { ...noCounts, 'mixed-ecn': 2 } })
  })
})

describe('Reassembly, bounded', () => {
  it('gives an IPv4 datagram 30 seconds from its first fragment, an IPv6 one 60', () => {
    const reassembly = newReassembly()
    const [first4, second4, third4] = fragment4(WHOLE_4, 40)
    const [first6, second6, third6] = fragment6(WHOLE_6, 40)
    addAll(reassembly, [first4!, first6!], 1000)
    addAll(reassembly, [second4!, second6!], 30_999)
    reassembly.passTime(30_999)
    expect(reassembly.size).toBe(2)
    reassembly.passTime(31_000)
    expect(reassembly).toMatchObject({ size: 1, counts: { ...noCounts, 'timed-out': 1 } })
    expect(addAll(reassembly, [third4!], 31_001)).toBeNull()
    expect(addAll(reassembly, [third6!], 60_999)).toEqual(WHOLE_6)
    reassembly.passTime(61_001)
    expect(reassembly).toMatchObject({ size: 0, heldBytes: 0, counts: { ...noCounts, 'timed-out': 2 } })
  })

  it('does not complete a datagram that is due, even when time was not passed on', () => {
    const reassembly = newReassembly()
    const [first, second] = fragment4(WHOLE_4, 64)
    addAll(reassembly, [first!], 0)
    expect(addAll(reassembly, [second!], 30_000)).toBeNull()
    expect(reassembly).toMatchObject({ size: 1, counts: { ...noCounts, 'timed-out': 1 } })
    expect(addAll(reassembly, [first!], 30_001)).toEqual(WHOLE_4)
  })

  it('gives up the oldest for one datagram more, of whichever family', () => {
    const reassembly = newReassembly({ datagramLimit: 3 })
    const cut = (identification: number) =>
      fragment4(udp4({ ...ENDS_4, identification, payload: payload(60) }), 40)
    const cut6 = fragment6(WHOLE_6, 64)
    addAll(reassembly, [cut6[0]!], 1)
    for (const id of [2, 3]) addAll(reassembly, [cut(id)[0]!], id)
    addAll(reassembly, [cut(4)[0]!], 4)
    expect(
      addAll(reassembly, [cut6[1]!], 5),
      'the IPv6 one went first, and the one of 2 ms for its rest',
    ).toBeNull()
    expect(reassembly).toMatchObject({ size: 3, counts: { ...noCounts, evicted: 2 } })
    for (const id of [3, 4]) expect(addAll(reassembly, [cut(id)[1]!], 6)).not.toBeNull()
  })

  it('gives up the IPv4 datagram where that is the older one', () => {
    const reassembly = newReassembly({ datagramLimit: 2 })
    const [first4, second4] = fragment4(WHOLE_4, 64)
    const [first6, second6] = fragment6(WHOLE_6, 64)
    addAll(reassembly, [first4!], 1)
    addAll(reassembly, [first6!], 2)
    addAll(reassembly, [piece(8, 8, true)], 3)
    expect(addAll(reassembly, [second6!], 4)).toEqual(WHOLE_6)
    expect(addAll(reassembly, [second4!], 5)).toBeNull()
    expect(reassembly.counts.evicted).toBe(1)
  })

  it('gives up the oldest for memory, and never holds more', () => {
    const memoryLimitBytes = 10_000
    const reassembly = newReassembly({ memoryLimitBytes })
    const cut = (id: number) =>
      fragment4(udp4({ ...ENDS_4, identification: id, payload: payload(3000) }), 1480)
    for (let id = 0; id < 50; id++) {
      addAll(reassembly, [cut(id)[0]!], id)
      expect(reassembly.heldBytes).toBeLessThanOrEqual(memoryLimitBytes)
    }
    expect(reassembly.size).toBe(5)
    expect(reassembly.counts.evicted).toBe(45)
    expect(addAll(reassembly, cut(49).slice(1), 50)).not.toBeNull()
  })

  it('counts what a fragment costs, not only what it carries', () => {
    const reassembly = newReassembly({ memoryLimitBytes: 100_000 })
    for (let index = 0; index < 8000; index++) addAll(reassembly, [piece(index * 8, 8, true)])
    expect(reassembly.heldBytes).toBeLessThanOrEqual(100_000)
    expect(reassembly.counts.evicted).toBeGreaterThan(15)
  })
})
