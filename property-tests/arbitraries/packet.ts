/**
 * Whole packets, valid by construction, with what a reader must find in them; and their spoiled twin, valid but for
 * one octet.
 */

import fc from 'fast-check'
import type { Family, IpAddress } from '../../lib/bytes/address.ts'
import { printPacket } from '../../lib/wire/print.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { describeTcpFlags } from '../../lib/wire/tcp.ts'
import {
  type Ip6Extension,
  icmp4,
  icmp6,
  ip4,
  ip6,
  type SctpChunkSpec,
  sctp4,
  sctp6,
  tcp4,
  tcp6,
  toHex,
  udp4,
  udp6,
} from '../../test/support/packets.ts'
import { address, family, uint8, uint16, uint32 } from './address.ts'
import { paddedOptions } from './header.ts'

/** A packet and what `Packet` is to find. */
export interface PacketSample {
  readonly bytes: Uint8Array
  readonly family: Family
  readonly protocol: number
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly sourcePort: number
  readonly destinationPort: number
  readonly tcpFlags: number
  readonly headerBytes: number
  readonly fragmentOffset: number
  readonly moreFragments: boolean
  /** A counter-example reads as a packet. */
  readonly [fc.toStringMethod]: () => string
}

/** A packet of either family: TCP, UDP, SCTP, ICMP or something unknown, whole or a fragment. */
export const packet = (): fc.Arbitrary<PacketSample> =>
  fc.oneof({ weight: 3, arbitrary: wholePacket() }, { weight: 1, arbitrary: fragment() })

export const wholePacket = (): fc.Arbitrary<PacketSample> =>
  family().chain((version) => network(version).chain(transport))

/** A packet spoiled in one octet. */
export interface SpoiledPacket {
  readonly bytes: Uint8Array
  readonly at: number
  readonly sound: PacketSample
}

/** The twin of {@link packet}: the same packet with one octet, any of them, changed to any other value. */
export const spoiledPacket = (sound: fc.Arbitrary<PacketSample> = packet()): fc.Arbitrary<SpoiledPacket> =>
  fc.tuple(sound, fc.nat(), fc.integer({ min: 1, max: 0xff })).map(([sample, position, difference]) => {
    const bytes = sample.bytes.slice()
    const at = position % bytes.length
    bytes[at] = (bytes[at] as number) ^ difference
    return { bytes, at, sound: sample }
  })

/** What every packet has, whatever it carries; the addresses as text, the way the builder takes them. */
interface Network {
  readonly family: Family
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly trafficClass: number
  readonly ttl: number
  readonly identification: number
  readonly dontFragment: boolean
  readonly options: Uint8Array
  readonly flowLabel: number
  readonly extensions: readonly Ip6Extension[]
}

const network = (version: Family): fc.Arbitrary<Network> =>
  fc.record({
    family: fc.constant(version),
    source: address(version),
    destination: address(version),
    trafficClass: uint8(),
    ttl: uint8(),
    identification: uint16(),
    dontFragment: fc.boolean(),
    options: version === 4 ? paddedOptions() : fc.constant(new Uint8Array(0)),
    flowLabel: fc.integer({ min: 0, max: 0xfffff }),
    extensions: version === 6 ? extensionHeaders() : fc.constant([]),
  })

/** Extension headers in the order that RFC 8200 §4.1 recommends, each there or not; the fragment header is atomic. */
const extensionHeaders = (): fc.Arbitrary<Ip6Extension[]> =>
  fc
    .tuple(
      fc.option(optionsHeader(PROTOCOL.hopByHop)),
      fc.option(optionsHeader(PROTOCOL.destinationOptions)),
      fc.option(optionsHeader(PROTOCOL.routing)),
      fc.option(fc.constant({ protocol: PROTOCOL.fragment, bytes: new Uint8Array(8) })),
      fc.option(authenticationHeader()),
      fc.option(optionsHeader(PROTOCOL.destinationOptions)),
    )
    .map((headers) => headers.filter((header) => header !== null))

