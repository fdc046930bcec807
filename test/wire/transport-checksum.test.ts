import { describe, expect, it } from 'vitest'
import { fold16, wordDelta } from '../../lib/bytes/checksum.ts'
import { readU16, writeU16 } from '../../lib/bytes/octets.ts'
import type { Packet } from '../../lib/wire/packet.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import {
  adjustTransportChecksum,
  checksumOffset,
  computeTransportChecksum,
  finishTransportChecksum,
  ipv4ChecksumIsValid,
  transportChecksumIsValid,
} from '../../lib/wire/transport-checksum.ts'
import {
  concat,
  fromHex,
  ip4,
  readPacket,
  sctp4,
  udp4,
  udp6,
  withUnfinishedChecksum,
} from '../support/packets.ts'
import { KERNEL, SCAPY } from '../vectors/wire-packets.ts'

const read = (hex: string): Packet => readPacket(fromHex(hex))
const standing = ({ bytes, transportStart, protocol }: Packet) =>
  readU16(bytes, transportStart + checksumOffset(protocol))
const COVERED = [
  KERNEL.tcp4,
  KERNEL.udp4WithOptions,
  KERNEL.tcp6,
  KERNEL.udp6BehindHopByHop,
  KERNEL.icmp6PacketTooBig,
]

describe('checksumOffset', () => {
  it('knows the checksums that cover the addresses, and no other', () => {
    expect(checksumOffset(PROTOCOL.tcp)).toBe(16)
    expect(checksumOffset(PROTOCOL.udp)).toBe(6)
    expect(checksumOffset(PROTOCOL.icmpv6)).toBe(2)
    for (const protocol of [PROTOCOL.icmp, PROTOCOL.sctp, PROTOCOL.esp, PROTOCOL.ah, PROTOCOL.ipip, 255]) {
      expect(checksumOffset(protocol)).toBe(-1)
    }
  })
})

describe('computeTransportChecksum', () => {
  it('computes what the kernel sent, whatever stands in the field', () => {
    for (const hex of COVERED) {
      const packet = read(hex)
      const sent = standing(packet)
      expect(computeTransportChecksum(packet)).toBe(sent)
      for (const other of [0, 0xffff, sent ^ 0x0101]) {
        writeU16(packet.bytes, packet.transportStart + checksumOffset(packet.protocol), other)
        expect(computeTransportChecksum(packet)).toBe(sent)
      }
    }
  })

  it('computes what the kernel wrote into a datagram that had none', () => {
    const packet = read(KERNEL.udp4WithoutChecksum)
    packet.bytes.set([192, 168, 1, 1], 16)
    writeU16(packet.bytes, 22, 5300)
    expect(computeTransportChecksum(packet)).toBe(0x4f54) // recorded behind the masquerading director
  })

  it('answers all ones for a UDP checksum that comes to 0', () => {
    const sum = standing(
      readPacket(udp4({ source: '10.9.0.1:1', destination: '10.0.0.1:53', payload: '\0\0' })),
    )
    const bytes = udp4({
      source: '10.9.0.1:1',
      destination: '10.0.0.1:53',
      payload: Uint8Array.of(sum >> 8, sum & 0xff),
    })
    expect(computeTransportChecksum(readPacket(bytes))).toBe(0xffff)
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
  })

  it('covers a datagram as far as its own length goes, not what lies behind', () => {
    const whole = udp4({ source: '10.9.0.1:3002', destination: '10.0.0.1:53', payload: 'abc' })
    const padded = ip4({
      source: '10.9.0.1',
      destination: '10.0.0.1',
      protocol: 17,
      payload: concat(whole.slice(20), fromHex('ffff')),
    })
    expect(computeTransportChecksum(readPacket(padded))).toBe(standing(readPacket(whole)))
    expect(transportChecksumIsValid(readPacket(padded))).toBe(true)
  })
})

describe('finishTransportChecksum', () => {
  it('finishes what was left to offload', () => {
    for (const hex of COVERED) {
      const bytes = withUnfinishedChecksum(fromHex(hex))
      expect(bytes).not.toEqual(fromHex(hex))
      finishTransportChecksum(readPacket(bytes))
      expect(bytes).toEqual(fromHex(hex))
    }
  })

  it('leaves a fragment alone: what else is summed lies elsewhere', () => {
    for (const hex of [KERNEL.udp4FirstFragment, KERNEL.udp4LaterFragment, KERNEL.udp6FirstFragment]) {
      const bytes = fromHex(hex)
      finishTransportChecksum(readPacket(bytes))
      expect(bytes).toEqual(fromHex(hex))
    }
  })
})

