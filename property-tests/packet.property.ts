/** Reading packets: everything in a sound one is found, and no octets whatever do harm. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fold16, wordDelta } from '../lib/bytes/checksum.ts'
import { readI32, writeU32 } from '../lib/bytes/octets.ts'
import { icmpAt } from '../lib/wire/icmp.ts'
import { icmpv6At } from '../lib/wire/icmpv6.ts'
import { ipv4At } from '../lib/wire/ipv4.ts'
import { ipv6At } from '../lib/wire/ipv6.ts'
import { MALFORMED, type Malformed } from '../lib/wire/malformed.ts'
import { Packet } from '../lib/wire/packet.ts'
import { printPacket } from '../lib/wire/print.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { tcpAt } from '../lib/wire/tcp.ts'
import {
  adjustTransportChecksum,
  checksumOffset,
  finishTransportChecksum,
  ipv4ChecksumIsValid,
  transportChecksumIsValid,
} from '../lib/wire/transport-checksum.ts'
import { udpAt } from '../lib/wire/udp.ts'
import { readPacket } from '../test/support/packets.ts'
import { uint32 } from './arbitraries/address.ts'
import { packet, spoiledPacket, wholePacket } from './arbitraries/packet.ts'

const GUARD = 24

/** The octets in the middle of a larger area that is filled with a guard. */
function guarded(bytes: Uint8Array, fill: number): Uint8Array {
  const area = new Uint8Array(bytes.length + 2 * GUARD).fill(fill)
  area.set(bytes, GUARD)
  return area
}

/** Octets that may be a packet and mostly are nearly one. */
const anyBytes = (): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    spoiledPacket().map(({ bytes }) => bytes),
    fc
      .tuple(spoiledPacket(), fc.nat())
      .map(([{ bytes }, length]) => bytes.slice(0, length % (bytes.length + 1))),
    fc
      .tuple(fc.constantFrom(0x45, 0x46, 0x60), fc.uint8Array({ maxLength: 120 }))
      .map(([first, rest]) => Uint8Array.of(first, ...rest)),
  )

const NUMBERS = [
  'start',
  'end',
  'protocol',
  'headerBytes',
  'transportStart',
  'fragmentOffset',
  'sourceW0',
  'sourceW1',
  'sourceW2',
  'sourceW3',
  'destinationW0',
  'destinationW1',
  'destinationW2',
  'destinationW3',
  'sourcePort',
  'destinationPort',
  'tcpFlags',
  'hopLimit',
  'trafficClass',
  'identification',
] as const satisfies readonly (keyof Packet)[]

describe('Packet.read', () => {
  it('finds everything in every sound packet, wherever it lies', () => {
    const reused = new Packet()
    fc.assert(
      fc.property(packet(), ({ bytes, source, destination, [fc.toStringMethod]: _, ...expected }) => {
        const area = guarded(bytes, 0xff)
        expect(reused.read(area, GUARD, area.length)).toBeNull()
        expect(reused).toMatchObject(expected)
        expect(reused.source).toEqual(source)
        expect(reused.destination).toEqual(destination)
        expect(reused).toMatchObject({ start: GUARD, end: GUARD + bytes.length, totalBytes: bytes.length })
        expect(reused.isFragment).toBe(expected.moreFragments || expected.fragmentOffset > 0)
      }),
    )
  })

  it('refuses every sound packet cut short', () => {
    fc.assert(
      fc.property(packet(), fc.nat(), ({ bytes }, length) => {
        expect(new Packet().read(bytes, 0, length % bytes.length)).not.toBeNull()
      }),
    )
  })

  it('answers any octets with a flaw from the table or with small integers alone', () => {
    fc.assert(
      fc.property(anyBytes(), fc.boolean(), (bytes, isQuoted) => {
        const area = guarded(bytes, 0x45)
        const before = area.slice()
        const read = new Packet()
        const end = GUARD + bytes.length
        const flaw: Malformed | null = isQuoted
          ? read.readQuoted(area, GUARD, end)
          : read.read(area, GUARD, end)
        expect(area).toEqual(before)
        if (flaw !== null) {
          expect(flaw).toBe(MALFORMED[flaw.reason])
          return
        }
        for (const name of NUMBERS) expect(read[name] | 0, name).toBe(read[name])
        expect(read.start).toBe(GUARD)
        expect(read.end).toBeLessThanOrEqual(end)
        expect(read.transportStart).toBeLessThanOrEqual(read.end)
      }),
      { numRuns: 1000 },
    )
  })

  it('depends on nothing outside the octets it was given', () => {
    fc.assert(
      fc.property(anyBytes(), fc.boolean(), (bytes, isQuoted) => {
        const readings = [0x00, 0x45, 0xff].map((fill) => {
          const area = guarded(bytes, fill)
          const end = GUARD + bytes.length
          const read = new Packet()
          const flaw = isQuoted ? read.readQuoted(area, GUARD, end) : read.read(area, GUARD, end)
          return flaw === null ? NUMBERS.map((name) => read[name]) : flaw.reason
        })
        expect(readings[1]).toEqual(readings[0])
        expect(readings[2]).toEqual(readings[0])
      }),
      { numRuns: 500 },
    )
  })
})

