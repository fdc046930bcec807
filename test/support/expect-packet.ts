/** Expectations of a packet, composed: every call is one promise, every failure names a field. */

import { expect } from 'vitest'
import { ICMP_HEADER_BYTES, IcmpView, isIcmpError } from '../../lib/wire/icmp.ts'
import { Icmpv6View, isIcmpv6Error } from '../../lib/wire/icmpv6.ts'
import { Ipv4View } from '../../lib/wire/ipv4.ts'
import { Ipv6View } from '../../lib/wire/ipv6.ts'
import { describeMalformed } from '../../lib/wire/malformed.ts'
import { Packet } from '../../lib/wire/packet.ts'
import { printPacket } from '../../lib/wire/print.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { SctpView } from '../../lib/wire/sctp.ts'
import { describeTcpFlags, TcpView } from '../../lib/wire/tcp.ts'
import { ipv4ChecksumIsValid, transportChecksumIsValid } from '../../lib/wire/transport-checksum.ts'
import { UdpView } from '../../lib/wire/udp.ts'
import { octets, type Payload, toHex } from './packets.ts'

export interface Ipv4Expectation {
  readonly source?: string
  readonly destination?: string
  readonly ttl?: number
  readonly protocol?: number
  readonly trafficClass?: number
  readonly identification?: number
  readonly dontFragment?: boolean
  readonly moreFragments?: boolean
  readonly fragmentOffset?: number
  readonly headerBytes?: number
  readonly totalBytes?: number
}

export interface Ipv6Expectation {
  readonly source?: string
  readonly destination?: string
  readonly hopLimit?: number
  /** Of the transport header, behind any extension headers. */
  readonly protocol?: number
  readonly trafficClass?: number
  readonly flowLabel?: number
  readonly identification?: number
  readonly moreFragments?: boolean
  readonly fragmentOffset?: number
  readonly headerBytes?: number
  readonly totalBytes?: number
}

export interface TcpExpectation {
  readonly sourcePort?: number
  readonly destinationPort?: number
  /** Letters in the order `FSRPAUEC`. */
  readonly flags?: string
  readonly sequence?: number
  readonly acknowledgment?: number
  readonly window?: number
  readonly payload?: Payload
}

export interface UdpExpectation {
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly checksum?: number
  readonly payload?: Payload
}

export interface SctpExpectation {
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly verificationTag?: number
  readonly checksum?: number
  /** The chunks, as octets. */
  readonly payload?: Payload
}

export interface IcmpExpectation {
  readonly type?: number
  readonly code?: number
  readonly rest?: number
  readonly body?: Payload
}

/** Begins to expect something of the packet in `bytes`; that it is sound is the first expectation. */
export const expectPacket = (bytes: Uint8Array, start = 0, end = bytes.length): PacketExpectation =>
  new PacketExpectation(bytes, start, end, 'strict')

export class PacketExpectation {
  private readonly packet = new Packet()
  private readonly text: string

  constructor(bytes: Uint8Array, start: number, end: number, reading: 'strict' | 'quoted') {
    this.text = printPacket(bytes, start, end)
    const { packet } = this
    const flaw = reading === 'strict' ? packet.read(bytes, start, end) : packet.readQuoted(bytes, start, end)
    expect(
      flaw === null ? null : describeMalformed(flaw),
      `the ${reading} reading of ${this.text}`,
    ).toBeNull()
  }

  ipv4(wanted: Ipv4Expectation = {}): this {
    const { packet } = this
    this.check('ip', { version: packet.family }, { version: 4 })
    const view = new Ipv4View(packet.bytes, packet.start)
    return this.check('ipv4', { ...fieldsOf(view, wanted), ...addressesOf(packet) }, wanted)
  }

  ipv6(wanted: Ipv6Expectation = {}): this {
    const { packet } = this
    this.check('ip', { version: packet.family }, { version: 6 })
    const { trafficClass, flowLabel, hopLimit } = new Ipv6View(packet.bytes, packet.start)
    const { protocol, moreFragments, fragmentOffset, headerBytes, totalBytes } = packet
    const identification = packet.identification >>> 0
    const fragment = { identification, moreFragments, fragmentOffset }
    const sizes = { protocol, headerBytes, totalBytes }
    const seen = { trafficClass, flowLabel, hopLimit, ...fragment, ...sizes, ...addressesOf(packet) }
    return this.check('ipv6', seen, wanted)
  }

  tcp(wanted: TcpExpectation = {}): this {
    const { packet } = this
    this.expectProtocol(PROTOCOL.tcp)
    const view = new TcpView(packet.bytes, packet.transportStart)
    const { sourcePort, destinationPort, sequence, acknowledgment, window } = view
    const flags = describeTcpFlags(view.flags)
    const payload = this.hexFrom(packet.transportStart + view.headerBytes)
    const seen = { sourcePort, destinationPort, sequence, acknowledgment, window, flags, payload }
    return this.check('tcp', seen, wanted)
  }

