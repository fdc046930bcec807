import { describe, expect, it } from 'vitest'
import { transportChecksumIsValid } from '../../lib/wire/transport-checksum.ts'
import { KERNEL } from '../vectors/wire-packets.ts'
import { expectPacket } from './expect-packet.ts'
import {
  concat,
  fragment4,
  fragment6,
  fromHex,
  icmp4,
  icmp6,
  ip4,
  ip6,
  readPacket,
  tcp4,
  tcp6,
  udp4,
  udp6,
  withUnfinishedChecksum,
} from './packets.ts'

describe('the packet builder', () => {
  it('builds, octet for octet, what the kernel sent over IPv4', () => {
    const get = tcp4({
      source: '10.9.0.1:3001',
      destination: '10.0.0.1:80',
      trafficClass: 0x10,
      dontFragment: true,
      flags: 'PA',
      sequence: 101,
      acknowledgment: 501,
      payload: 'GET / HTTP/1.0\r\n\r\n',
    })
    expect(get).toEqual(fromHex(KERNEL.tcp4))
    const ends = { source: '10.9.0.1:3004', destination: '10.0.0.1:53', dontFragment: true }
    const query = udp4({ ...ends, options: fromHex('01010101'), payload: 'abcd' })
    expect(query).toEqual(fromHex(KERNEL.udp4WithOptions))
    const bare = udp4({ ...ends, source: '10.9.0.1:3002', payload: 'abc', hasChecksum: false })
    expect(bare).toEqual(fromHex(KERNEL.udp4WithoutChecksum))
  })

  it('builds, octet for octet, what the kernel sent over IPv6', () => {
    const ends = { source: '[fd09::1]:3055', destination: '[fd00::1]:80' }
    const syn = tcp6({ ...ends, trafficClass: 0x12, flowLabel: 0x12345, flags: 'S', sequence: 1000 })
    expect(syn).toEqual(fromHex(KERNEL.tcp6))
    const query = udp6({
      source: '[fd09::1]:3057',
      destination: '[fd00::1]:53',
      extensions: [{ protocol: 0, bytes: fromHex('00 00 0104 00000000') }],
      payload: 'abc',
    })
    expect(query).toEqual(fromHex(KERNEL.udp6BehindHopByHop))
  })

  it('builds the errors that the kernel sent', () => {
    const exceeded = fromHex(KERNEL.icmp4TimeExceeded)
    const error4 = { source: '10.0.0.1', destination: '10.9.0.1', trafficClass: 0xc0, identification: 0xa33f }
    expect(icmp4({ ...error4, type: 11, body: exceeded.slice(28) })).toEqual(exceeded)
    const tooBig = fromHex(KERNEL.icmp6PacketTooBig)
    const error6 = { source: 'fd07::7', destination: 'fd00::1', type: 2, rest: 1400, body: tooBig.slice(48) }
    expect(icmp6(error6)).toEqual(tooBig)
  })

  it('builds tunnelled packets', () => {
    const outer = { source: 'fd01::254', destination: 'fd01::3', trafficClass: 0x2a, hopLimit: 63 }
    const tunnelled = fromHex(KERNEL.ipip4in6)
    expect(ip6({ ...outer, protocol: 4, payload: tunnelled.slice(40) })).toEqual(tunnelled)
  })

  it('fragments IPv4 as the kernel did', () => {
    const fragments = [fromHex(KERNEL.udp4RefragmentedFirst), fromHex(KERNEL.udp4RefragmentedLater)]
    const whole = ip4({
      source: '10.9.0.1',
      destination: '192.168.1.1',
      identification: 119,
      ttl: 63,
      protocol: 17,
      payload: concat(...fragments.map((fragment) => fragment.slice(20))),
    })
    expect(fragment4(whole, 40)).toEqual(fragments)
  })

  it('fragments IPv6 into what reads as one packet again', () => {
    const first = fromHex(KERNEL.udp6FirstFragment)
    const payload = concat(first.slice(48), fromHex(KERNEL.udp6LaterFragment).slice(48))
    const whole = ip6({ source: 'fd09::1', destination: 'fd00::1', protocol: 17, payload })
    const fragments = fragment6(whole, 32)
    expect(fragments[0]).toEqual(first)
    const read = fragments.map(readPacket)
    expect(read.map(({ fragmentOffset }) => fragmentOffset)).toEqual([0, 32, 64])
    expect(read.map(({ moreFragments }) => moreFragments)).toEqual([true, true, false])
    expect(concat(...fragments.map((fragment) => fragment.slice(48)))).toEqual(payload)
  })

  it('can leave a checksum unfinished', () => {
    const unfinished = withUnfinishedChecksum(fromHex(KERNEL.tcp4))
    expect(transportChecksumIsValid(readPacket(unfinished))).toBe(false)
    expectPacket(unfinished).ipv4({ totalBytes: 58 }).headerChecksumIsValid()
  })

  it('refuses text that is no endpoint', () => {
    expect(() => tcp4({ source: '10.9.0.1', destination: '10.0.0.1:80' })).toThrow('address:port')
    expect(() => tcp4({ source: '10.9.0:1', destination: '10.0.0.1:80' })).toThrow('10.9.0:1')
    expect(() => tcp4({ source: '10.9.0.1:1', destination: '10.0.0.1:80', flags: 'SX' })).toThrow('SX')
    expect(() => fromHex('012')).toThrow('hex')
  })
})

