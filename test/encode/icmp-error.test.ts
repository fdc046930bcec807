import { describe, expect, it } from 'vitest'
import {
  ICMP_ERROR_MAX_BYTES,
  type IcmpErrorKind,
  mayAnswer,
  writeIcmpError,
} from '../../lib/encode/icmp-error.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { fragment4, readPacket, tcp4, tcp6, udp4, udp6 } from '../support/packets.ts'

const ENDS_4 = { source: '10.9.0.1:3000', destination: '10.0.0.1:80' }
const ENDS_6 = { source: '[fd09::1]:3000', destination: '[fd00::1]:80' }
const IDENTIFICATION = 0x4242

/** The error about the packet, written over garbage of two kinds: none of it may show. */
function errorAbout(bytes: Uint8Array, kind: IcmpErrorKind, mtuBytes = 0): Uint8Array {
  const over = (garbage: number): Uint8Array => {
    const out = new Uint8Array(ICMP_ERROR_MAX_BYTES + 16).fill(garbage)
    const length = writeIcmpError(out, readPacket(bytes), kind, mtuBytes, IDENTIFICATION)
    expect(length).toBeLessThanOrEqual(ICMP_ERROR_MAX_BYTES)
    expect(
      out.subarray(length).every((octet) => octet === garbage),
      'octets behind the error',
    ).toBe(true)
    return out.slice(0, length)
  }
  const result = over(0xa5)
  expect(over(0x5a), 'octets that nobody wrote').toEqual(result)
  return result
}

describe('an ICMP error', () => {
  it.each([
    ['portUnreachable', 3, 3, 1, 4, 0],
    ['hostUnreachable', 3, 1, 1, 0, 0],
    ['packetTooBig', 3, 4, 2, 0, 1400],
    ['timeExceeded', 11, 0, 3, 0, 0],
  ] as const)('%s has the type and code of either family', (kind, type4, code4, type6, code6, rest) => {
    expectPacket(errorAbout(tcp4(ENDS_4), kind, rest))
      .icmp({ type: type4, code: code4, rest })
      .checksumsAreValid()
    expectPacket(errorAbout(tcp6(ENDS_6), kind, rest))
      .icmpv6({ type: type6, code: code6, rest })
      .checksumsAreValid()
  })

  it('goes from the virtual address to the client, with a hop limit of its own', () => {
    expectPacket(errorAbout(tcp4({ ...ENDS_4, ttl: 1 }), 'timeExceeded')).ipv4({
      source: '10.0.0.1',
      destination: '10.9.0.1',
      ttl: 64,
      identification: IDENTIFICATION,
      dontFragment: false,
      headerBytes: 20,
    })
    expectPacket(errorAbout(tcp6({ ...ENDS_6, hopLimit: 1, flowLabel: 7 }), 'timeExceeded')).ipv6({
      source: 'fd00::1',
      destination: 'fd09::1',
      hopLimit: 64,
      trafficClass: 0,
      flowLabel: 0,
    })
  })

  it('has the precedence of network control, and of the type of service what RFC 1349 names', () => {
    for (const [original, own] of [
      [0x00, 0xc0],
      [0xff, 0xde],
      [0x2b, 0xca],
    ] as const) {
      const about = tcp4({ ...ENDS_4, trafficClass: original })
      expectPacket(errorAbout(about, 'portUnreachable')).ipv4({ trafficClass: own })
    }
  })

  it('quotes a short packet whole', () => {
    const about = tcp4({ ...ENDS_4, payload: 'short' })
    expectPacket(errorAbout(about, 'portUnreachable'))
      .ipv4({ totalBytes: 28 + about.length })
      .icmp({ body: about })
      .quoted()
      .tcp({ payload: 'short', destinationPort: 80 })
      .checksumsAreValid()
  })

  it('is 576 octets at most over IPv4', () => {
    for (const payloadBytes of [528 - 8, 529 - 8, 1400]) {
      const about = udp4({ ...ENDS_4, payload: 'x'.repeat(payloadBytes) })
      const error = errorAbout(about, 'portUnreachable')
      expect(error).toHaveLength(Math.min(576, 28 + about.length))
      expectPacket(error)
        .icmp({ body: about.subarray(0, 548) })
        .checksumsAreValid()
      expectPacket(error).quoted().ipv4({ source: '10.9.0.1' })
    }
  })

  it('is 1280 octets at most over IPv6', () => {
    for (const payloadBytes of [1232 - 48, 1233 - 48, 1400]) {
      const about = udp6({ ...ENDS_6, payload: 'x'.repeat(payloadBytes) })
      const error = errorAbout(about, 'portUnreachable')
      expect(error).toHaveLength(Math.min(1280, 48 + about.length))
      expectPacket(error)
        .icmpv6({ body: about.subarray(0, 1232) })
        .checksumsAreValid()
    }
  })

  it('reports an MTU in its own width: 16 bits over IPv4, 32 over IPv6', () => {
    expectPacket(errorAbout(tcp4(ENDS_4), 'packetTooBig', 65_535)).icmp({ rest: 65_535 })
    expectPacket(errorAbout(tcp6(ENDS_6), 'packetTooBig', 70_000)).icmpv6({ rest: 70_000 })
  })

  it('quotes what stands where the packet stands, not what is around it', () => {
    const about = tcp4({ ...ENDS_4, payload: 'here' })
    const area = new Uint8Array(about.length + 200).fill(0xa5)
    area.set(about, 100)
    const packet = readPacket(about)
    packet.read(area, 100, area.length)
    const out = new Uint8Array(ICMP_ERROR_MAX_BYTES)
    const length = writeIcmpError(out, packet, 'portUnreachable', 0, IDENTIFICATION)
    expectPacket(out, 0, length).icmp({ body: about }).checksumsAreValid()
  })
})

describe('mayAnswer', () => {
  const answers = (source: string, destination: string): boolean =>
    mayAnswer(readPacket((source.startsWith('[') ? tcp6 : tcp4)({ source, destination })))

  it.each([
    ['an ordinary packet', '10.9.0.1:1', '10.0.0.1:1', true],
    ['to a multicast address', '10.9.0.1:1', '224.0.0.1:1', false],
    ['to the broadcast address', '10.9.0.1:1', '255.255.255.255:1', false],
    ['from a multicast address', '239.1.1.1:1', '10.0.0.1:1', false],
    ['from nowhere', '0.0.0.0:1', '10.0.0.1:1', false],
    ['an ordinary IPv6 packet', '[fd09::1]:1', '[fd00::1]:1', true],
    ['to an IPv6 multicast address', '[fd09::1]:1', '[ff02::1]:1', false],
    ['from an IPv6 multicast address', '[ff02::1]:1', '[fd00::1]:1', false],
    ['from the unspecified address', '[::]:1', '[fd00::1]:1', false],
  ])('%s', (_name, source, destination, expected) => {
    expect(answers(source, destination)).toBe(expected)
  })

  it('no fragment but the first', () => {
    const parts = fragment4(udp4({ ...ENDS_4, payload: 'x'.repeat(64) }), 32)
    expect(parts.map((part) => mayAnswer(readPacket(part)))).toEqual([true, false, false])
  })
})
