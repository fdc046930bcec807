import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../lib/bytes/address.ts'
import { isUnicast } from '../../lib/service/flaws.ts'

/** As Linux 6.1 took or refused them for real servers. */
describe('isUnicast', () => {
  it.each(['0.0.0.1', '8.8.8.8', '223.255.255.255', '240.0.0.1', '255.255.255.254', '127.0.0.1'])(
    'is what %s is',
    (text) => {
      expect(isUnicast(parseAddress(text)!)).toBe(true)
    },
  )

  it.each(['fd00::', 'fd00::2', '2001:db8::1', '64:ff9b::1', 'fec0::1', '::1'])('is what %s is', (text) => {
    expect(isUnicast(parseAddress(text)!)).toBe(true)
  })

  it.each(['0.0.0.0', '224.0.0.1', '239.255.255.255', '255.255.255.255'])('is not what %s is', (text) => {
    expect(isUnicast(parseAddress(text)!)).toBe(false)
  })

  it.each(['::', 'ff02::1', 'ff00::', 'fe80::1', '::ffff:10.0.0.5'])('is not what %s is', (text) => {
    expect(isUnicast(parseAddress(text)!)).toBe(false)
  })
})
