import { describe, expect, it } from 'vitest'
import { readI32, readU8, readU16, readU32, writeU8, writeU16, writeU32 } from '../../lib/bytes/octets.ts'
import { fromHex } from '../support/packets.ts'

describe('reading octets', () => {
  it('takes them in network byte order, signed only where it says so', () => {
    const bytes = fromHex('00 fe dc ba 98')
    expect(readU8(bytes, 1)).toBe(0xfe)
    expect(readU16(bytes, 1)).toBe(0xfedc)
    expect(readU32(bytes, 1)).toBe(0xfedc_ba98)
    expect(readI32(bytes, 1)).toBe(0xfedc_ba98 | 0)
  })
})

describe('writing octets', () => {
  it('puts them in network byte order and touches no others', () => {
    const bytes = new Uint8Array(9).fill(0xa5)
    writeU8(bytes, 0, 0x101)
    writeU16(bytes, 2, 0xfedc)
    writeU32(bytes, 5, 0xfedc_ba98)
    expect(bytes).toEqual(fromHex('01 a5 fe dc a5 fe dc ba 98'))
  })

  it('writes a word the same, signed or unsigned', () => {
    const signed = new Uint8Array(4)
    const unsigned = new Uint8Array(4)
    writeU32(signed, 0, -2)
    writeU32(unsigned, 0, 0xffff_fffe)
    expect(signed).toEqual(unsigned)
  })

  it('does nothing out of bounds', () => {
    const bytes = new Uint8Array(3)
    writeU32(bytes, 3, 0x0101_0101)
    expect(bytes).toEqual(new Uint8Array(3))
  })
})
