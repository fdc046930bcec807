import { describe, expect, it } from 'vitest'
import { printPacket } from '../../lib/wire/print.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { prefixes } from '../support/buffers.ts'
import { fromHex, icmp4, ip4, ip6, sctp4, tcp4 } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const printed = (hex: string) => printPacket(fromHex(hex))
const routers = { source: '192.0.2.1', destination: '192.0.2.2' }

describe('printPacket', () => {
  it('prints transport packets with their endpoints', () => {
    expect(printed(KERNEL.tcp4)).toBe('10.9.0.1:3001 > 10.0.0.1:80 tcp PA seq 101 ack 501 win 8192 len 18')
    expect(printed(KERNEL.tcp6)).toBe('[fd09::1]:3055 > [fd00::1]:80 tcp S seq 1000 win 8192 len 0')
    expect(printed(KERNEL.udp4WithOptions)).toBe('10.9.0.1:3004 > 10.0.0.1:53 udp len 4')
    expect(printed(KERNEL.udp6BehindHopByHop)).toBe('[fd09::1]:3057 > [fd00::1]:53 udp len 3')
  })

  it('prints fragments with offset and identification, and ports where they are', () => {
    expect(printed(KERNEL.udp4FirstFragment)).toBe(
      '10.9.0.1:3083 > 10.0.0.1:53 udp len 64 fragment 0+ id 119',
    )
    expect(printed(KERNEL.udp4LaterFragment)).toBe('10.9.0.1 > 10.0.0.1 udp len 40 fragment 32 id 119')
    expect(printed(KERNEL.udp6LaterFragment)).toBe('fd09::1 > fd00::1 udp len 40 fragment 32 id 85')
  })

  it('prints a packet that an ICMP error quotes, even when it is cut short', () => {
    expect(printed(KERNEL.icmp4TimeExceeded)).toBe(
      '10.0.0.1 > 10.9.0.1 icmp time exceeded (10.9.0.1:3006 > 10.0.0.1:53 udp len 3)',
    )
    expect(printed(KERNEL.icmp4FragmentationNeeded)).toBe(
      '10.7.7.7 > 10.0.0.1 icmp fragmentation needed mtu 1400 (10.0.0.1:80 > 10.9.0.1:3060 tcp seq 5 cut short)',
    )
    expect(printed(KERNEL.icmp6PacketTooBig)).toBe(
      'fd07::7 > fd00::1 icmpv6 packet too big mtu 1400 ([fd00::1]:80 > [fd09::1]:3062 tcp A seq 1000 ack 0 win 8192 len 0)',
    )
  })

  it('prints an echo without looking for a packet in it', () => {
    const ping = icmp4({ ...routers, type: 8, rest: 0x0007_0001, body: 'abcdefgh' })
    expect(printPacket(ping)).toBe('192.0.2.1 > 192.0.2.2 icmp echo request id 7 seq 1')
  })

  it('prints a tunnelled packet behind its outer header', () => {
    expect(printed(KERNEL.ipip4in6)).toBe(
      'fd01::254 > fd01::3 ipip (10.9.0.1:3018 > 10.0.0.1:102 tcp S seq 1000 win 8192 len 0)',
    )
    const in4 = ip4({ ...routers, protocol: PROTOCOL.ipv6, payload: fromHex(KERNEL.tcp6) })
    expect(printPacket(in4)).toBe(
      '192.0.2.1 > 192.0.2.2 ipv6 ([fd09::1]:3055 > [fd00::1]:80 tcp S seq 1000 win 8192 len 0)',
    )
  })

  it('prints other protocols by name, or by number', () => {
    expect(printed(KERNEL.ah4)).toBe('10.9.0.1 > 10.0.0.1 ah len 20')
    expect(printPacket(ip4({ ...routers, protocol: 200, payload: 'abc' }))).toBe(
      '192.0.2.1 > 192.0.2.2 protocol 200 len 3',
    )
    expect(printPacket(ip6({ source: '::1', destination: '::2', protocol: 59 }))).toBe(
      '::1 > ::2 noNextHeader len 0',
    )
  })

  it('prints SCTP by its chunks, also where a quotation cuts them off', () => {
    const ends = { source: '192.0.2.1:5000', destination: '192.0.2.2:5001' }
    const whole = sctp4({ ...ends, chunks: [['cookieEcho', 'crumb'], ['data']] })
    expect(printPacket(whole)).toBe('192.0.2.1:5000 > 192.0.2.2:5001 sctp COOKIE-ECHO DATA')
    const error = { source: '192.0.2.9', destination: '192.0.2.1', type: 11, body: whole.slice(0, 28) }
    expect(printPacket(icmp4(error))).toBe(
      '192.0.2.9 > 192.0.2.1 icmp time exceeded (192.0.2.1:5000 > 192.0.2.2:5001 sctp -)',
    )
  })

  it('prints a malformed packet with its flaw and its first octets', () => {
    expect(printPacket(fromHex(KERNEL.tcp4).slice(0, 8))).toBe(
      'malformed ipv4-truncated: the packet ends within the first 20 octets of the IPv4 header; 8 octets 4510003a12344000',
    )
    expect(printPacket(new Uint8Array(0))).toBe(
      'malformed ip-empty: there is not one octet of a packet; 0 octets ',
    )
    expect(printPacket(fromHex(KERNEL.tcp4).slice(0, 57))).toMatch(/; 57 octets [0-9a-f]{80}…$/)
  })

  it('prints an error that quotes something malformed', () => {
    const error = icmp4({ ...routers, type: 3, code: 3, body: '????' })
    expect(printPacket(error)).toMatch(
      /^192\.0\.2\.1 > 192\.0\.2\.2 icmp port unreachable \(malformed ip-version: /,
    )
    expect(printPacket(icmp4({ ...routers, type: 3, code: 3 }))).toBe(
      '192.0.2.1 > 192.0.2.2 icmp port unreachable',
    )
  })

  it('goes only so deep into packets within packets', () => {
    let nested = tcp4({ source: '10.9.0.1:1', destination: '10.0.0.1:2' })
    for (let depth = 0; depth < 2000; depth++)
      nested = ip4({ ...routers, protocol: PROTOCOL.ipip, payload: nested })
    const hop = '192.0.2.1 > 192.0.2.2 ipip ('
    expect(printPacket(nested)).toBe(`${hop.repeat(4)}…))))`)
  })

  it('prints what lies within other octets', () => {
    const bytes = fromHex(`ffff ${KERNEL.udp4WithOptions} ffff`)
    expect(printPacket(bytes, 2, bytes.length - 2)).toBe('10.9.0.1:3004 > 10.0.0.1:53 udp len 4')
  })

  it('prints one line for every prefix of every packet', () => {
    for (const hex of Object.values(KERNEL)) {
      for (const prefix of prefixes(fromHex(hex))) expect(printPacket(prefix)).toMatch(/^[^\n]+$/)
    }
  })
})
