import { describe, expect, it } from 'vitest'
import { sorted } from '../../cli/sort.ts'
import { destinationOf, serviceOf } from '../support/api-values.ts'

const IN_ORDER = [
  'tcp:10.0.0.1:80',
  'tcp:10.0.0.1:443',
  'tcp:10.0.0.2:80',
  'tcp:192.168.1.1:80',
  'udp:10.0.0.1:53',
  'sctp:10.0.0.1:80',
  'tcp:[fd00::1]:80',
  'tcp:[fd00::1:0]:80',
  'udp:[fd00::1]:53',
  'fwmark:5',
  'fwmark:5:ipv6',
  'fwmark:4294967295',
]

describe('sorted', () => {
  it('orders services by mark, family, protocol, address and port, all unsigned', () => {
    const shuffled = IN_ORDER.map((_, index) => IN_ORDER[(index * 5) % IN_ORDER.length] as string)
    expect(new Set(shuffled).size).toBe(IN_ORDER.length)
    expect(sorted(shuffled.map((id) => serviceOf(id))).map(({ id }) => id)).toEqual(IN_ORDER)
  })

  it('orders servers by family, address and port, and leaves its argument alone', () => {
    const endpoints = ['[fd00::9]:80', '192.168.1.1:80', '10.0.0.1:81', '10.0.0.1:80', '127.0.0.1:80']
    const service = serviceOf('tcp:10.0.0.1:80', {
      destinations: endpoints.map((each) => destinationOf(each)),
    })
    const before = structuredClone(service)
    expect(sorted([service])[0]?.destinations.map(({ address, port }) => `${address} ${port}`)).toEqual([
      '10.0.0.1 80',
      '10.0.0.1 81',
      '127.0.0.1 80',
      '192.168.1.1 80',
      'fd00::9 80',
    ])
    expect(service).toEqual(before)
  })
})
