import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type FtpControl,
  type FtpFinding,
  type FtpMode,
  findInReply,
  findInRequest,
} from '../lib/apps/ftp.ts'
import { FtpSession } from '../lib/apps/ftp-session.ts'
import { adjustSegment, SequenceShift } from '../lib/apps/sequence.ts'
import type { IpAddress } from '../lib/bytes/address.ts'
import { OFFLOAD } from '../lib/encode/offload.ts'
import { expectPacket } from '../test/support/expect-packet.ts'
import { concat, octets, readPacket, tcp4, tcp6, toHex } from '../test/support/packets.ts'
import { address, family, uint16, uint32 } from './arbitraries/address.ts'

const controls = (): fc.Arbitrary<FtpControl> =>
  family().chain((version) =>
    fc.record({
      family: fc.constant(version),
      client: address(version),
      virtual: address(version),
      virtualPort: uint16(),
      destination: address(version),
      destinationPort: uint16(),
    }),
  )

const modes = (): fc.Arbitrary<FtpMode> => fc.constantFrom('active', 'passive', 'extended-passive')

/** What FTP text is made of, in no order: much of it nearly right. */
const words = (): fc.Arbitrary<string> =>
  fc.constantFrom(
    'PASV',
    'EPSV',
    'PORT',
    'EPRT',
    'port',
    'ePrT',
    '227 ',
    '229 ',
    '\r\n',
    '\r',
    ' ',
    ' 1',
    ' 2',
    '(',
    '((',
    ')',
    ',',
    '|',
    '|||',
    '|1|',
    '|2|',
    '!',
    '10,9,0,1,',
    '15,160',
    '10.9.0.1',
    'fd09::1',
    '4000',
    '65536',
    '0',
    '256',
    '99999999999',
  )

/** Sentences that are right, for one family or the other; most of all with one octet changed. */
const sentences = (): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      sentence: fc.constantFrom(
        'PASV\r\n',
        'EPSV 1\r\n',
        'EPSV 2\r\n',
        'PORT 10,9,0,1,15,160\r\n',
        'EPRT |1|10.9.0.1|4000|\r\n',
        'EPRT |2|fd09::1|4000|\r\n',
        '227 Entering Passive Mode (192,168,1,1,156,64).\r\n',
        '229 Entering Extended Passive Mode (|||40001|)\r\n',
        '229 (|2|fd01::1|40001|)\r\n',
      ),
      at: fc.nat(),
      octet: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 255 })),
    })
    .map(({ sentence, at, octet }) => {
      const bytes = octets(sentence)
      if (octet !== null) bytes[at % bytes.length] = octet
      return bytes
    })

const texts = (): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    { weight: 5, arbitrary: sentences() },
    { weight: 5, arbitrary: fc.array(words(), { maxLength: 14 }).map((parts) => octets(parts.join(''))) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  )

/** A finding must be usable as it is. */
function expectSound(finding: FtpFinding | null, length: number, control: FtpControl): void {
  if (finding === null) return
  const { expect: data, replace } = finding
  if (data !== null) {
    for (const end of [data.client, data.virtual, data.destination]) expect(end.family).toBe(control.family)
    for (const port of [data.clientPort, data.virtualPort, data.destinationPort]) {
      expect(port >= 0 && port <= 0xffff).toBe(true)
    }
  }
  if (replace !== null) {
    expect(replace.fromBytes >= 4 && replace.fromBytes < replace.toBytes && replace.toBytes <= length).toBe(
      true,
    )
    expect(replace.bytes.length).toBeLessThanOrEqual('255,255,255,255,255,255'.length)
  }
}

describe('findInRequest and findInReply', () => {
  it('take any text, and look at nothing beyond its end', () => {
    let found = 0
    fc.assert(
      fc.property(
        texts(),
        fc.uint8Array({ maxLength: 12 }),
        controls(),
        modes(),
        (text, behind, control, mode) => {
          const alone = findInRequest(text, 0, text.length, control)
          const aloneReply = findInReply(text, 0, text.length, control, mode)
          expectSound(alone, text.length, control)
          expectSound(aloneReply, text.length, control)
          const bytes = concat(behind, text, behind)
          const end = behind.length + text.length
          expect(findInRequest(bytes, behind.length, end, control)).toEqual(alone)
          expect(findInReply(bytes, behind.length, end, control, mode)).toEqual(aloneReply)
          if (alone !== null || aloneReply !== null) found++
        },
      ),
      { numRuns: 5000 },
    )
    expect(found).toBeGreaterThan(300)
  })

  it('read every endpoint that is written as the RFCs have it', () => {
    fc.assert(
      fc.property(
        controls(),
        fc.integer({ min: 1, max: 0xffff }),
        fc.boolean(),
        (control, port, isExtended) => {
          const text = octets(
            isExtended || control.family === 6
              ? `EPRT |${control.family === 4 ? 1 : 2}|${control.client}|${port}|\r\n`
              : `PORT ${hostPort(control.client, port)}\r\n`,
          )
          const found = findInRequest(text, 0, text.length, control)
          expect(found?.mode).toBe('active')
          expect(`${found?.expect?.client} ${found?.expect?.clientPort}`).toBe(`${control.client} ${port}`)
        },
      ),
    )
  })
})

