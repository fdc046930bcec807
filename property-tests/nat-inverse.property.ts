import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IpAddress } from '../lib/bytes/address.ts'
import { ConnectionTable } from '../lib/conn/connection-table.ts'
import { RECORD_WORDS, WORD } from '../lib/conn/layout.ts'
import type { NewConnection } from '../lib/conn/new-connection.ts'
import { natDelta, rewriteInbound, rewriteOutbound } from '../lib/encode/nat.ts'
import { OFFLOAD } from '../lib/encode/offload.ts'
import type { Packet } from '../lib/wire/packet.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { computeTransportChecksum, transportChecksumIsValid } from '../lib/wire/transport-checksum.ts'
import { expectPacket } from '../test/support/expect-packet.ts'
import { readPacket, withUnfinishedChecksum } from '../test/support/packets.ts'
import { address, uint16 } from './arbitraries/address.ts'
import { type PacketSample, wholePacket } from './arbitraries/packet.ts'

/** A whole TCP or UDP packet, and the server that its connection is masqueraded to. */
interface Scene {
  readonly sample: PacketSample
  readonly server: IpAddress
  readonly serverPort: number
}

const scenes = (): fc.Arbitrary<Scene> =>
  wholePacket()
    .filter(({ protocol }) => protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp)
    .chain((sample) =>
      fc.record({ sample: fc.constant(sample), server: address(sample.family), serverPort: uint16() }),
    )

/** The packet's connection as the table would hold it: the packet comes from its client. */
function recordOf({ sample, server, serverPort }: Scene): { words: Int32Array; base: number } {
  const { source, destination } = sample
  const wanted: NewConnection = {
    family: sample.family,
    protocol: sample.protocol,
    clientW0: source.w0,
    clientW1: source.w1,
    clientW2: source.w2,
    clientW3: source.w3,
    clientPort: sample.sourcePort,
    virtualW0: destination.w0,
    virtualW1: destination.w1,
    virtualW2: destination.w2,
    virtualW3: destination.w3,
    virtualPort: sample.destinationPort,
    destination: server,
    destinationPort: serverPort,
    destinationId: 1,
    flags: 0,
    fwmark: 0,
  }
  const table = new ConnectionTable({ limit: 1, seed: 0, nowMs: 0 })
  const base = table.create(wanted, 0) * RECORD_WORDS
  table.words[base + WORD.natDelta] = natDelta(table.words, base)
  return { words: table.words, base }
}

/** The packet that a server would send back if it only turned the endpoints round; sums do not notice. */
function mirrored(bytes: Uint8Array): Packet {
  const { family, start, transportStart } = readPacket(bytes)
  const [source, destination, length] = family === 4 ? [12, 16, 4] : [8, 24, 16]
  swap(bytes, start + source, start + destination, length)
  swap(bytes, transportStart, transportStart + 2, 2)
  return readPacket(bytes)
}

function swap(bytes: Uint8Array, one: number, other: number, length: number): void {
  const kept = bytes.slice(one, one + length)
  bytes.copyWithin(one, other, other + length)
  bytes.set(kept, other)
}

const hasNoChecksum = ({ bytes, protocol }: PacketSample): boolean => {
  const { transportStart } = readPacket(bytes)
  return protocol === PROTOCOL.udp && bytes[transportStart + 6] === 0 && bytes[transportStart + 7] === 0
}

describe('masquerading', () => {
  it('there and, mirrored, back gives the original packet, octet for octet', () => {
    fc.assert(
      fc.property(scenes(), (scene) => {
        fc.pre(!hasNoChecksum(scene.sample)) // it is given one: see below
        const { words, base } = recordOf(scene)
        const bytes = scene.sample.bytes.slice()
        rewriteInbound(readPacket(bytes), words, base, OFFLOAD.finished)
        const reply = mirrored(bytes)
        rewriteOutbound(reply, words, base, OFFLOAD.finished)
        mirrored(bytes)
        expectSameButForZero(bytes, scene.sample)
      }),
      { numRuns: 400 },
    )
  })

  it('gives the server its own endpoint and a checksum as valid as it was, and changes nothing else', () => {
    fc.assert(
      fc.property(scenes(), (scene) => {
        const { sample, server, serverPort } = scene
        const { words, base } = recordOf(scene)
        const before = readPacket(sample.bytes)
        const bytes = sample.bytes.slice()
        rewriteInbound(readPacket(bytes), words, base, OFFLOAD.finished)
        const after = readPacket(bytes)
        expect(`${after.destination}:${after.destinationPort}`).toBe(`${server}:${serverPort}`)
        expect(`${after.source}:${after.sourcePort}`).toBe(`${sample.source}:${sample.sourcePort}`)
        expectPacket(bytes).headerChecksumIsValid()
        expect(transportChecksumIsValid(after)).toBe(
          hasNoChecksum(sample) || transportChecksumIsValid(before),
        )
        expect(withoutRewritten(after)).toEqual(withoutRewritten(before))
      }),
      { numRuns: 400 },
    )
  })

  it('finishes a checksum that was left to offload as if it had come finished', () => {
    fc.assert(
      fc.property(scenes(), (scene) => {
        const { words, base } = recordOf(scene)
        const bytes = withUnfinishedChecksum(scene.sample.bytes)
        const packet = readPacket(bytes)
        rewriteInbound(packet, words, base, OFFLOAD.unfinished)
        const field = packet.transportStart + (packet.protocol === PROTOCOL.tcp ? 16 : 6)
        const written = (bytes[field]! << 8) | bytes[field + 1]!
        expect(written).toBe(computeTransportChecksum(readPacket(bytes)))
        expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

/** 0x0000 and 0xffff are one number in one's complement: a header or TCP checksum may come back as the other. */
function expectSameButForZero(bytes: Uint8Array, { bytes: expected, family, protocol }: PacketSample): void {
  const { transportStart } = readPacket(expected)
  const fields = [transportStart + (protocol === PROTOCOL.tcp ? 16 : 6), ...(family === 4 ? [10] : [])]
  const normal = (of: Uint8Array): Uint8Array => {
    const copy = of.slice()
    for (const at of fields) if (copy[at] === 0xff && copy[at + 1] === 0xff) copy.fill(0, at, at + 2)
    return copy
  }
  expect(normal(bytes)).toEqual(normal(expected))
}

/** Everything but the destination endpoint and the two checksums. */
function withoutRewritten({ bytes, family, protocol, transportStart }: Packet): Uint8Array {
  const copy = bytes.slice()
  if (family === 4) copy.fill(0, 10, 12).fill(0, 16, 20)
  else copy.fill(0, 24, 40)
  copy.fill(0, transportStart + 2, transportStart + 4)
  const checksumAt = transportStart + (protocol === PROTOCOL.tcp ? 16 : 6)
  return copy.fill(0, checksumAt, checksumAt + 2)
}
