import { describe, expect, it } from 'vitest'
import {
  linkRequest,
  neighbourRequest,
  neighbourUseRequest,
  readLink,
  readNeighbour,
  readRoute,
  routeRequest,
} from '../../../forwarder/netlink/rtnetlink.ts'
import { type IpAddress, parseAddress } from '../../../lib/bytes/address.ts'
import { hexOf, octets } from '../../support/hex.ts'

const address = (text: string) => parseAddress(text) as IpAddress

// Requests are iproute2 6.1's, captured on their way to the kernel, but for the flags (we ask for an acknowledgement,
// iproute2 for the name of the routing table) and the sequence number. Replies are those of Linux 6.18.

describe('routes', () => {
  it.each([
    [
      'IPv4, with a mark',
      routeRequest({ destination: address('198.51.100.7'), mark: 0x77 }),
      '2c000000 1a00 0500 01000000 00000000  02 20 00 00 00 00 00 00 00000000  0800 0100 c6336407  0800 1000 77000000',
    ],
    [
      'IPv6',
      routeRequest({ destination: address('2001:db8::7') }),
      '30000000 1a00 0500 01000000 00000000  0a 80 00 00 00 00 00 00 00000000  1400 0100 20010db8000000000000000000000007',
    ],
    [
      'through one device only',
      routeRequest({ destination: address('10.93.0.2'), deviceIndex: 2 }),
      '2c000000 1a00 0500 01000000 00000000  02 20 00 00 00 00 00 00 00000000  0800 0100 0a5d0002  0800 0400 02000000',
    ],
  ])('are asked for: %s', (_title, request, hex) => {
    expect(hexOf(request.finish(1))).toBe(hexOf(octets(hex)))
  })

  const cacheInfo = '2400 0c00 0000000000000000000000000000000000000000000000000000000000000000'

  it('are read, with gateway, preferred source and path MTU', () => {
    const route = readRoute(
      octets(`84000000 1800 0000 1029036b a9790000  02 20 00 00 fe 00 00 01 00020000
        0800 0f00 fe000000  0800 0100 c6336407  0800 0400 02000000  0800 0700 0a5d0001  0800 0500 0a5d0002
        0c00 0800 0800 0200 78050000  0800 1000 77000000  0800 1900 00000000 ${cacheInfo}`),
    )
    expect(route).toEqual({
      type: 'unicast',
      deviceIndex: 2,
      gateway: address('10.93.0.2'),
      preferredSource: address('10.93.0.1'),
      mtuBytes: 1400,
    })
  })

  it('may have a gateway of the other family', () => {
    const route = readRoute(
      octets(`80000000 1800 0000 1029036b af790000  02 20 00 00 fe 00 00 01 00020000
        0800 0f00 fe000000  0800 0100 cb007101  0800 0400 02000000  0800 0700 0a5d0001
        1600 1200 0a00 fd930000000000000000000000000002 0000  0800 1900 00000000 ${cacheInfo}`),
    )
    expect(route?.gateway).toEqual(address('fd93::2'))
  })

  it('may lead to the link, without a gateway', () => {
    const route = readRoute(
      octets(`68000000 1800 0000 1029036b b7790000  02 20 00 00 fe 00 00 01 00020000
        0800 0f00 fe000000  0800 0100 0a5d0002  0800 0400 02000000  0800 0700 0a5d0001  0800 1900 00000000 ${cacheInfo}`),
    )
    expect(route).toMatchObject({ type: 'unicast', gateway: null, mtuBytes: null })
  })

  it('may lead to this machine', () => {
    const route = readRoute(
      octets(`68000000 1800 0000 1029036b c1790000  02 20 00 00 fe 00 00 02 00020080
        0800 0f00 fe000000  0800 0100 0a5d0001  0800 0400 01000000  0800 0700 0a5d0001  0800 1900 00000000 ${cacheInfo}`),
    )
    expect(route).toMatchObject({ type: 'local', deviceIndex: 1 })
  })

  it('are not found in any other message, nor in a prefix of the header', () => {
    const header = octets('1c000000 1800 0000 1029036b c1790000  02 20 00 00 fe 00 00 02 00020080')
    expect(readRoute(header)).not.toBeNull()
    for (let length = 16; length < header.length; length++)
      expect(readRoute(header.subarray(0, length))).toBeNull()
    expect(readNeighbour(header)).toBeNull()
    expect(readLink(header)).toBeNull()
  })
})

