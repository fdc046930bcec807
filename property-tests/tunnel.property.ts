import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fragment } from '../lib/encode/fragment.ts'
import { decrementHopLimit } from '../lib/encode/hop-limit.ts'
import { OFFLOAD } from '../lib/encode/offload.ts'
import { encapsulate, LONGEST_OUTER_BYTES, leavesChecksum, overheadBytes } from '../lib/encode/tunnel.ts'
import { Packet } from '../lib/wire/packet.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { decapsulate } from '../test/support/decapsulate.ts'
import { expectPacket } from '../test/support/expect-packet.ts'
import { concat, readPacket, withUnfinishedChecksum } from '../test/support/packets.ts'
import { Stage } from '../test/support/stage.ts'
import { address, family, uint16, uint32 } from './arbitraries/address.ts'
import { packet } from './arbitraries/packet.ts'

const HEADROOM = LONGEST_OUTER_BYTES
const TYPES = ['ipip', 'gue', 'gre'] as const
const CHECKSUMS = ['none', 'full', 'remote'] as const

const tunnel = () =>
  fc.record({
    type: fc.constantFrom(...TYPES),
    port: fc.integer({ min: 1, max: 65_535 }),
    checksum: fc.constantFrom(...CHECKSUMS),
  })

/** A packet with a hop to spare, and both ends of a tunnel of any type and either family. */
const scenes = () =>
  family().chain((outer) =>
    fc.record({
      sample: packet().filter(({ bytes }) => readPacket(bytes).hopLimit > 1),
      from: address(outer),
      to: fc.record({ address: address(outer), tunnel: tunnel() }),
      identification: uint16(),
    }),
  )

type Scene = ReturnType<typeof scenes> extends fc.Arbitrary<infer T> ? T : never

/** The tunnel's packet, as a director sends it. */
function sent({ sample, from, to, identification }: Scene, isUnfinished = false): Uint8Array {
  const arrived = isUnfinished ? withUnfinishedChecksum(sample.bytes) : sample.bytes
  const bytes = concat(new Uint8Array(HEADROOM).fill(0xa5), arrived)
  const inner = new Packet()
  expect(inner.read(bytes, HEADROOM, bytes.length)).toBeNull()
  const isLeft = leavesChecksum(to, inner, isUnfinished ? OFFLOAD.unfinished : OFFLOAD.finished)
  expect(isLeft).toBe(isUnfinished)
  decrementHopLimit(inner)
  const options = { identification, dontFragment: inner.dontFragment, leavesChecksum: isLeft }
  const start = encapsulate(inner, to, { sourceAddress: from, mtuBytes: 1500 }, options)
  expect(start).toBe(HEADROOM - overheadBytes(to, isLeft))
  expect(bytes.subarray(0, start).every((octet) => octet === 0xa5)).toBe(true)
  return bytes.slice(start)
}

/** What the packet looks like one hop on. */
function oneHopOn(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  decrementHopLimit(readPacket(copy))
  return copy
}

const hasChecksum = ({ to: { tunnel } }: Scene): boolean =>
  (tunnel.type === 'gue' && tunnel.checksum !== 'none') ||
  (tunnel.type === 'gre' && tunnel.checksum === 'full')

const protocolOf = ({ sample, to: { tunnel } }: Scene): number => {
  if (tunnel.type === 'gue') return PROTOCOL.udp
  if (tunnel.type === 'gre') return PROTOCOL.gre
  return sample.family === 4 ? PROTOCOL.ipip : PROTOCOL.ipv6
}

/** Whether the transport checksum is one that hardware finishes: TCP's, or that of UDP that has one. */
const isSummed = (inner: Packet): boolean => {
  if (inner.isFragment) return false
  if (inner.protocol === PROTOCOL.tcp) return true
  const { bytes, transportStart, protocol } = inner
  return protocol === PROTOCOL.udp && (bytes[transportStart + 6]! | bytes[transportStart + 7]!) !== 0
}

