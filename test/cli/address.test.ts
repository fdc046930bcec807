import { describe, expect, it } from 'vitest'
import { parseEndpointText, parseInetAton } from '../../cli/address.ts'
import { fakeNames } from '../support/fake-names.ts'

/** Each checked against ipvsadm 1.31: the address and port it sent to the kernel, or null where it refused. */
const ENDPOINTS: readonly (readonly [text: string, meaning: string | null])[] = [
  ['10.0.0.1:80', '10.0.0.1 80'],
  ['10.0.0.1', '10.0.0.1 null'],
  ['10.0.0.1:+5', '10.0.0.1 5'],
  ['10.0.0.1: 80', '10.0.0.1 80'],
  ['10.0.0.1:http', '10.0.0.1 80'],
  ['10.0.0.1:www', '10.0.0.1 80'],
  ['10.0.0.1:HTTP', null],
  ['10.0.0.1:0x50', null],
  ['10.0.0.1:', null],
  ['10.0.0.1:-1', null],
  ['10.0.0.1:65536', null],
  ['1.1.1.1:80:90', null],
  ['1.2.3.4 foo:80', '1.2.3.4 80'],
  [' 1.1.1.1:80', null],
  ['localhost:92', '127.0.0.1 92'],
  ['nosuch.invalid:92', null],
  ['fd00::2', 'fd00::2 null'],
  ['fd00::1:80', 'fd00::1:80 null'],
  ['[fd00::1]:80', 'fd00::1 80'],
  ['[::ffff:1.2.3.4]:80', '::ffff:1.2.3.4 80'],
  ['[fd00::1]', null],
  ['[fd00::1]:', null],
  ['[fd00::1:80', null],
  ['[::1]:90x', null],
  ['[::1%lo]:80', null],
  ['[]:80', null],
  ['[10.0.0.9]:80', '10.0.0.9 null'],
  ['[1.1.1.1:80]:90', '1.1.1.1 80'],
  ['80', null],
  [':80', null],
  ['', null],
]

describe('parseEndpointText', () => {
  it.each(ENDPOINTS)('reads %j as %s', async (text, meaning) => {
    const endpoint = await parseEndpointText(text, 'tcp', fakeNames())
    expect(endpoint && `${endpoint.address} ${endpoint.port}`).toBe(meaning)
  })

  it('knows service names only of the transport, and none without one', async () => {
    expect(await parseEndpointText('10.0.0.1:http', 'udp', fakeNames())).toBeNull()
    expect(await parseEndpointText('10.0.0.1:domain', 'udp', fakeNames())).toMatchObject({ port: 53 })
    expect(await parseEndpointText('10.0.0.1:http', null, fakeNames())).toBeNull()
  })
})

describe('parseInetAton', () => {
  it.each([
    ['10.1', '10.0.0.1'],
    ['1.2.3', '1.2.0.3'],
    ['1.65536', '1.1.0.0'],
    ['1.16777215', '1.255.255.255'],
    ['4294967295', '255.255.255.255'],
    ['0x0a000001', '10.0.0.1'],
    ['0X7f.1', '127.0.0.1'],
    ['010.010.1.1', '8.8.1.1'],
    ['0', '0.0.0.0'],
  ])('reads %s as %s', (text, address) => {
    expect(parseInetAton(text)?.toString()).toBe(address)
  })

  it.each([
    '',
    '1.2.3.4.5',
    '1.1.1.1.',
    '08.1.1.1',
    '0x',
    '1.2.3.256',
    '1.16777216',
    '4294967296',
    '256.1',
    'a.b',
    '-1',
    '１',
  ])('refuses %j', (text) => {
    expect(parseInetAton(text)).toBeNull()
  })
})
