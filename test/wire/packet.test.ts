import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { MALFORMED_REASONS, type MalformedReason } from '../../lib/wire/malformed.ts'
import { Packet } from '../../lib/wire/packet.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { TCP_FLAG } from '../../lib/wire/tcp.ts'
import { prefixes, withOctet } from '../support/buffers.ts'
import { fromHex, ip4, ip6, readPacket } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const read = (hex: string): Packet => readPacket(fromHex(hex))
const reasonOf = (bytes: Uint8Array) => new Packet().read(bytes, 0, bytes.length)?.reason
const quotedReasonOf = (bytes: Uint8Array) => new Packet().readQuoted(bytes, 0, bytes.length)?.reason
const client4 = { source: '10.9.0.1', destination: '10.0.0.1' }
const client6 = { source: 'fd09::1', destination: 'fd00::1' }

describe('Packet.read', () => {
  it('reads a TCP segment over IPv4', () => {
    expect(read(KERNEL.tcp4)).toMatchObject({
      start: 0,
      end: 58,
      totalBytes: 58,
      family: 4,
      protocol: PROTOCOL.tcp,
      headerBytes: 20,
      transportStart: 20,
      fragmentOffset: 0,
      moreFragments: false,
      isFragment: false,
      isLaterFragment: false,
      sourceW0: 0x0a09_0001,
      sourceW1: 0,
      destinationW0: 0x0a00_0001,
      destinationW3: 0,
      sourcePort: 3001,
      destinationPort: 80,
      tcpFlags: TCP_FLAG.psh | TCP_FLAG.ack,
      hopLimit: 64,
      trafficClass: 0x10,
      dontFragment: true,
      identification: 0x1234,
    })
  })

  it('reads addresses as signed words', () => {
    expect(read(KERNEL.tcp4Masqueraded).destinationW0).toBe(0xc0a8_0101 | 0)
    expect(`${read(KERNEL.tcp4Masqueraded).destination}`).toBe('192.168.1.1')
  })

  it('looks behind IPv4 options', () => {
    const packet = read(KERNEL.udp4WithOptions)
    expect(packet).toMatchObject({
      headerBytes: 24,
      transportStart: 24,
      sourcePort: 3004,
      destinationPort: 53,
      tcpFlags: 0,
    })
  })

  it('reads a TCP segment over IPv6', () => {
    const packet = read(KERNEL.tcp6)
    expect(packet).toMatchObject({
      family: 6,
      protocol: PROTOCOL.tcp,
      headerBytes: 40,
      end: 60,
      sourceW0: 0xfd09_0000 | 0,
      sourceW1: 0,
      sourceW2: 0,
      sourceW3: 1,
      destinationW0: 0xfd00_0000 | 0,
      destinationW3: 1,
      sourcePort: 3055,
      destinationPort: 80,
      tcpFlags: TCP_FLAG.syn,
      hopLimit: 64,
      trafficClass: 0x12,
      dontFragment: false,
      identification: 0,
    })
    expect(`${packet.source} > ${packet.destination}`).toBe('fd09::1 > fd00::1')
  })

  it('finds no IPv4 flag in an IPv6 header, whatever stands in its place', () => {
    const ospf = 89 // the bit of 0x40 is where IPv4 has "don't fragment"
    expect(readPacket(ip6({ ...client6, protocol: ospf })).dontFragment).toBe(false)
  })

  it('looks behind IPv6 extension headers', () => {
    const packet = read(KERNEL.udp6BehindHopByHop)
    expect(packet).toMatchObject({
      protocol: PROTOCOL.udp,
      headerBytes: 48,
      sourcePort: 3057,
      destinationPort: 53,
    })
  })

  it('reads fragments: ports on the first, none on a later one', () => {
    const ends = { sourcePort: 3083, destinationPort: 53 }
    const first = read(KERNEL.udp4FirstFragment)
    expect(first).toMatchObject({ moreFragments: true, fragmentOffset: 0, isFragment: true, ...ends })
    expect(first.isLaterFragment).toBe(false)
    const later = read(KERNEL.udp4LaterFragment)
    expect(later).toMatchObject({
      moreFragments: false,
      fragmentOffset: 32,
      isFragment: true,
      isLaterFragment: true,
    })
    expect(later).toMatchObject({
      protocol: PROTOCOL.udp,
      sourcePort: 0,
      destinationPort: 0,
      identification: 119,
    })
  })

  it('reads IPv6 fragments likewise', () => {
    const first = read(KERNEL.udp6FirstFragment)
    expect(first).toMatchObject({
      moreFragments: true,
      headerBytes: 48,
      sourcePort: 3084,
      identification: 0x55,
    })
    const later = read(KERNEL.udp6LaterFragment)
    expect(later).toMatchObject({
      fragmentOffset: 32,
      isLaterFragment: true,
      protocol: PROTOCOL.udp,
      sourcePort: 0,
    })
    expect(later).toMatchObject({ transportStart: 48, fragmentHeaderStart: 40, identification: 0x55 })
  })

  it('reads SCTP’s ports', () => {
    const payload = fromHex('0bb9 0050 00000000 00000000')
    const expected = { protocol: PROTOCOL.sctp, sourcePort: 3001, destinationPort: 80, tcpFlags: 0 }
    expect(readPacket(ip4({ ...client4, protocol: PROTOCOL.sctp, payload }))).toMatchObject(expected)
    expect(readPacket(ip6({ ...client6, protocol: PROTOCOL.sctp, payload }))).toMatchObject(expected)
  })

  it('reads protocols without ports, known or not, even when they carry nothing', () => {
    const withoutPorts = { sourcePort: 0, destinationPort: 0, tcpFlags: 0 }
    expect(read(KERNEL.icmp4TimeExceeded)).toMatchObject({ protocol: PROTOCOL.icmp, ...withoutPorts })
    expect(read(KERNEL.icmp6PacketTooBig)).toMatchObject({ protocol: PROTOCOL.icmpv6, ...withoutPorts })
    expect(read(KERNEL.ah4)).toMatchObject({ protocol: PROTOCOL.ah, headerBytes: 20, ...withoutPorts })
    expect(read(KERNEL.ipip4in6)).toMatchObject({ protocol: PROTOCOL.ipip, headerBytes: 40, ...withoutPorts })
    expect(readPacket(ip4({ ...client4, protocol: 200 }))).toMatchObject({ protocol: 200, ...withoutPorts })
    expect(readPacket(ip6({ ...client6, protocol: 59 }))).toMatchObject({ protocol: 59, ...withoutPorts })
    // The other family's ICMP is one unknown protocol among others.
    expect(reasonOf(ip4({ ...client4, protocol: PROTOCOL.icmpv6 }))).toBeUndefined()
    expect(reasonOf(ip6({ ...client6, protocol: PROTOCOL.icmp }))).toBeUndefined()
  })

  it('ends where the packet ends, not where the bytes do', () => {
    for (const hex of [KERNEL.tcp4, KERNEL.tcp6]) {
      const whole = fromHex(hex)
      const bytes = fromHex(`ffffff ${hex} ffffffffff`)
      const packet = new Packet()
      expect(packet.read(bytes, 3, bytes.length)).toBeNull()
      expect(packet).toMatchObject({ start: 3, end: 3 + whole.length, totalBytes: whole.length })
      expect(packet.transportStart).toBe(3 + packet.headerBytes)
    }
  })

  it('keeps nothing of the packet it read before', () => {
    const recorded = Object.values(KERNEL)
    const reused = new Packet()
    for (const before of recorded) {
      for (const hex of recorded) {
        const bytes = fromHex(hex)
        reused.read(fromHex(before), 0, fromHex(before).length)
        expect(reused.read(bytes, 0, bytes.length)).toBeNull()
        expect(reused).toEqual(readPacket(bytes))
      }
    }
  })

  it('says where the octets are that it refused, whatever it read before', () => {
    const packet = readPacket(fromHex(KERNEL.tcp4))
    for (const octets of [[], [0x45], [0xff, 0xff]]) {
      expect(packet.read(Uint8Array.from(octets), 0, octets.length)).not.toBeNull()
      expect([packet.start, packet.end]).toEqual([0, octets.length])
    }
  })

  it('refuses every truncated prefix of every packet', () => {
    for (const [name, hex] of Object.entries(KERNEL)) {
      for (const prefix of prefixes(fromHex(hex))) {
        expect(reasonOf(prefix), `${name} cut to ${prefix.length}`).toBeDefined()
      }
    }
  })

  it('does not enforce the UDP length on a first fragment, but wants its header whole', () => {
    expect(reasonOf(withOctet(fromHex(KERNEL.udp4FirstFragment), 25, 0))).toBeUndefined()
    const tiny = ip4({ ...client4, protocol: PROTOCOL.udp, moreFragments: true, payload: '1234567' })
    expect(reasonOf(tiny)).toBe('udp-truncated')
  })

  it('refuses a first fragment too small for its TCP header', () => {
    const tiny = ip4({ ...client4, protocol: PROTOCOL.tcp, moreFragments: true, payload: '12345678' })
    expect(reasonOf(tiny)).toBe('tcp-truncated')
  })
})