  udp(wanted: UdpExpectation = {}): this {
    const { packet } = this
    this.expectProtocol(PROTOCOL.udp)
    const { sourcePort, destinationPort, checksum } = new UdpView(packet.bytes, packet.transportStart)
    const payload = this.hexFrom(packet.transportStart + 8)
    return this.check('udp', { sourcePort, destinationPort, checksum, payload }, wanted)
  }

  sctp(wanted: SctpExpectation = {}): this {
    const { packet } = this
    this.expectProtocol(PROTOCOL.sctp)
    const view = new SctpView(packet.bytes, packet.transportStart)
    const { sourcePort, destinationPort, verificationTag, checksum } = view
    const payload = this.hexFrom(view.chunksStart)
    return this.check('sctp', { sourcePort, destinationPort, verificationTag, checksum, payload }, wanted)
  }

  icmp(wanted: IcmpExpectation = {}): this {
    this.expectProtocol(PROTOCOL.icmp)
    return this.checkIcmp('icmp', new IcmpView(this.packet.bytes, this.packet.transportStart), wanted)
  }

  icmpv6(wanted: IcmpExpectation = {}): this {
    this.expectProtocol(PROTOCOL.icmpv6)
    return this.checkIcmp('icmpv6', new Icmpv6View(this.packet.bytes, this.packet.transportStart), wanted)
  }

  /** What follows the network header of a packet of any protocol. */
  payload(wanted: Payload): this {
    return this.check('ip', { payload: this.hexFrom(this.packet.transportStart) }, { payload: wanted })
  }

  /** The IPv4 header's and the transport's, ICMP's included; where the packet has none, that is fine. */
  checksumsAreValid(): this {
    const seen = {
      headerChecksumIsValid: ipv4ChecksumIsValid(this.packet),
      transportChecksumIsValid: transportChecksumIsValid(this.packet),
    }
    return this.check('ip', seen, { headerChecksumIsValid: true, transportChecksumIsValid: true })
  }

  /** The IPv4 header's alone, for packets whose transport checksum is unfinished or cut off. */
  headerChecksumIsValid(): this {
    const seen = { headerChecksumIsValid: ipv4ChecksumIsValid(this.packet) }
    return this.check('ip', seen, { headerChecksumIsValid: true })
  }

  /** The packet right behind the network header (ipip), to be expected something of in turn. */
  inner(): PacketExpectation {
    const { bytes, transportStart, end, protocol } = this.packet
    expect([PROTOCOL.ipip, PROTOCOL.ipv6], `ip.protocol of ${this.text}`).toContain(protocol)
    return new PacketExpectation(bytes, transportStart, end, 'strict')
  }

  /** The packet that an ICMP error quotes, to be expected something of in turn. */
  quoted(): PacketExpectation {
    const { bytes, transportStart, end, family } = this.packet
    this.expectProtocol(family === 4 ? PROTOCOL.icmp : PROTOCOL.icmpv6)
    const { type } = new IcmpView(bytes, transportStart)
    const isError = family === 4 ? isIcmpError(type) : isIcmpv6Error(type)
    this.check('icmp', { isError }, { isError: true })
    return new PacketExpectation(bytes, transportStart + ICMP_HEADER_BYTES, end, 'quoted')
  }

  private expectProtocol(protocol: number): void {
    this.check('ip', { protocol: this.packet.protocol }, { protocol })
    this.check('ip', { isLaterFragment: this.packet.isLaterFragment }, { isLaterFragment: false })
  }

  private checkIcmp(layer: string, view: IcmpView | Icmpv6View, wanted: IcmpExpectation): this {
    const { type, code, rest } = view
    const body = this.hexFrom(view.bodyStart)
    return this.check(layer, { type, code, rest, body }, wanted)
  }

  private hexFrom(start: number): string {
    return toHex(this.packet.bytes.subarray(start, this.packet.end))
  }

  /** Compares field by field, so that the message can say which. */
  private check(layer: string, seen: object, wanted: object): this {
    for (const [field, value] of Object.entries(wanted)) {
      const isOctets = field === 'payload' || field === 'body'
      const wantedValue = isOctets ? toHex(octets(value as Payload)) : value
      expect((seen as Record<string, unknown>)[field], `${layer}.${field} of ${this.text}`).toBe(wantedValue)
    }
    return this
  }
}

const addressesOf = ({ source, destination }: Packet) => ({
  source: source.toString(),
  destination: destination.toString(),
})

/** The getters of `view` that `wanted` names. */
function fieldsOf(view: Ipv4View, wanted: Ipv4Expectation): Ipv4Expectation {
  const names = Object.keys(wanted) as (keyof Ipv4Expectation & keyof Ipv4View)[]
  return Object.fromEntries(names.map((name) => [name, view[name]]))
}
