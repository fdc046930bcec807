/** The parsed form of every header, every value anywhere in its range. */

import fc from 'fast-check'
import type { IcmpHeader } from '../../lib/wire/icmp.ts'
import type { Ipv4Header } from '../../lib/wire/ipv4.ts'
import type { Ipv6Header } from '../../lib/wire/ipv6.ts'
import type { FragmentHeader } from '../../lib/wire/ipv6-extensions.ts'
import type { SctpChunkHeader, SctpHeader } from '../../lib/wire/sctp.ts'
import type { TcpHeader } from '../../lib/wire/tcp.ts'
import type { UdpHeader } from '../../lib/wire/udp.ts'
import { ipv4Address, ipv6Address, uint8, uint16, uint32 } from './address.ts'

/** 0 to 40 octets, a multiple of 4: options of IPv4 or TCP, which nothing here interprets. */
export const paddedOptions = (): fc.Arbitrary<Uint8Array> =>
  fc
    .integer({ min: 0, max: 10 })
    .chain((words) => fc.uint8Array({ minLength: words * 4, maxLength: words * 4 }))

export const ipv4Header = (): fc.Arbitrary<Ipv4Header> =>
  fc
    .record({
      trafficClass: uint8(),
      identification: uint16(),
      dontFragment: fc.boolean(),
      moreFragments: fc.boolean(),
      fragmentOffset: fc.integer({ min: 0, max: 0x1fff }).map((units) => units * 8),
      ttl: uint8(),
      protocol: uint8(),
      source: ipv4Address(),
      destination: ipv4Address(),
      options: paddedOptions(),
    })
    .chain((header) =>
      fc
        .integer({ min: 0, max: 0xffff - 20 - header.options.length })
        .map((payloadBytes) => ({ ...header, payloadBytes })),
    )

export const ipv6Header = (): fc.Arbitrary<Ipv6Header> =>
  fc.record({
    trafficClass: uint8(),
    flowLabel: fc.integer({ min: 0, max: 0xfffff }),
    nextHeader: uint8(),
    hopLimit: uint8(),
    source: ipv6Address(),
    destination: ipv6Address(),
    payloadBytes: uint16(),
  })

export const fragmentHeader = (): fc.Arbitrary<FragmentHeader> =>
  fc.record({
    nextHeader: uint8(),
    fragmentOffset: fc.integer({ min: 0, max: 0x1fff }).map((units) => units * 8),
    moreFragments: fc.boolean(),
    identification: uint32(),
  })

export const tcpHeader = (): fc.Arbitrary<TcpHeader> =>
  fc.record({
    sourcePort: uint16(),
    destinationPort: uint16(),
    sequence: uint32(),
    acknowledgment: uint32(),
    flags: uint8(),
    window: uint16(),
    urgentPointer: uint16(),
    options: paddedOptions(),
  })

export const udpHeader = (): fc.Arbitrary<UdpHeader> =>
  fc.record({
    sourcePort: uint16(),
    destinationPort: uint16(),
    payloadBytes: fc.integer({ min: 0, max: 0xffff - 8 }),
  })

export const sctpHeader = (): fc.Arbitrary<SctpHeader> =>
  fc.record({ sourcePort: uint16(), destinationPort: uint16(), verificationTag: uint32() })

export const sctpChunkHeader = (): fc.Arbitrary<SctpChunkHeader> =>
  fc.record({ type: uint8(), flags: uint8(), valueBytes: fc.integer({ min: 0, max: 0xffff - 4 }) })

/** Serves ICMPv6 too: the parsed forms are alike. */
export const icmpHeader = (): fc.Arbitrary<IcmpHeader> =>
  fc.record({ type: uint8(), code: uint8(), rest: uint32() })