/** A packet for every reason that reading a packet can give. */
const MALFORMED_PACKETS: Readonly<Partial<Record<MalformedReason, () => Uint8Array>>> = {
  'ip-empty': () => new Uint8Array(0),
  'ip-version': () => withOctet(fromHex(KERNEL.tcp4), 0, 0x55),
  'ipv4-truncated': () => fromHex(KERNEL.tcp4).slice(0, 19),
  'ipv4-header-length': () => withOctet(fromHex(KERNEL.tcp4), 0, 0x44),
  'ipv4-options-truncated': () => fromHex(KERNEL.udp4WithOptions).slice(0, 23),
  'ipv4-total-length': () => withOctet(fromHex(KERNEL.tcp4), 3, 19),
  'ipv4-payload-truncated': () => fromHex(KERNEL.tcp4).slice(0, -1),
  'ipv4-fragment-end': () => ip4({ ...client4, protocol: 17, fragmentOffset: 65_528, payload: '12345678' }),
  'ipv6-truncated': () => fromHex(KERNEL.tcp6).slice(0, 39),
  'ipv6-payload-truncated': () => fromHex(KERNEL.tcp6).slice(0, -1),
  'ipv6-jumbogram': () => withOctet(fromHex(KERNEL.tcp6), 5, 0),
  'ipv6-extension-truncated': () => withOctet(fromHex(KERNEL.udp6BehindHopByHop), 41, 2),
  'ipv6-extension-count': () => withDestinationOptions(9),
  'ipv6-extension-order': () => withOctet(fromHex(KERNEL.udp6BehindHopByHop), 40, 0),
  'ipv6-fragment-repeated': () => withOctet(withOctet(withDestinationOptions(2), 6, 44), 40, 44),
  'ipv6-fragment-end': () => withOctet(withOctet(fromHex(KERNEL.udp6LaterFragment), 42, 0xff), 43, 0xf8),
  'tcp-truncated': () => ip4({ ...client4, protocol: PROTOCOL.tcp, payload: new Uint8Array(19) }),
  'tcp-data-offset': () => withOctet(fromHex(KERNEL.tcp4), 32, 0x40),
  'tcp-options-truncated': () => withOctet(fromHex(KERNEL.tcp4), 32, 0xf0),
  'udp-truncated': () => ip6({ ...client6, protocol: PROTOCOL.udp, payload: new Uint8Array(7) }),
  'udp-length': () => withOctet(fromHex(KERNEL.udp4WithoutChecksum), 25, 7),
  'udp-payload-truncated': () => withOctet(fromHex(KERNEL.udp4WithoutChecksum), 25, 12),
  'sctp-truncated': () => ip4({ ...client4, protocol: PROTOCOL.sctp, payload: new Uint8Array(11) }),
  'icmp-truncated': () => ip4({ ...client4, protocol: PROTOCOL.icmp, payload: new Uint8Array(7) }),
  'icmpv6-truncated': () => ip6({ ...client6, protocol: PROTOCOL.icmpv6, payload: new Uint8Array(7) }),
}