/** Length in units of 8 octets, the first not counted; what is in it stays random, for nobody looks there. */
const optionsHeader = (protocol: number): fc.Arbitrary<Ip6Extension> =>
  fc.integer({ min: 0, max: 3 }).chain((units) => {
    const length = (units + 1) * 8
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => ({ protocol, bytes: withLength(bytes, units) }))
  })

/** Length in units of 4 octets, the first two not counted, and a multiple of 8 octets in IPv6 (RFC 4302 §2.2). */
const authenticationHeader = (): fc.Arbitrary<Ip6Extension> =>
  fc.integer({ min: 1, max: 4 }).chain((doubles) => {
    const length = doubles * 8 + 8
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => ({ protocol: PROTOCOL.ah, bytes: withLength(bytes, length / 4 - 2) }))
  })

const withLength = (bytes: Uint8Array, length: number): Uint8Array => {
  bytes[1] = length
  return bytes
}

const payload = (): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: 80 })

const transport = (over: Network): fc.Arbitrary<PacketSample> =>
  fc.oneof(tcpOver(over), udpOver(over), sctpOver(over), icmpOver(over), unknownOver(over))

const tcpOver = (over: Network): fc.Arbitrary<PacketSample> =>
  fc
    .record({
      ports: fc.tuple(uint16(), uint16()),
      flags: uint8(),
      sequence: uint32(),
      acknowledgment: uint32(),
      window: uint16(),
      tcpOptions: paddedOptions(),
      payload: payload(),
    })
    .map(({ ports, flags, ...fields }) => {
      const options = {
        ...endpoints(over, ports),
        ...fields,
        flags: describeTcpFlags(flags).replace('-', ''),
      }
      const bytes = over.family === 4 ? tcp4(options) : tcp6({ ...options, hopLimit: over.ttl })
      return sample(over, bytes, { protocol: PROTOCOL.tcp, ports, tcpFlags: flags })
    })

const udpOver = (over: Network): fc.Arbitrary<PacketSample> =>
  fc
    .record({ ports: fc.tuple(uint16(), uint16()), hasChecksum: fc.boolean(), payload: payload() })
    .map(({ ports, hasChecksum, payload }) => {
      const options = { ...endpoints(over, ports), payload }
      const bytes =
        over.family === 4 ? udp4({ ...options, hasChecksum }) : udp6({ ...options, hopLimit: over.ttl })
      return sample(over, bytes, { protocol: PROTOCOL.udp, ports })
    })

/** Known types of chunks mostly: cookies and aborts often, since they are bundled. */
export const sctpChunks = (): fc.Arbitrary<SctpChunkSpec[]> =>
  fc.array(
    fc.tuple(
      fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 0, max: 14 }) },
        { weight: 2, arbitrary: fc.constantFrom(1, 6, 10, 11) },
        { weight: 1, arbitrary: uint8() },
      ),
      fc.uint8Array({ maxLength: 20 }),
    ),
    { maxLength: 4 },
  )

const sctpOver = (over: Network): fc.Arbitrary<PacketSample> =>
  fc
    .record({ ports: fc.tuple(uint16(), uint16()), verificationTag: uint32(), chunks: sctpChunks() })
    .map(({ ports, ...fields }) => {
      const options = { ...endpoints(over, ports), ...fields }
      const bytes = over.family === 4 ? sctp4(options) : sctp6({ ...options, hopLimit: over.ttl })
      return sample(over, bytes, { protocol: PROTOCOL.sctp, ports })
    })

/** Echoes, errors, and types that nobody knows; a quoted packet is any octets. */
const icmpOver = (over: Network): fc.Arbitrary<PacketSample> =>
  fc.record({ type: uint8(), code: uint8(), rest: uint32(), body: payload() }).map((message) => {
    const options = { ...endpoints(over), ...message }
    return over.family === 4
      ? sample(over, icmp4(options), { protocol: PROTOCOL.icmp })
      : sample(over, icmp6({ ...options, hopLimit: over.ttl }), { protocol: PROTOCOL.icmpv6 })
  })

