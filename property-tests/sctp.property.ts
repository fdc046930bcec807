/** SCTP: its checksum against a dull reference, its chunks against a dull walk, its states on random walks. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../lib/bytes/crc32c.ts'
import { readI32 } from '../lib/bytes/octets.ts'
import { protocols } from '../lib/conn/protocol.ts'
import { SCTP_STATE_NAMES, SCTP_STATES } from '../lib/conn/sctp-state.ts'
import { DIRECTION, type Direction, UNCHANGED } from '../lib/conn/state-table.ts'
import { NO_SCTP_CHUNK, nextSctpChunk, sctpChecksum, sctpChunkType } from '../lib/wire/sctp.ts'
import { expectPacket } from '../test/support/expect-packet.ts'
import { readPacket, type SctpChunkSpec, sctp4 } from '../test/support/packets.ts'
import { Stage } from '../test/support/stage.ts'
import { uint16 } from './arbitraries/address.ts'
import { sctpChunks } from './arbitraries/packet.ts'

/** Bit by bit, as the polynomial division is drawn; nothing of `lib` in it. */
function referenceCrc32c(bytes: Uint8Array): number {
  let register = 0xffffffffn
  for (const octet of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const out = (register ^ BigInt((octet >> bit) & 1)) & 1n
      register >>= 1n
      if (out === 1n) register ^= 0x82f63b78n
    }
  }
  return Number(register ^ 0xffffffffn)
}

describe('crc32c', () => {
  it('agrees with the dull division bit by bit, wherever the area lies', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(40), fc.nat(40), (bytes, before, behind) => {
        const start = Math.min(before, bytes.length)
        const end = Math.max(start, bytes.length - behind)
        expect(crc32c(bytes, start, end) >>> 0).toBe(referenceCrc32c(bytes.subarray(start, end)))
      }),
    )
  })

  it('is the same in one go and in any number of pieces', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.nat(200), { maxLength: 5 }),
        (bytes, cuts) => {
          const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b)
          let crc = 0
          ends.reduce((start, end) => {
            crc = crc32c(bytes, start, end, crc)
            return end
          }, 0)
          expect(crc).toBe(crc32c(bytes, 0, bytes.length))
        },
      ),
    )
  })
})

describe('sctpChecksum', () => {
  it('is the CRC of the packet with zeros in its field, lowest octet first', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 200 }), (bytes) => {
        const zeroed = bytes.slice().fill(0, 8, 12)
        const drawn = new DataView(new ArrayBuffer(4))
        drawn.setUint32(0, referenceCrc32c(zeroed), true)
        expect(sctpChecksum(bytes, 0, bytes.length)).toBe(drawn.getInt32(0))
      }),
    )
  })
})

describe('the walk along the chunks', () => {
  it('over any octets ends, never past the end, and moves on by whole words', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(16), (bytes, from) => {
        let at = Math.min(from, bytes.length)
        for (let steps = 0; sctpChunkType(bytes, at, bytes.length) !== NO_SCTP_CHUNK; steps++) {
          expect(steps).toBeLessThan(bytes.length / 4)
          const next = nextSctpChunk(bytes, at, bytes.length)
          expect(next).toBeGreaterThanOrEqual(at + 4)
          expect(next).toBeLessThanOrEqual(bytes.length)
          if (next < bytes.length) expect((next - at) % 4).toBe(0)
          at = next
        }
      }),
    )
  })

  it('finds the chunks that were written', () => {
    fc.assert(
      fc.property(sctpChunks(), (chunks) => {
        const { bytes, transportStart, end } = readPacket(sctp4({ ...ENDS, chunks }))
        const found: number[] = []
        for (let at = transportStart + 12; at < end; at = nextSctpChunk(bytes, at, end)) {
          found.push(sctpChunkType(bytes, at, end))
        }
        expect(found).toEqual(chunks.map(([type]) => type))
      }),
    )
  })
})