describe('Packet.readQuoted', () => {
  it('reads of a sound packet what the strict reading reads, as long as 8 octets of the transport are there', () => {
    fc.assert(
      fc.property(packet(), fc.nat(), (whole, cut) => {
        const { bytes, headerBytes, source, destination, protocol, sourcePort, destinationPort } = whole
        const least = Math.min(bytes.length, headerBytes + 8)
        const end = least + (cut % (bytes.length - least + 1))
        const read = new Packet()
        expect(read.readQuoted(bytes.slice(0, end), 0, end)).toBeNull()
        expect(read).toMatchObject({ protocol, sourcePort, destinationPort, headerBytes, end })
        expect(read.source).toEqual(source)
        expect(read.destination).toEqual(destination)
      }),
    )
  })
})

describe('every header’s check', () => {
  it('answers any octets with a flaw from the table or with a view whose fields are there', () => {
    fc.assert(
      fc.property(anyBytes(), (bytes) => {
        const area = guarded(bytes, 0xa5)
        const end = GUARD + bytes.length
        for (const at of [ipv4At, ipv6At, tcpAt, udpAt, icmpAt, icmpv6At]) {
          const found = at(area, GUARD, end)
          if (found.kind === 'malformed') expect(found).toBe(MALFORMED[found.reason])
          else expect(found).toMatchObject({ bytes: area, start: GUARD })
        }
      }),
    )
  })
})

describe('printPacket', () => {
  it('prints one line for any octets', () => {
    fc.assert(
      fc.property(anyBytes(), (bytes) => {
        expect(printPacket(guarded(bytes, 0x45), GUARD, GUARD + bytes.length)).toMatch(/^[^\n]+$/)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('checksums', () => {
  it('are valid in every sound packet', () => {
    fc.assert(
      fc.property(packet(), ({ bytes }) => {
        expect(ipv4ChecksumIsValid(readPacket(bytes))).toBe(true)
        expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
      }),
    )
  })

  it('betray any one spoiled octet of an IPv4 header', () => {
    fc.assert(
      fc.property(spoiledPacket(), ({ bytes, at, sound }) => {
        const read = new Packet()
        const isSound = read.read(bytes, 0, bytes.length) === null
        // The first octet says how far the checksum reaches: another length may come out right by chance.
        if (sound.family === 4 && at > 0 && at < sound.headerBytes && isSound) {
          expect(ipv4ChecksumIsValid(read)).toBe(false)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('betray any one spoiled octet of a TCP segment, an SCTP packet or an ICMP message', () => {
    const summed: readonly number[] = [PROTOCOL.tcp, PROTOCOL.sctp, PROTOCOL.icmp, PROTOCOL.icmpv6]
    const whole = wholePacket().filter(({ protocol }) => summed.includes(protocol))
    fc.assert(
      fc.property(spoiledPacket(whole), ({ bytes, at, sound }) => {
        const read = new Packet()
        const isSound = read.read(bytes, 0, bytes.length) === null
        if (at >= sound.headerBytes && isSound) expect(transportChecksumIsValid(read)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  it('stay valid when an address changes and the delta is applied, and come back with the way back', () => {
    const words = fc.integer({ min: 0, max: 3 })
    fc.assert(
      fc.property(wholePacket(), words, uint32(), ({ bytes, family }, word, is) => {
        const read = readPacket(bytes)
        const at = family === 4 ? 16 : 24 + 4 * word
        const was = readI32(bytes, at)
        const before = bytes.slice(read.transportStart)
        writeU32(bytes, at, is)
        adjustTransportChecksum(read, fold16(wordDelta(was, is)))
        expect(transportChecksumIsValid(read)).toBe(true)
        writeU32(bytes, at, was)
        adjustTransportChecksum(read, fold16(wordDelta(is, was)))
        expect(transportChecksumIsValid(read)).toBe(true)
        expect(bytes.slice(read.transportStart)).toEqual(before)
      }),
    )
  })

  it('are finished within the packet, and to what they were', () => {
    fc.assert(
      fc.property(wholePacket(), ({ bytes, protocol }) => {
        const area = guarded(bytes, 0xa5)
        const read = new Packet()
        expect(read.read(area, GUARD, area.length)).toBeNull()
        const offset = protocol === PROTOCOL.sctp ? 8 : checksumOffset(protocol)
        if (offset < 0) return
        area[read.transportStart + offset] = 0x5a
        finishTransportChecksum(read)
        const isWithoutChecksum =
          protocol === PROTOCOL.udp &&
          bytes[read.headerBytes + offset] === 0 &&
          bytes[read.headerBytes + offset + 1] === 0
        if (!isWithoutChecksum) expect(area).toEqual(guarded(bytes, 0xa5))
        else expect(transportChecksumIsValid(read)).toBe(true)
      }),
    )
  })
})