/** A TCP segment behind so many destination options headers of zeros (Pad1). */
function withDestinationOptions(count: number): Uint8Array {
  const extension = { protocol: PROTOCOL.destinationOptions, bytes: new Uint8Array(8) }
  const extensions = Array.from({ length: count }, () => extension)
  return ip6({ ...client6, protocol: PROTOCOL.tcp, extensions, payload: new Uint8Array(20) })
}

describe('the reasons of Malformed', () => {
  it('are each shown by a packet', () => {
    // Packet reads the version first, so the header files alone can meet another one; their tests do.
    // A packet without a chunk is sound to read; it only cannot start a connection.
    const ofHeaderFilesAlone: MalformedReason[] = ['ipv4-version', 'ipv6-version', 'sctp-chunk-truncated']
    for (const reason of MALFORMED_REASONS) {
      if (ofHeaderFilesAlone.includes(reason)) continue
      const bytes = MALFORMED_PACKETS[reason]?.()
      expect(bytes === undefined ? 'no packet' : reasonOf(bytes)).toBe(reason)
    }
  })
})

describe('Packet.readQuoted', () => {
  it('reads a TCP packet cut short after its ports and sequence number', () => {
    const bytes = fromHex(KERNEL.icmp4FragmentationNeeded)
    const packet = new Packet()
    expect(packet.readQuoted(bytes, 28, bytes.length)).toBeNull()
    expect(packet).toMatchObject({
      protocol: PROTOCOL.tcp,
      sourcePort: 80,
      destinationPort: 3060,
      tcpFlags: 0,
    })
    expect(packet).toMatchObject({ start: 28, end: bytes.length, totalBytes: 28, transportStart: 48 })
    expect(`${packet.source} > ${packet.destination}`).toBe('10.0.0.1 > 10.9.0.1')
  })

  it('reads the flags where the quotation reaches them', () => {
    const bytes = fromHex(KERNEL.icmp6PacketTooBig)
    const packet = new Packet()
    expect(packet.readQuoted(bytes, 48, 48 + 40 + 13)).toBeNull()
    expect(packet).toMatchObject({ sourcePort: 80, destinationPort: 3062, tcpFlags: 0 })
    expect(packet.readQuoted(bytes, 48, 48 + 40 + 14)).toBeNull()
    expect(packet.tcpFlags).toBe(TCP_FLAG.ack)
  })

  it('wants the network header and 8 octets behind it, and no more', () => {
    const payloads: [number, string][] = [
      [PROTOCOL.tcp, 'tcp-truncated'],
      [PROTOCOL.udp, 'udp-truncated'],
      [PROTOCOL.sctp, 'sctp-truncated'],
    ]
    for (const [protocol, reason] of payloads) {
      const payload = new Uint8Array(40)
      for (const [bytes, headerBytes] of [
        [ip4({ ...client4, protocol, payload }), 20],
        [ip6({ ...client6, protocol, payload }), 40],
      ] as const) {
        for (const prefix of prefixes(bytes)) {
          const found = quotedReasonOf(prefix)
          if (prefix.length >= headerBytes + 8) expect(found, `${prefix.length}`).toBeUndefined()
          else if (prefix.length >= headerBytes) expect(found, `${prefix.length}`).toBe(reason)
          else expect(found, `${prefix.length}`).toMatch(/^ip(-empty|v[46]-truncated)$/)
        }
      }
    }
  })

  it('believes no length: not the total length, not UDP’s, not TCP’s data offset', () => {
    expect(quotedReasonOf(withOctet(fromHex(KERNEL.tcp4), 3, 1))).toBeUndefined()
    expect(quotedReasonOf(withOctet(fromHex(KERNEL.tcp4), 2, 0xff))).toBeUndefined()
    expect(quotedReasonOf(withOctet(fromHex(KERNEL.tcp4), 32, 0xf0))).toBeUndefined()
    expect(quotedReasonOf(withOctet(fromHex(KERNEL.udp4WithoutChecksum), 25, 0))).toBeUndefined()
    expect(quotedReasonOf(withOctet(fromHex(KERNEL.tcp6), 4, 0xff))).toBeUndefined()
    expect(quotedReasonOf(withOctet(fromHex(KERNEL.tcp6), 5, 0))).toBeUndefined()
  })

  it('still refuses what cannot be found its way through', () => {
    expect(quotedReasonOf(withOctet(fromHex(KERNEL.tcp4), 0, 0x44))).toBe('ipv4-header-length')
    expect(quotedReasonOf(withOctet(fromHex(KERNEL.tcp4), 0, 0x75))).toBe('ip-version')
    expect(quotedReasonOf(fromHex(KERNEL.udp6BehindHopByHop).slice(0, 47))).toBe('ipv6-extension-truncated')
    expect(quotedReasonOf(ip4({ ...client4, protocol: PROTOCOL.icmp, payload: '1234567' }))).toBe(
      'icmp-truncated',
    )
  })

  it('reads quoted later fragments, which have no ports', () => {
    const bytes = fromHex(KERNEL.udp4LaterFragment).slice(0, 28)
    const packet = new Packet()
    expect(packet.readQuoted(bytes, 0, 28)).toBeNull()
    expect(packet).toMatchObject({
      isLaterFragment: true,
      fragmentOffset: 32,
      sourcePort: 0,
      destinationPort: 0,
    })
  })
})

