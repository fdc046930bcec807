import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../lib/bytes/address.ts'
import {
  formatEndpoint,
  formatServiceKey,
  parseEndpoint,
  parseServiceKey,
  serviceFamily,
} from '../../lib/service/key.ts'

describe('a service key', () => {
  it.each([
    ['tcp:10.0.0.1:80', 4],
    ['udp:10.0.0.1:0', 4],
    ['sctp:255.255.255.255:65535', 4],
    ['tcp:[fd00::1]:443', 6],
    ['udp:[::]:53', 6],
    ['fwmark:1', 4],
    ['fwmark:4294967295', 4],
    ['fwmark:7:ipv6', 6],
  ])('is written %s and read back', (text, family) => {
    const key = parseServiceKey(text)
    expect(key).not.toBeNull()
    expect(formatServiceKey(key!)).toBe(text)
    expect(serviceFamily(key!)).toBe(family)
  })

  it.each([
    '',
    'tcp',
    'tcp:10.0.0.1',
    'tcp:10.0.0.1:',
    'tcp:10.0.0.1:65536',
    'tcp:10.0.0.1:-1',
    'tcp:10.0.0.1:0x50',
    'tcp:10.0.0:80',
    'tcp:010.0.0.1:80',
    'tcp:fd00::1:80',
    'tcp:[10.0.0.1]:80',
    'tcp:[fd00::1]',
    'TCP:10.0.0.1:80',
    'icmp:10.0.0.1:80',
    ' tcp:10.0.0.1:80',
    'fwmark:0',
    'fwmark:-1',
    'fwmark:4294967296',
    'fwmark:99999999999',
    'fwmark:1:ipv4',
    'fwmark:0x10',
  ])('is not "%s"', (text) => {
    expect(parseServiceKey(text)).toBeNull()
  })
})

describe('an endpoint', () => {
  it.each(['10.0.0.1:80', '0.0.0.0:0', '[fd00::1]:65535', '[::ffff:10.0.0.1]:1'])(
    'is written %s and read back',
    (text) => {
      const endpoint = parseEndpoint(text)
      expect(endpoint).not.toBeNull()
      expect(formatEndpoint(endpoint!)).toBe(text)
    },
  )

  it('shows IPv6 in its canonical form', () => {
    expect(formatEndpoint(parseEndpoint('[FD00:0:0::1]:8080')!)).toBe('[fd00::1]:8080')
    expect(formatEndpoint({ address: parseAddress('::1')!, port: 1 })).toBe('[::1]:1')
  })

  it.each(['10.0.0.1', ':80', '10.0.0.1:80:80', '[fd00::1]80', '[fd00::1', '10.0.0.1:123456'])(
    'is not "%s"',
    (text) => {
      expect(parseEndpoint(text)).toBeNull()
    },
  )
})