const unknownOver = (over: Network): fc.Arbitrary<PacketSample> =>
  fc
    .record({
      protocol: fc.constantFrom<number>(PROTOCOL.gre, PROTOCOL.esp, PROTOCOL.noNextHeader, 200),
      payload: payload(),
    })
    .map(({ protocol, payload }) => {
      const options = { ...endpoints(over), protocol, payload }
      return sample(over, over.family === 4 ? ip4(options) : ip6({ ...options, hopLimit: over.ttl }), {
        protocol,
      })
    })

/** One fragment of a UDP datagram; IPv6's stand behind a fragment header, alone or after other extension headers. */
const fragment = (): fc.Arbitrary<PacketSample> =>
  family().chain((version) =>
    fc
      .record({
        over: network(version),
        ports: fc.tuple(uint16(), uint16()),
        payload: fc.uint8Array({ minLength: 49, maxLength: 120 }), // more than one fragment holds
        dataBytes: fc.integer({ min: 1, max: 6 }).map((units) => units * 8),
        pick: fc.nat(),
      })
      .map(({ over, ports, payload, dataBytes, pick }) => {
        const whole = udp4({ source: `10.0.0.1:${ports[0]}`, destination: `10.0.0.2:${ports[1]}`, payload })
        const datagram = whole.subarray(20)
        const offset = (pick % Math.ceil(datagram.length / dataBytes)) * dataBytes
        const moreFragments = offset + dataBytes < datagram.length
        const data = datagram.slice(offset, offset + dataBytes)
        const found = {
          protocol: PROTOCOL.udp,
          fragmentOffset: offset,
          moreFragments,
          ...(offset === 0 ? { ports } : {}),
        }
        if (over.family === 4) {
          const options = { ...endpoints(over), fragmentOffset: offset, moreFragments, dontFragment: false }
          return sample(over, ip4({ ...options, protocol: PROTOCOL.udp, payload: data }), found)
        }
        const before = over.extensions.filter(({ protocol }) => protocol !== PROTOCOL.fragment)
        const header = Uint8Array.of(
          0,
          0,
          offset >>> 8,
          (offset & 0xf8) | (moreFragments ? 1 : 0),
          0,
          0,
          0,
          7,
        )
        const extensions = [...before, { protocol: PROTOCOL.fragment, bytes: header }]
        const behind = { ...over, extensions }
        const bytes = ip6({ ...endpoints(behind), hopLimit: over.ttl, protocol: PROTOCOL.udp, payload: data })
        return sample(behind, bytes, found)
      }),
  )

/** The builder's options that are the network header's, with ports behind the addresses where there are any. */
function endpoints(over: Network, ports?: readonly [number, number]) {
  const text = (address: IpAddress, port: number | undefined) => {
    const host = over.family === 4 ? `${address}` : `[${address}]`
    return port === undefined ? host : `${host}:${port}`
  }
  return { ...over, source: text(over.source, ports?.[0]), destination: text(over.destination, ports?.[1]) }
}

function sample(
  over: Network,
  bytes: Uint8Array,
  found: Partial<PacketSample> & { protocol: number; ports?: readonly [number, number] },
): PacketSample {
  const { ports = [0, 0], ...others } = found
  const extensionBytes = over.extensions.reduce((sum, extension) => sum + extension.bytes.length, 0)
  return {
    bytes,
    family: over.family,
    source: over.source,
    destination: over.destination,
    sourcePort: ports[0],
    destinationPort: ports[1],
    tcpFlags: 0,
    headerBytes: over.family === 4 ? 20 + over.options.length : 40 + extensionBytes,
    fragmentOffset: 0,
    moreFragments: false,
    ...others,
    [fc.toStringMethod]: () => `${printPacket(bytes)} [${toHex(bytes)}]`,
  }
}