describe('expectPacket', () => {
  const fails = (expectation: () => unknown) => {
    try {
      expectation()
    } catch (failure) {
      return (failure as Error).message
    }
    return 'nothing failed'
  }

  it('is content when everything is as said', () => {
    expectPacket(fromHex(KERNEL.tcp4))
      .ipv4({ source: '10.9.0.1', destination: '10.0.0.1', ttl: 64, dontFragment: true, trafficClass: 0x10 })
      .tcp({ sourcePort: 3001, destinationPort: 80, flags: 'PA', payload: 'GET / HTTP/1.0\r\n\r\n' })
      .checksumsAreValid()
    expectPacket(fromHex(KERNEL.udp6BehindHopByHop))
      .ipv6({ source: 'fd09::1', hopLimit: 64, protocol: 17, headerBytes: 48 })
      .udp({ destinationPort: 53, checksum: 0x3543, payload: 'abc' })
      .checksumsAreValid()
    expectPacket(fromHex(KERNEL.ipip4in6)).ipv6({ protocol: 4 }).inner().ipv4({ ttl: 63 }).tcp({ flags: 'S' })
    expectPacket(fromHex(KERNEL.icmp4FragmentationNeeded))
      .icmp({ type: 3, code: 4, rest: 1400 })
      .quoted()
      .ipv4({ destination: '10.9.0.1' })
      .tcp({ sourcePort: 80, destinationPort: 3060 })
    expectPacket(fromHex(KERNEL.icmp6PacketTooBig))
      .icmpv6({ type: 2 })
      .checksumsAreValid()
      .quoted()
      .ipv6({ hopLimit: 60 })
    expectPacket(fromHex(KERNEL.ah4)).payload(fromHex(KERNEL.ah4).slice(20))
  })

  it('names the field that is not, and shows the packet', () => {
    const packet = fromHex(KERNEL.tcp4)
    const line = '10.9.0.1:3001 > 10.0.0.1:80'
    expect(fails(() => expectPacket(packet).ipv4({ ttl: 63 }))).toContain(`ipv4.ttl of ${line}`)
    expect(fails(() => expectPacket(packet).ipv4({ source: '10.9.0.2' }))).toContain('ipv4.source')
    expect(fails(() => expectPacket(packet).tcp({ flags: 'S' }))).toContain('tcp.flags')
    expect(fails(() => expectPacket(packet).tcp({ payload: 'GET' }))).toContain('tcp.payload')
    expect(fails(() => expectPacket(packet).udp())).toContain('ip.protocol')
    expect(fails(() => expectPacket(packet).ipv6())).toContain('ip.version')
    expect(fails(() => expectPacket(packet).inner())).toContain('ip.protocol')
    expect(fails(() => expectPacket(fromHex(KERNEL.udp4LaterFragment)).udp())).toContain('ip.isLaterFragment')
  })

  it('names the checksum that is wrong', () => {
    const header = fromHex(KERNEL.tcp4)
    header[11] = 0
    expect(fails(() => expectPacket(header).checksumsAreValid())).toContain('ip.headerChecksumIsValid')
    const transport = fromHex(KERNEL.tcp4)
    transport[57] = 0
    expect(fails(() => expectPacket(transport).checksumsAreValid())).toContain('ip.transportChecksumIsValid')
  })

  it('says how a packet is malformed', () => {
    const cut = fromHex(KERNEL.tcp4).slice(0, 30)
    expect(fails(() => expectPacket(cut))).toContain('malformed ipv4-payload-truncated')
  })
})