describe('neighbours', () => {
  it('are asked for', () => {
    expect(hexOf(neighbourRequest(2, address('10.93.0.2')).finish(1))).toBe(
      hexOf(
        octets('24000000 1e00 0500 01000000 00000000  02 00 0000 02000000 0000 00 00  0800 0100 0a5d0002'),
      ),
    )
  })

  it('are made the kernel resolve', () => {
    const expected = `30000000 1c00 0504 01000000 00000000  0a 00 0000 02000000 0000 01 00
      1400 0100 fd930000000000000000000000000002`
    expect(hexOf(neighbourUseRequest(2, address('fd93::2')).finish(1))).toBe(hexOf(octets(expected)))
  })

  const reply = (state: string) =>
    octets(`4c000000 1c00 0000 1029036b d7790000  02 00 0000 02000000 ${state} 00 01
      0800 0100 0a5d0002  0a00 0200 020000000002 0000  0800 0400 01000000
      1400 0300 06000000 06000000 06000000 02000000`)

  it('are read, with their address', () => {
    expect(readNeighbour(reply('0200'))).toEqual({ state: 'reachable', address: octets('020000000002') })
  })

  it.each([
    ['incomplete', '0100', false],
    ['stale', '0400', true],
    ['delay', '0800', true],
    ['probe', '1000', true],
    ['failed', '2000', false],
    ['noarp', '4000', true],
    ['permanent', '8000', true],
    ['none', '0000', false],
  ])('in state %s have a usable address or none', (state, bits, isUsable) => {
    const neighbour = readNeighbour(reply(bits))
    expect(neighbour?.state).toBe(state)
    expect(neighbour?.address !== null).toBe(isUsable)
  })
})

describe('links', () => {
  it('are asked for by name or by index', () => {
    expect(hexOf(linkRequest('uqg-vd').finish(1))).toBe(
      hexOf(
        octets(
          '2c000000 1200 0500 01000000 00000000  00 00 0000 00000000 00000000 00000000  0b00 0300 7571672d766400 00',
        ),
      ),
    )
    expect(hexOf(linkRequest(2).finish(1))).toBe(
      hexOf(octets('20000000 1200 0500 01000000 00000000  00 00 0000 02000000 00000000 00000000')),
    )
  })

  // The replies' first attributes, up to the MTU, and the address; the lengths are adjusted.
  const veth = octets(`58000000 1000 0000 1029036b 3df5d9a4  00 00 0100 02000000 43100100 00000000
    0b00 0300 7571672d766400 00  0800 0d00 e8030000  0500 1000 06 000000  0500 1100 00 000000
    0800 0400 dc050000  0a00 0100 020000000001 0000`)

  it('are read, with name, MTU and address', () => {
    expect(readLink(veth)).toEqual({
      index: 2,
      name: 'uqg-vd',
      mtuBytes: 1500,
      address: octets('020000000001'),
      isUp: true,
      isLoopback: false,
      hasNeighbours: true,
    })
  })

  it('have no neighbours where they are loopback', () => {
    const loopback = octets(`40000000 1000 0000 1029036b 0ad89df3  00 00 0403 01000000 49000100 00000000
      0700 0300 6c6f00 00  0800 0400 00000100  0a00 0100 000000000000 0000`)
    expect(readLink(loopback)).toMatchObject({
      name: 'lo',
      mtuBytes: 65_536,
      isLoopback: true,
      hasNeighbours: false,
    })
  })
})
