import { describe, expect, it } from 'vitest'
import { adjustSegment, SequenceShift } from '../../lib/apps/sequence.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { TcpView } from '../../lib/wire/tcp.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { readPacket, tcp4, tcp6, withUnfinishedChecksum } from '../support/packets.ts'

const ENDS = { source: '10.9.0.1:3000', destination: '10.0.0.1:21' }

/** As after a segment at `position` was made longer by `deltaBytes`. */
function shiftBy(deltaBytes: number, position = 1000): SequenceShift {
  const shift = new SequenceShift()
  shift.resize(position, deltaBytes)
  return shift
}

const NONE = new SequenceShift()

describe('SequenceShift', () => {
  it('leaves everything as it is until a segment is resized', () => {
    const shift = new SequenceShift()
    expect(shift.isNone).toBe(true)
    shift.resize(5, 0)
    expect(shift.isNone).toBe(true)
    for (const sequence of [0, 5, 6, -1, 0x7fff_ffff, -0x8000_0000]) {
      expect(shift.forward(sequence)).toBe(sequence)
      expect(shift.backward(sequence)).toBe(sequence)
    }
  })

  it('moves what comes after the resized segment, not the segment itself nor what was before', () => {
    const shift = shiftBy(-3)
    expect(shift.isNone).toBe(false)
    expect([900, 1000, 1001, 1050, 2000].map((each) => shift.forward(each))).toEqual([
      900, 1000, 998, 1047, 1997,
    ])
    expect([900, 1000, 1047, 1997].map((each) => shift.backward(each))).toEqual([900, 1000, 1050, 2000])
  })

  it('adds up: what lies between two resized segments keeps the first shift', () => {
    const shift = shiftBy(-3)
    shift.resize(2000, 10)
    expect(shift).toMatchObject({ position: 2000, before: -3, after: 7 })
    expect([1500, 2000, 2040].map((each) => shift.forward(each))).toEqual([1497, 1997, 2047])
    expect([1497, 1997, 2047].map((each) => shift.backward(each))).toEqual([1500, 2000, 2040])
  })

  it('knows an acknowledgment of the first shift from one of the second, however long they are', () => {
    const shift = shiftBy(100, 500)
    shift.resize(1000, 50)
    expect([600, 1000, 1001, 1100].map((each) => shift.forward(each))).toEqual([700, 1100, 1151, 1250])
    expect([700, 1100, 1151, 1250].map((each) => shift.backward(each))).toEqual([600, 1000, 1001, 1100])
  })

  it('does not count a repeated segment again, nor one from before', () => {
    const shift = shiftBy(-3)
    shift.resize(1000, -3)
    shift.resize(900, -3)
    expect(shift).toMatchObject({ position: 1000, before: 0, after: -3 })
  })

  it('goes round with the numbers', () => {
    const shift = shiftBy(12, 0xffff_fffa)
    expect(shift.forward(0xffff_fffa) >>> 0).toBe(0xffff_fffa)
    expect(shift.forward(0xffff_fffe)).toBe(10)
    expect(shift.forward(20)).toBe(32)
    expect(shift.backward(32)).toBe(20)
    expect(shift.backward(10) >>> 0).toBe(0xffff_fffe)
    shift.resize(100, 1)
    expect(shift.after).toBe(13)
  })
})