const ENDS = { source: '10.9.0.1:5000', destination: '10.0.0.1:5001' }
const SERVICE = 'sctp:10.0.0.1:5001'

interface Step {
  readonly isReply: boolean
  readonly chunks: SctpChunkSpec[]
  readonly passMs: number
}

const walks = (): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      isReply: fc.boolean(),
      chunks: sctpChunks(),
      passMs: fc.constantFrom(0, 0, 0, 10, 3000, 62_000),
    }),
    { maxLength: 40 },
  )

describe('a random walk', () => {
  it('stays within the known states, an abort always closing or rejecting', () => {
    const { sctp } = protocols()
    const directions = fc.constantFrom<Direction>(...Object.values(DIRECTION))
    const ends: readonly string[] = ['CLOSED', 'REJECTED']
    fc.assert(
      fc.property(fc.array(fc.tuple(directions, sctpChunks()), { maxLength: 60 }), (walk) => {
        let state = 0
        for (const [direction, chunks] of walk) {
          const next = sctp.next(state, direction, readPacket(sctp4({ ...ENDS, chunks })))
          if (chunks.length === 0) {
            expect(next).toBe(UNCHANGED)
            continue
          }
          expect(SCTP_STATES[next]).toBeDefined()
          if (chunks[0]![0] === 6) expect(ends).toContain(SCTP_STATES[next])
          state = next
        }
      }),
    )
  })

  it('through a director keeps the counters of activity true, and ends in nothing', () => {
    const names: readonly string[] = Object.values(SCTP_STATE_NAMES)
    fc.assert(
      fc.property(
        walks(),
        fc.constantFrom('masquerading', 'gatewaying' as const),
        fc.boolean(),
        (walk, method, sloppy) => {
          const stage = new Stage()
          stage.director.knobs.sloppy_sctp = sloppy ? 1 : 0
          stage.service(SERVICE)
          const port = method === 'masquerading' ? 5002 : 5001
          const destination = stage.destination(SERVICE, `192.168.1.1:${port}`, { method })
          const replies = method === 'masquerading' ? '192.168.1.1:5002' : '10.0.0.1:5001'
          for (const { isReply, chunks, passMs } of walk) {
            if (isReply) stage.outbound(sctp4({ source: replies, destination: ENDS.source, chunks }))
            else stage.inbound(sctp4({ ...ENDS, chunks }))
            const { connections } = stage
            const active = connections.filter(({ stateName }) => stateName === 'ESTABLISHED').length
            for (const { stateName } of connections) expect(names).toContain(stateName)
            expect(destination.active).toBe(active)
            stage.passTime(passMs)
          }
          stage.passTime(1_000_000)
          expect(stage.connections).toHaveLength(0)
          expect(destination).toMatchObject({ active: 0, inactive: 0 })
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('masquerading SCTP', () => {
  it('there and back gives the original packet, whatever the ports', () => {
    fc.assert(
      fc.property(uint16(), uint16(), sctpChunks(), (clientPort, serverPort, chunks) => {
        fc.pre(clientPort !== 0 && clientPort !== 20 && serverPort !== 0)
        const stage = new Stage()
        stage.service(SERVICE)
        stage.destination(SERVICE, `192.168.1.1:${serverPort}`)
        const client = `10.9.0.1:${clientPort}`
        const open = { source: client, destination: ENDS.destination, chunks: [['init'] as const, ...chunks] }
        const { out } = stage.inbound(sctp4(open))
        expectPacket(out).sctp({ destinationPort: serverPort }).checksumsAreValid()
        const answer = { destination: client, chunks, verificationTag: 9 }
        const back = stage.outbound(sctp4({ ...answer, source: `192.168.1.1:${serverPort}` })).out
        expect(back).toEqual(sctp4({ ...answer, source: ENDS.destination }))
        expect(readI32(back, 28)).toBe(sctpChecksum(back, 20, back.length))
      }),
    )
  })
})
