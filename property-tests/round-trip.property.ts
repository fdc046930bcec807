/** parse ∘ emit: whatever is written is read back the same, and nothing around it is touched. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAddress, readAddress, writeAddress } from '../lib/bytes/address.ts'
import { readU16 } from '../lib/bytes/octets.ts'
import { emitIcmp, icmpAt, parseIcmp } from '../lib/wire/icmp.ts'
import { emitIcmpv6, icmpv6At, parseIcmpv6 } from '../lib/wire/icmpv6.ts'
import { emitIpv4, IPV4_HEADER_BYTES, Ipv4View, parseIpv4 } from '../lib/wire/ipv4.ts'
import { emitIpv6, IPV6_HEADER_BYTES, Ipv6View, parseIpv6 } from '../lib/wire/ipv6.ts'
import {
  emitFragmentHeader,
  FRAGMENT_HEADER_BYTES,
  parseFragmentHeader,
} from '../lib/wire/ipv6-extensions.ts'
import type { Malformed } from '../lib/wire/malformed.ts'
import {
  emitSctp,
  emitSctpChunk,
  parseSctp,
  SCTP_CHUNK_HEADER_BYTES,
  SCTP_HEADER_BYTES,
  sctpAt,
} from '../lib/wire/sctp.ts'
import { emitTcp, parseTcp, TCP_HEADER_BYTES, tcpAt } from '../lib/wire/tcp.ts'
import { emitUdp, parseUdp, UDP_HEADER_BYTES, UdpView } from '../lib/wire/udp.ts'
import { emitted } from '../test/support/buffers.ts'
import { address, family } from './arbitraries/address.ts'
import {
  fragmentHeader,
  icmpHeader,
  ipv4Header,
  ipv6Header,
  sctpChunkHeader,
  sctpHeader,
  tcpHeader,
  udpHeader,
} from './arbitraries/header.ts'

/** The view that reading gave; a malformed reading fails. */
function sound<View extends { kind: string }>(found: View | Malformed): View {
  if (found.kind === 'malformed')
    throw new Error(`expected a sound header, found ${(found as Malformed).reason}`)
  return found as View
}

describe('addresses', () => {
  it('come back from text', () => {
    fc.assert(
      fc.property(family().chain(address), (address) => {
        expect(parseAddress(address.toString())).toEqual(address)
      }),
    )
  })

  it('come back from the wire', () => {
    fc.assert(
      fc.property(family().chain(address), (address) => {
        const length = address.family === 4 ? 4 : 16
        const bytes = emitted(length, (to, at) => {
          writeAddress(to, at, address)
          return at + length
        })
        expect(readAddress(bytes, 0, address.family)).toEqual(address)
      }),
    )
  })
})

describe('every header', () => {
  it('comes back: IPv4, with a valid checksum', () => {
    fc.assert(
      fc.property(ipv4Header(), (header) => {
        const length = IPV4_HEADER_BYTES + header.options.length
        const view = new Ipv4View(
          emitted(length, (to, at) => emitIpv4(to, at, header)),
          0,
        )
        expect(view.checksumIsValid).toBe(true)
        expect(parseIpv4(view)).toEqual(header)
      }),
    )
  })

  it('comes back: IPv6', () => {
    fc.assert(
      fc.property(ipv6Header(), (header) => {
        const bytes = emitted(IPV6_HEADER_BYTES, (to, at) => emitIpv6(to, at, header))
        expect(parseIpv6(new Ipv6View(bytes, 0))).toEqual(header)
      }),
    )
  })

  it('comes back: IPv6 fragment', () => {
    fc.assert(
      fc.property(fragmentHeader(), (header) => {
        const bytes = emitted(FRAGMENT_HEADER_BYTES, (to, at) => emitFragmentHeader(to, at, header))
        expect(parseFragmentHeader(bytes, 0)).toEqual(header)
      }),
    )
  })

  it('comes back: TCP', () => {
    fc.assert(
      fc.property(tcpHeader(), (header) => {
        const length = TCP_HEADER_BYTES + header.options.length
        expect(parseTcp(sound(tcpAt(emitted(length, (to, at) => emitTcp(to, at, header)))))).toEqual(header)
      }),
    )
  })

  it('comes back: UDP', () => {
    fc.assert(
      fc.property(udpHeader(), (header) => {
        const bytes = emitted(UDP_HEADER_BYTES, (to, at) => emitUdp(to, at, header))
        expect(parseUdp(new UdpView(bytes, 0))).toEqual(header)
      }),
    )
  })

  it('comes back: SCTP, and the headers of its chunks', () => {
    fc.assert(
      fc.property(sctpHeader(), sctpChunkHeader(), (header, chunk) => {
        const bytes = emitted(SCTP_HEADER_BYTES, (to, at) => emitSctp(to, at, header))
        expect(parseSctp(sound(sctpAt(bytes)))).toEqual(header)
        const chunkBytes = emitted(SCTP_CHUNK_HEADER_BYTES, (to, at) => emitSctpChunk(to, at, chunk))
        const [type, flags] = chunkBytes
        expect({ type, flags, valueBytes: readU16(chunkBytes, 2) - 4 }).toEqual(chunk)
      }),
    )
  })

  it('comes back: ICMP, with a valid checksum over its body', () => {
    fc.assert(
      fc.property(icmpHeader(), fc.uint8Array({ maxLength: 60 }), (header, body) => {
        const bytes = emitted(8 + body.length, (to, at) => {
          to.set(body, at + 8)
          return emitIcmp(to, at, at + 8 + body.length, header) + body.length
        })
        const view = sound(icmpAt(bytes))
        expect(view.checksumIsValid(bytes.length)).toBe(true)
        expect(parseIcmp(view)).toEqual(header)
        expect(bytes.subarray(view.bodyStart)).toEqual(body)
      }),
    )
  })

  it('comes back: ICMPv6', () => {
    fc.assert(
      fc.property(icmpHeader(), (header) => {
        expect(parseIcmpv6(sound(icmpv6At(emitted(8, (to, at) => emitIcmpv6(to, at, header)))))).toEqual(
          header,
        )
      }),
    )
  })
})
