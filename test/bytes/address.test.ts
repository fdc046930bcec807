import { describe, expect, it } from 'vitest'
import {
  addressBytes,
  foldAddress,
  IpAddress,
  parseAddress,
  readAddress,
  writeAddress,
} from '../../lib/bytes/address.ts'
import { fromHex } from '../support/packets.ts'

const again = (text: string) => parseAddress(text)?.toString()

describe('parseAddress', () => {
  it('takes IPv4 as four decimal parts', () => {
    expect(parseAddress('192.0.2.33')).toEqual(new IpAddress(4, 0xc000_0221 | 0))
    expect(parseAddress('0.0.0.0')).toEqual(new IpAddress(4, 0))
    expect(parseAddress('255.255.255.255')).toEqual(new IpAddress(4, -1))
  })

  it('takes every form of IPv6 text in RFC 4291 §2.2', () => {
    const documentation = new IpAddress(6, 0x2001_0db8, 0, 0x0008_0800, 0x200c_417a)
    expect(parseAddress('2001:DB8:0:0:8:800:200C:417A')).toEqual(documentation)
    expect(parseAddress('2001:DB8::8:800:200C:417A')).toEqual(documentation)
    expect(parseAddress('::')).toEqual(new IpAddress(6, 0))
    expect(parseAddress('::1')).toEqual(new IpAddress(6, 0, 0, 0, 1))
    expect(parseAddress('1::')).toEqual(new IpAddress(6, 0x1_0000))
    expect(parseAddress('::FFFF:129.144.52.38')).toEqual(new IpAddress(6, 0, 0, 0xffff, 0x8190_3426 | 0))
    expect(parseAddress('1:2:3:4:5:6:7::')).toEqual(new IpAddress(6, 0x1_0002, 0x3_0004, 0x5_0006, 0x7_0000))
  })

  it('refuses what is not an address', () => {
    const v4 = [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '256.0.0.1',
      '01.2.3.4',
      '1.2.3.4 ',
      '1..3.4',
      '0x1.2.3.4',
      '-1.2.3.4',
    ]
    const v6 = [
      ':',
      ':::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      '12345::',
      'g::',
      '::1%lo',
      '[::1]',
    ]
    const mixed = [
      '1.2.3.4::',
      '::1.2.3',
      '::1.2.3.4:5',
      '1:2:3:4:5:6:7:1.2.3.4',
      '1:2:3:4:5:6:7:8::',
      '::256.0.0.1',
    ]
    for (const text of [...v4, ...v6, ...mixed]) expect(parseAddress(text), text).toBeNull()
  })
})

describe('IpAddress', () => {
  it('prints the canonical text of RFC 5952 §4', () => {
    expect(again('2001:0db8::0001')).toBe('2001:db8::1') // no leading zeros
    expect(again('2001:db8:0:0:0:0:2:1')).toBe('2001:db8::2:1') // shortened as much as possible
    expect(again('2001:db8:0:1:1:1:1:1')).toBe('2001:db8:0:1:1:1:1:1') // one group is not shortened
    expect(again('2001:0:0:1:0:0:0:1')).toBe('2001:0:0:1::1') // the longest run
    expect(again('2001:db8:0:0:1:0:0:1')).toBe('2001:db8::1:0:0:1') // of equals the first
    expect(again('2001:DB8::ABCD')).toBe('2001:db8::abcd') // lower case
    expect(again('0:0:0:0:0:0:0:0')).toBe('::')
    expect(again('1:2:3:4:5:6:0:0')).toBe('1:2:3:4:5:6::')
    expect(again('::ffff:c000:221')).toBe('::ffff:192.0.2.33') // §5
  })

  it('knows its equals', () => {
    const address = new IpAddress(6, 1, 2, 3, 4)
    expect(address.equals(new IpAddress(6, 1, 2, 3, 4))).toBe(true)
    const others = [
      new IpAddress(6, 2, 2, 3, 4),
      new IpAddress(6, 1, 1, 3, 4),
      new IpAddress(6, 1, 2, 4, 4),
      new IpAddress(6, 1, 2, 3, 5),
    ]
    for (const other of others) expect(address.equals(other)).toBe(false)
    expect(new IpAddress(4, 0).equals(new IpAddress(6, 0))).toBe(false)
  })

  it('holds its words as signed numbers, however they were given', () => {
    expect(new IpAddress(4, 0xffff_ffff).w0).toBe(-1)
    expect(new IpAddress(4, 0xc000_0221).equals(new IpAddress(4, 0xc000_0221 | 0))).toBe(true)
  })
})

describe('readAddress and writeAddress', () => {
  it('keep to the octets of their family', () => {
    const wire = fromHex('ff c0000221 ff')
    expect(`${readAddress(wire, 1, 4)}`).toBe('192.0.2.33')
    const bytes = new Uint8Array(18).fill(0xa5)
    writeAddress(bytes, 1, new IpAddress(6, 1, 2, 3, -1))
    expect(bytes).toEqual(fromHex('a5 00000001 00000002 00000003 ffffffff a5'))
    bytes.fill(0xa5)
    writeAddress(bytes, 1, new IpAddress(4, 1))
    expect(bytes.subarray(0, 7)).toEqual(fromHex('a5 00000001 a5 a5'))
    expect([addressBytes(4), addressBytes(6)]).toEqual([4, 16])
  })
})

describe('foldAddress', () => {
  it('is the exclusive or of the words, and of IPv4 the word itself', () => {
    expect(foldAddress(0x0a00_0001, 0, 0, 0)).toBe(0x0a00_0001)
    expect(foldAddress(0xfd00_0000, 1, 2, 0x8000_0000)).toBe((0xfd00_0000 ^ 0x8000_0003) | 0)
  })
})
