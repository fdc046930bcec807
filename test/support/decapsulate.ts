/** The far end of a tunnel, written from the formats alone: strict, and without the help of what is under test. */

import type { Packet } from '../../lib/wire/packet.ts'
import { concat, readPacket, referenceChecksum, toHex } from './packets.ts'

export interface Decapsulated {
  readonly outer: Packet
  readonly type: 'ipip' | 'gue' | 'gre'
  /** The packet as it goes on from the far end, its transport checksum finished where that was left to it. */
  readonly inner: Uint8Array
  /** The tunnel's own checksum: absent, or there and right. A wrong one is thrown. */
  readonly checksum: 'none' | 'valid'
  /** GUE: the ports, and whether the inner checksum had to be finished here. */
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly finishedChecksum?: boolean
}

/** Takes the outer headers off; throws, naming what it found, where they are not as they must be. */
export function decapsulate(bytes: Uint8Array): Decapsulated {
  const outer = readPacket(bytes)
  const payload = bytes.slice(outer.transportStart, outer.end)
  if (outer.protocol === 4 || outer.protocol === 41) {
    return { outer, type: 'ipip', inner: innerOf(payload, outer.protocol), checksum: 'none' }
  }
  if (outer.protocol === 17) return fromGue(outer, payload)
  if (outer.protocol === 47) return fromGre(outer, payload)
  throw new Error(`expected a tunnel's packet, found protocol ${outer.protocol}`)
}

function fromGue(outer: Packet, datagram: Uint8Array): Decapsulated {
  const view = viewOf(datagram)
  expectEqual('UDP length', view.getUint16(4), datagram.length)
  const checksum = view.getUint16(6) === 0 ? 'none' : 'valid'
  if (checksum === 'valid') expectEqual('UDP checksum', referenceChecksum(datagram, pseudoHeader(outer)), 0)
  const extraBytes = view.getUint8(8) * 4 // version and control bit are 0 with it
  const [protocol, flags] = [view.getUint8(9), view.getUint16(10)]
  const inner = innerOf(datagram.slice(12 + extraBytes), protocol)
  if (extraBytes === 0) expectEqual('GUE flags', flags, 0)
  else {
    expectEqual('GUE extra octets', extraBytes, 8)
    expectEqual('GUE flags', flags, 1)
    expectEqual('GUE private flags', view.getUint32(12), 0x8000_0000)
    finishChecksum(inner, view.getUint16(16), view.getUint16(18))
  }
  const [sourcePort, destinationPort] = [view.getUint16(0), view.getUint16(2)]
  const finishedChecksum = extraBytes > 0
  return { outer, type: 'gue', inner, checksum, sourcePort, destinationPort, finishedChecksum }
}

function fromGre(outer: Packet, payload: Uint8Array): Decapsulated {
  const view = viewOf(payload)
  const flags = view.getUint16(0)
  if (flags !== 0 && flags !== 0x8000) throw new Error(`expected GRE flags 0 or 0x8000, found ${flags}`)
  const protocol = { 2048: 4, 34525: 41 }[view.getUint16(2)]
  const checksum = flags === 0 ? 'none' : 'valid'
  if (checksum === 'valid') {
    expectEqual('GRE checksum', referenceChecksum(payload), 0)
    expectEqual('GRE reserved', view.getUint16(6), 0)
  }
  const inner = innerOf(payload.slice(flags === 0 ? 4 : 8), protocol)
  return { outer, type: 'gre', inner, checksum }
}

/** The sum of everything from `start` on, in which the field at `field` already has the pseudo-header's. */
function finishChecksum(inner: Uint8Array, start: number, field: number): void {
  const sum = referenceChecksum(inner.subarray(start))
  const isUdp = readPacket(inner).protocol === 17
  viewOf(inner).setUint16(field, isUdp && sum === 0 ? 0xffff : sum)
}

function innerOf(inner: Uint8Array, protocol: number | undefined): Uint8Array {
  expectEqual('inner protocol', protocol, inner[0]! >>> 4 === 4 ? 4 : 41)
  return inner
}

/** RFC 768 and RFC 8200 §8.1. */
function pseudoHeader({ bytes, start, end, transportStart, family }: Packet): Uint8Array {
  const length = end - transportStart
  const addresses = family === 4 ? bytes.slice(start + 12, start + 20) : bytes.slice(start + 8, start + 40)
  return concat(addresses, Uint8Array.of(0, 17, length >>> 8, length & 0xff))
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function expectEqual(what: string, found: number | undefined, expected: number): void {
  if (found !== expected) throw new Error(`expected ${what} ${expected}, found ${found}`)
}

/** The outer packet with what differs from run to run made alike: GUE's source port, and the checksum that covers it. */
export function withoutFlowPort(bytes: Uint8Array): string {
  const { outer, type, checksum } = decapsulate(bytes)
  const copy = bytes.slice()
  if (type === 'gue') {
    const view = viewOf(copy)
    view.setUint16(outer.transportStart, 0)
    if (checksum === 'valid') view.setUint16(outer.transportStart + 6, 0xffff)
  }
  return toHex(copy)
}