describe('adjustSegment', () => {
  it('moves the sequence number by its own direction, the acknowledgment by the other, checksum and all', () => {
    for (const build of [
      () => tcp4({ ...ENDS, sequence: 5000, acknowledgment: 1050, flags: 'PA', payload: 'abc' }),
      () =>
        tcp6({
          source: '[fd09::1]:3000',
          destination: '[fd00::1]:21',
          sequence: 5000,
          acknowledgment: 1050,
          flags: 'PA',
          payload: 'abc',
        }),
    ]) {
      const bytes = build()
      adjustSegment(readPacket(bytes), shiftBy(7), shiftBy(-3, 900), OFFLOAD.finished)
      expectPacket(bytes).tcp({ sequence: 5007, acknowledgment: 1053, payload: 'abc' }).checksumsAreValid()
    }
  })

  it('leaves an acknowledgment alone that does not count', () => {
    const bytes = tcp4({ ...ENDS, sequence: 5000, acknowledgment: 1050, flags: 'R' })
    adjustSegment(readPacket(bytes), NONE, shiftBy(-3, 900), OFFLOAD.finished)
    expectPacket(bytes).tcp({ sequence: 5000, acknowledgment: 1050 }).checksumsAreValid()
  })

  it('changes no octet while nothing was resized', () => {
    const bytes = tcp4({ ...ENDS, sequence: 5000, acknowledgment: 1050 })
    const before = bytes.slice()
    adjustSegment(readPacket(bytes), NONE, NONE, OFFLOAD.finished)
    expect(bytes).toEqual(before)
  })

  it('keeps a wrong checksum wrong', () => {
    const bytes = tcp4({ ...ENDS, sequence: 5000, payload: 'abc' })
    bytes[bytes.length - 1]! ^= 1
    adjustSegment(readPacket(bytes), shiftBy(7), NONE, OFFLOAD.finished)
    expect(() => expectPacket(bytes).checksumsAreValid()).toThrow()
  })

  it('leaves a checksum that is not finished to who finishes it', () => {
    const bytes = withUnfinishedChecksum(tcp4({ ...ENDS, sequence: 5000, payload: 'abc' }))
    const { checksum } = new TcpView(bytes, 20)
    for (const offload of [OFFLOAD.unfinished, OFFLOAD.unfinishedSuper]) {
      adjustSegment(readPacket(bytes), shiftBy(7), NONE, offload)
    }
    expect(new TcpView(bytes, 20)).toMatchObject({ sequence: 5014, checksum })
  })
})

describe('adjustSegment, selective acknowledgments', () => {
  const word = (value: number): number[] => [
    value >>> 24,
    (value >>> 16) & 0xff,
    (value >>> 8) & 0xff,
    value & 0xff,
  ]
  const block = (left: number, right: number): number[] => [...word(left), ...word(right)]
  const adjusted = (options: number[]): number[] => {
    const bytes = tcp4({ ...ENDS, acknowledgment: 900, tcpOptions: Uint8Array.from(options), payload: 'x' })
    adjustSegment(readPacket(bytes), NONE, shiftBy(-3), OFFLOAD.finished)
    expectPacket(bytes).tcp({ acknowledgment: 900, payload: 'x' }).checksumsAreValid()
    return [...bytes.subarray(40, 40 + options.length)]
  }
  const NOP = 1

  it.each([
    [
      'two blocks',
      [NOP, NOP, 5, 18],
      [block(950, 1047), block(1100, 1200)],
      [block(950, 1050), block(1103, 1203)],
      [],
    ],
    ['at an odd place', [NOP, 5, 10], [block(1500, 0x1234_5678)], [block(1503, 0x1234_567b)], [NOP]],
    [
      'behind timestamps',
      [8, 10, 0, 0, 9, 9, 0, 0, 8, 8, NOP, NOP, 5, 10],
      [block(1997, 2997)],
      [block(2000, 3000)],
      [0, 0],
    ],
  ])('moves the edges of %s', (_, before, blocks, moved, after) => {
    expect(adjusted([...before, ...blocks.flat(), ...after])).toEqual([...before, ...moved.flat(), ...after])
  })

  it.each([
    ['behind the end of the list', [0, 5, 10, ...block(1500, 1600), 0]],
    ['behind an option of no length', [9, 0, 5, 10, ...block(1500, 1600)]],
    ['that reach beyond the header', [NOP, NOP, 5, 18, ...block(1500, 1600)]],
    ['whose length is not that of whole blocks', [NOP, 5, 11, ...block(1500, 1600), 0]],
    ['without a length', [NOP, NOP, NOP, 5]],
  ])('does not touch blocks %s', (_, options) => {
    expect(adjusted(options)).toEqual(options)
  })
})