const hostPort = ({ w0 }: IpAddress, port: number): string =>
  [w0 >>> 24, (w0 >>> 16) & 255, (w0 >>> 8) & 255, w0 & 255, port >>> 8, port & 255].join(',')

describe('FtpSession', () => {
  it('takes any segments in its stride; what it gives on is sound, and nothing is written elsewhere', () => {
    const ROOM_BYTES = 16
    const segment = fc.record({
      text: texts(),
      isRequest: fc.boolean(),
      sequence: uint32(),
      acknowledgment: uint32(),
    })
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 12 }), controls(), (segments, control) => {
        const session = new FtpSession()
        for (const { text, isRequest, ...numbers } of segments) {
          const build = control.family === 4 ? tcp4 : tcp6
          const ends = {
            source: `${ends_[control.family][0]}:21`,
            destination: `${ends_[control.family][1]}:3000`,
          }
          const whole = build({ ...ends, ...numbers, payload: text })
          const bytes = concat(whole, new Uint8Array(ROOM_BYTES + 8).fill(0xa5))
          const packet = readPacket(bytes)
          if (isRequest) {
            session.readRequest(packet, control)
            session.adjustRequest(packet, OFFLOAD.finished)
          } else {
            const replacement = session.readReply(packet, control)?.replace
            const where = { offload: OFFLOAD.finished, writableEnd: whole.length + ROOM_BYTES }
            if (replacement != null) session.replace(packet, replacement, where)
            session.adjustReply(packet, OFFLOAD.finished)
          }
          expectPacket(bytes, 0, packet.end).checksumsAreValid()
          expect(toHex(bytes.subarray(whole.length + ROOM_BYTES))).toBe('a5'.repeat(8))
        }
      }),
      { numRuns: 1000 },
    )
  })
})

const ends_ = { 4: ['192.168.1.1', '10.9.0.1'], 6: ['[fd01::1]', '[fd09::1]'] } as const

describe('SequenceShift', () => {
  /** A stream in segments, each perhaps resized to some length above 0: so FTP's are. */
  const streams = fc.record({
    start: uint32(),
    segments: fc.array(
      fc.record({ length: fc.integer({ min: 1, max: 1460 }), newLength: fc.integer({ min: 1, max: 1460 }) }),
      {
        minLength: 1,
        maxLength: 20,
      },
    ),
  })

  it('there and back is the identity, at every edge from the segment resized last but one on', () => {
    fc.assert(
      fc.property(streams, ({ start, segments }) => {
        const shift = new SequenceShift()
        let sent = start
        let edges = [start | 0]
        for (const { length, newLength } of segments) {
          if (newLength !== length) {
            if (!shift.isNone || shift.position !== 0)
              edges = edges.filter((edge) => ((edge - shift.position) | 0) > 0)
            shift.resize(sent, newLength - length)
          }
          sent += length
          edges.push(sent | 0)
          for (const edge of edges) expect(shift.backward(shift.forward(edge))).toBe(edge)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('makes one stream of the resized segments: each begins where the one before ends', () => {
    fc.assert(
      fc.property(streams, ({ start, segments }) => {
        const shift = new SequenceShift()
        let sent = start
        let seen = start | 0
        for (const { length, newLength } of segments) {
          shift.resize(sent, newLength - length)
          expect(shift.forward(sent)).toBe(seen)
          sent += length
          seen = (seen + newLength) | 0
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('moves a segment there and back to the very octets it was, SACK edges and checksum too', () => {
    const blocks = fc.array(fc.tuple(uint32(), uint32()), { maxLength: 3 })
    fc.assert(
      fc.property(
        uint32(),
        uint32(),
        uint32(),
        blocks,
        fc.integer({ min: -40, max: 40 }),
        fc.boolean(),
        (...values) => {
          const [sequence, acknowledgment, position, edges, delta, isOdd] = values
          const numbers = edges.flat().flatMap((edge) => [edge >>> 24, edge >>> 16, edge >>> 8, edge])
          const sack = [5, 2 + numbers.length, ...numbers]
          const tcpOptions = Uint8Array.from(isOdd ? [1, ...sack, 0] : [1, 1, ...sack])
          const ends = { source: '10.9.0.1:3000', destination: '10.0.0.1:21' }
          const whole = tcp4({ ...ends, sequence, acknowledgment, tcpOptions, payload: 'abc' })
          const bytes = whole.slice()
          const [there, back] = [evenly(position, delta), evenly(position, -delta)]
          adjustSegment(readPacket(bytes), there, there, OFFLOAD.finished)
          expectPacket(bytes).checksumsAreValid()
          adjustSegment(readPacket(bytes), back, back, OFFLOAD.finished)
          expect(normal(bytes)).toBe(normal(whole))
        },
      ),
      { numRuns: 1000 },
    )
  })
})

/** A shift by the same everywhere, so that the way back is another one of the kind. */
function evenly(position: number, delta: number): SequenceShift {
  const shift = new SequenceShift()
  shift.position = position | 0
  shift.before = delta
  shift.after = delta
  return shift
}

/** 0x0000 and 0xffff are one number in one's complement: the checksum may come back as the other. */
const normal = (bytes: Uint8Array): string => {
  const hex = toHex(bytes)
  return hex.slice(72, 76) === 'ffff' ? `${hex.slice(0, 72)}0000${hex.slice(76)}` : hex
}