describe('reading packets', () => {
  it('allocates nothing', async () => {
    const malformed = fromHex(KERNEL.tcp4).slice(0, 57)
    const recorded = [...Object.values(KERNEL).map(fromHex), malformed]
    const packet = new Packet()
    let checked = 0
    const readAll = (): void => {
      for (let index = 0; index < recorded.length; index++) {
        const bytes = recorded[index] as Uint8Array
        if (packet.read(bytes, 0, bytes.length) !== null) checked++
        if (packet.readQuoted(bytes, 0, bytes.length) !== null) checked++
        checked = (checked + packet.hopLimit + packet.trafficClass + packet.identification) & 0xffff
      }
    }
    const scavenges = await countScavenges(() => {
      for (let round = 0; round < 100_000; round++) readAll()
    })
    // One object of 16 octets a packet would be 54 MB, and the young generation holds 16: three collections at least.
    expect(scavenges).toBeLessThanOrEqual(1)
  })

  it('would be caught if it did', async () => {
    const kept: object[] = [{}]
    const scavenges = await countScavenges(() => {
      for (let round = 0; round < 3_400_000; round++) kept[0] = { round }
    })
    expect(scavenges).toBeGreaterThan(1)
  })
})

async function countScavenges(work: () => void): Promise<number> {
  let count = 0
  const tally = (entries: readonly PerformanceEntry[]): void => {
    for (const { detail } of entries as readonly (PerformanceEntry & { detail: { kind: number } })[]) {
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MINOR) count++
    }
  }
  const observer = new PerformanceObserver((list) => tally(list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  await setImmediate()
  count = 0
  work()
  await setImmediate()
  tally(observer.takeRecords())
  observer.disconnect()
  return count
}