describe('a tunnel', () => {
  it('gives back the packet, one hop on, once its outer header is taken off', () => {
    fc.assert(
      fc.property(scenes(), (scene) => {
        const received = decapsulate(sent(scene))
        expect(received.inner).toEqual(oneHopOn(scene.sample.bytes))
        expect(readPacket(received.inner).hopLimit).toBe(readPacket(scene.sample.bytes).hopLimit - 1)
      }),
      { numRuns: 300 },
    )
  })

  it('does so in every type, pair of families and kind of checksum', () => {
    const seen = new Set<string>()
    for (const scene of fc.sample(scenes(), { numRuns: 600, seed: 1 })) {
      const { sample, to } = scene
      const received = decapsulate(sent(scene))
      expect(received.inner).toEqual(oneHopOn(sample.bytes))
      expect(received.type).toBe(to.tunnel.type)
      expect(received.checksum).toBe(hasChecksum(scene) ? 'valid' : 'none')
      seen.add(`${to.tunnel.type} ${to.tunnel.checksum} ${sample.family} in ${to.address.family}`)
    }
    expect(seen.size).toBe(TYPES.length * CHECKSUMS.length * 4)
  })

  it('may leave a checksum to its far end, which then has the packet as if it had been finished', () => {
    const remote = scenes()
      .filter(({ sample }) => isSummed(readPacket(sample.bytes)))
      .map((scene) => {
        const tunnel = { ...scene.to.tunnel, type: 'gue', checksum: 'remote' } as const
        return { ...scene, to: { ...scene.to, tunnel } }
      })
    fc.assert(
      fc.property(remote, (scene) => {
        const received = decapsulate(sent(scene, true))
        expect(received).toMatchObject({ checksum: 'valid', finishedChecksum: true })
        expect(received.inner).toEqual(oneHopOn(scene.sample.bytes))
      }),
      { numRuns: 300 },
    )
  })

  it('has an outer header that is sound, of its two ends, and tells the inner family and hop limit', () => {
    fc.assert(
      fc.property(scenes(), (scene) => {
        const bytes = sent(scene)
        const { sample, from, to } = scene
        const outer = readPacket(bytes)
        expect(`${outer.source} ${outer.destination}`).toBe(`${from} ${to.address}`)
        expect(outer.protocol).toBe(protocolOf(scene))
        expect(outer.hopLimit).toBe(readPacket(sample.bytes).hopLimit - 1)
        expect(outer.dontFragment).toBe(to.address.family === 4 && readPacket(sample.bytes).dontFragment)
        expectPacket(bytes).headerChecksumIsValid()
      }),
      { numRuns: 300 },
    )
  })

  it('that had to be fragmented gives back the packet all the same', () => {
    fc.assert(
      fc.property(
        scenes(),
        fc.integer({ min: 68, max: 200 }),
        uint32(),
        (scene, mtuBytes, identification) => {
          const bytes = sent(scene)
          const parts: Uint8Array[] = []
          const out = new Uint8Array(mtuBytes)
          fragment(bytes, 0, bytes.length, { mtuBytes, identification, out }, (whole, length) => {
            expect(length).toBeLessThanOrEqual(mtuBytes)
            expectPacket(whole, 0, length).headerChecksumIsValid()
            const part = new Packet()
            expect(part.read(whole, 0, length)).toBeNull()
            parts.push(whole.slice(part.transportStart, length))
          })
          const header = bytes.slice(0, bytes.length - parts.reduce((sum, part) => sum + part.length, 0))
          expect(header.length).toBe(scene.to.address.family === 4 ? 20 : 40)
          expect(decapsulate(concat(header, ...parts)).inner).toEqual(oneHopOn(scene.sample.bytes))
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('a director with a tunnel', () => {
  /** All packets of a mark go into the scene's tunnel, one hop on, from wherever they lie. */
  function forwarded({ sample, to }: Scene, headroomBytes: number, isUnfinished: boolean): boolean {
    const stage = new Stage()
    const key = sample.family === 4 ? 'fwmark:1' : 'fwmark:1:ipv6'
    const server = to.address.family === 4 ? '192.168.1.3:0' : '[fd01::3]:0'
    stage.service(key)
    stage.destination(key, server, { method: 'ipip', tunnel: to.tunnel, mtuBytes: 65_535 })
    const bytes = isUnfinished ? withUnfinishedChecksum(sample.bytes) : sample.bytes
    const offload = isUnfinished ? OFFLOAD.unfinished : OFFLOAD.finished
    const { kind, out } = stage.inbound(bytes, { mark: 1, headroomBytes, offload })
    if (kind !== 'send') return false
    expect(decapsulate(out).inner).toEqual(oneHopOn(sample.bytes))
    return true
  }

  it('has the packet arrive as it was, with any room before it and its checksum finished or not', () => {
    let sends = 0
    fc.assert(
      fc.property(
        scenes(),
        fc.constantFrom(0, 19, 40, LONGEST_OUTER_BYTES),
        fc.boolean(),
        (scene, room, wants) => {
          const isUnfinished = wants && isSummed(readPacket(scene.sample.bytes))
          if (forwarded(scene, room, isUnfinished)) sends++
        },
      ),
      { numRuns: 300 },
    )
    expect(sends).toBeGreaterThan(30)
  })
})
