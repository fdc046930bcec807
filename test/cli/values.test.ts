import { describe, expect, it } from 'vitest'
import { parseMulticast, parseNumber, parsePrefixLength, parseTimeout } from '../../cli/values.ts'

describe('parseNumber', () => {
  it.each([
    ['5', 5],
    [' 5', 5],
    ['\t+5', 5],
    ['-0', 0],
    ['007', 7],
    ['255', 255],
  ])('reads %j as %d', (text, value) => {
    expect(Object.is(parseNumber(text, 0, 255), value)).toBe(true)
  })

  it.each([
    '',
    ' ',
    '+',
    '5 ',
    '5x',
    '0x5',
    '1e2',
    '1.5',
    '-1',
    '256',
    '99999999999999999999',
    '- 5',
    '\u00a05',
  ])('refuses %j', (text) => {
    expect(parseNumber(text, 0, 255)).toBeNull()
  })
})

describe('parseTimeout', () => {
  it('ends at 31 days', () => {
    expect(parseTimeout('2678400', 1)).toBe(2_678_400)
    expect(parseTimeout('2678401', 1)).toBeNull()
  })

  it('accepts 0 only where it means something', () => {
    expect(parseTimeout('0', 0)).toBe(0)
    expect(parseTimeout('0', 1)).toBeNull()
  })
})

describe('parsePrefixLength', () => {
  it('is 1 to 128 and ignores what follows the digits', () => {
    expect(['64', ' 64', '64x', '1', '128'].map(parsePrefixLength)).toEqual([64, 64, 64, 1, 128])
    expect(['0', '129', 'x', '', '-64'].map(parsePrefixLength)).toEqual([null, null, null, null, null])
  })
})

describe('parseMulticast', () => {
  it('accepts the multicast ranges of both families and nothing else', () => {
    for (const text of ['224.0.0.0', '239.255.255.255', 'ff02::51'])
      expect(parseMulticast(text)?.toString()).toBe(text)
    for (const text of ['223.255.255.255', '240.0.0.0', 'fe80::1', '0xe0000001', ' 224.0.0.1', ''])
      expect(parseMulticast(text)).toBeNull()
  })
})