describe('adjustTransportChecksum', () => {
  const delta = fold16(wordDelta(0x1234_5678, 0x9abc_def0))

  it('keeps the checksum valid when an address changes', () => {
    for (const hex of COVERED) {
      const packet = read(hex)
      const at = packet.family === 4 ? 12 : 8
      const is = fold16(wordDelta(packet.sourceW0, 0x7f00_0001))
      packet.bytes.set([0x7f, 0, 0, 1], at)
      adjustTransportChecksum(packet, is)
      expect(transportChecksumIsValid(readPacket(packet.bytes))).toBe(true)
    }
  })

  it('leaves alone what has no checksum there: none in UDP, later fragments, other protocols', () => {
    const alone = [
      KERNEL.udp4WithoutChecksum,
      KERNEL.udp4LaterFragment,
      KERNEL.udp6LaterFragment,
      KERNEL.ah4,
      KERNEL.icmp4TimeExceeded,
    ]
    for (const hex of alone) {
      const packet = read(hex)
      adjustTransportChecksum(packet, delta)
      expect(packet.bytes).toEqual(fromHex(hex))
    }
  })

  it('adjusts a first fragment’s, which covers the whole datagram', () => {
    const packet = read(KERNEL.udp4FirstFragment)
    adjustTransportChecksum(packet, fold16(wordDelta(0x0a00_0001, 0xc0a8_0001)))
    expect(standing(packet)).not.toBe(0xb6eb)
    adjustTransportChecksum(packet, fold16(wordDelta(0xc0a8_0001, 0x0a00_0001)))
    expect(standing(packet)).toBe(0xb6eb)
  })

  it('writes a UDP checksum that becomes 0 as all ones', () => {
    const packet = read(KERNEL.udp4WithOptions)
    adjustTransportChecksum(packet, standing(packet))
    expect(standing(packet)).toBe(0xffff)
  })
})

describe('SCTP’s checksum', () => {
  const ends = { source: '10.9.0.1:5000', destination: '10.0.0.1:5001' }

  it('is verified and computed as Scapy computes it', () => {
    const packet = read(SCAPY.sctpInit)
    expect(transportChecksumIsValid(packet)).toBe(true)
    packet.bytes.fill(0, 28, 32)
    expect(transportChecksumIsValid(packet)).toBe(false)
    finishTransportChecksum(packet)
    expect(packet.bytes).toEqual(fromHex(SCAPY.sctpInit))
  })

  it('covers no address: adjusting leaves it alone', () => {
    const packet = readPacket(sctp4(ends))
    adjustTransportChecksum(packet, 0x1234)
    expect(packet.bytes).toEqual(sctp4(ends))
  })

  it('is finished where offload left it', () => {
    const packet = readPacket(withUnfinishedChecksum(sctp4(ends)))
    expect(transportChecksumIsValid(packet)).toBe(false)
    finishTransportChecksum(packet)
    expect(packet.bytes).toEqual(sctp4(ends))
  })
})

describe('finishTransportChecksum', () => {
  it('leaves alone what has no checksum that we know', () => {
    for (const hex of [KERNEL.ah4, KERNEL.ipip4in6, KERNEL.icmp4TimeExceeded]) {
      const packet = read(hex)
      finishTransportChecksum(packet)
      expect(packet.bytes).toEqual(fromHex(hex))
    }
  })
})

describe('transportChecksumIsValid', () => {
  it('finds the kernel’s packets valid, and each of them spoiled in its last octet not', () => {
    for (const hex of [...COVERED, KERNEL.icmp4TimeExceeded]) {
      const packet = read(hex)
      expect(transportChecksumIsValid(packet)).toBe(true)
      packet.bytes[packet.end - 1] = (packet.bytes[packet.end - 1] as number) ^ 0x80
      expect(transportChecksumIsValid(packet)).toBe(false)
    }
  })

  it('takes a UDP checksum of 0 for none over IPv4, and for wrong over IPv6', () => {
    expect(transportChecksumIsValid(read(KERNEL.udp4WithoutChecksum))).toBe(true)
    const bare = udp6({ source: '[fd09::1]:1', destination: '[fd00::1]:53', hasChecksum: false })
    expect(transportChecksumIsValid(readPacket(bare))).toBe(false)
  })

  it('has nothing against what cannot be verified', () => {
    for (const hex of [KERNEL.udp4FirstFragment, KERNEL.udp4LaterFragment, KERNEL.ah4, KERNEL.ipip4in6]) {
      expect(transportChecksumIsValid(read(hex))).toBe(true)
    }
  })
})

describe('ipv4ChecksumIsValid', () => {
  it('verifies the header with its options', () => {
    const packet = read(KERNEL.udp4WithOptions)
    expect(ipv4ChecksumIsValid(packet)).toBe(true)
    packet.bytes[22] = 0
    expect(ipv4ChecksumIsValid(packet)).toBe(false)
  })

  it('has nothing against IPv6, which has none', () => {
    expect(ipv4ChecksumIsValid(read(KERNEL.tcp6))).toBe(true)
  })
})
