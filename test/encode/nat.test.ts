import { describe, expect, it } from 'vitest'
import { ConnectionTable } from '../../lib/conn/connection-table.ts'
import { RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'
import { natDelta, rewriteInbound, rewriteOutbound } from '../../lib/encode/nat.ts'
import { OFFLOAD, type Offload } from '../../lib/encode/offload.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { type ConnectionSpec, newConnection } from '../support/connections.ts'
import { expectPacket } from '../support/expect-packet.ts'
import {
  fragment4,
  fragment6,
  ip4,
  ip6,
  type Payload,
  readPacket,
  sctp4,
  sctp6,
  tcp4,
  tcp6,
  udp4,
  udp6,
  withUnfinishedChecksum,
} from '../support/packets.ts'

const CONNECTION_4: ConnectionSpec = {
  client: '10.9.0.1:3000',
  virtual: '10.0.0.1:80',
  destination: '192.168.1.1:8080',
}
const CONNECTION_6: ConnectionSpec = {
  client: '[fd09::1]:3000',
  virtual: '[fd00::1]:80',
  destination: '[fd01::1]:8080',
}

const REQUEST_4 = { source: CONNECTION_4.client, destination: CONNECTION_4.virtual }
const REQUEST_6 = { source: CONNECTION_6.client, destination: CONNECTION_6.virtual }
const REPLY_4 = { source: CONNECTION_4.destination, destination: CONNECTION_4.client }
const REPLY_6 = { source: CONNECTION_6.destination, destination: CONNECTION_6.client }

/** A copy of the packet after the rewriting that the connection asks for. */
function rewritten(
  whole: Uint8Array,
  direction: 'inbound' | 'outbound',
  offload: Offload = OFFLOAD.finished,
  spec = whole[0]! >>> 4 === 4 ? CONNECTION_4 : CONNECTION_6,
): Uint8Array {
  const { words, base } = recordOf(spec)
  const bytes = whole.slice()
  const rewrite = direction === 'inbound' ? rewriteInbound : rewriteOutbound
  rewrite(readPacket(bytes), words, base, offload)
  return bytes
}

function recordOf(spec: ConnectionSpec): { words: Int32Array; base: number } {
  const table = new ConnectionTable({ limit: 1, seed: 0, nowMs: 0 })
  const base = table.create(newConnection(spec), 0) * RECORD_WORDS
  table.words[base + WORD.natDelta] = natDelta(table.words, base)
  return { words: table.words, base }
}

describe('rewriting a client’s packet', () => {
  it('gives it the server’s endpoint, IPv4 and TCP', () => {
    const whole = tcp4({ ...REQUEST_4, flags: 'PA', sequence: 7, payload: 'GET /' })
    expectPacket(rewritten(whole, 'inbound'))
      .ipv4({ source: '10.9.0.1', destination: '192.168.1.1', ttl: 64 })
      .tcp({ sourcePort: 3000, destinationPort: 8080, flags: 'PA', sequence: 7, payload: 'GET /' })
      .checksumsAreValid()
  })

  it('gives it the server’s endpoint, IPv6 and UDP', () => {
    const whole = udp6({ ...REQUEST_6, flowLabel: 0x12345, payload: 'odd' })
    expectPacket(rewritten(whole, 'inbound'))
      .ipv6({ source: 'fd09::1', destination: 'fd01::1', flowLabel: 0x12345, hopLimit: 64 })
      .udp({ sourcePort: 3000, destinationPort: 8080, payload: 'odd' })
      .checksumsAreValid()
  })

  it('keeps options, type of service, identification and flags', () => {
    const kept = {
      trafficClass: 0x2b,
      identification: 0xbeef,
      dontFragment: true,
      options: Uint8Array.of(1, 1, 1, 0),
    }
    expectPacket(rewritten(tcp4({ ...REQUEST_4, ...kept }), 'inbound'))
      .ipv4({ trafficClass: 0x2b, identification: 0xbeef, dontFragment: true, headerBytes: 24 })
      .tcp({ destinationPort: 8080 })
      .checksumsAreValid()
  })

  it('finds the port behind IPv6 extension headers', () => {
    const extensions = [{ protocol: 60, bytes: new Uint8Array(8) }]
    expectPacket(rewritten(tcp6({ ...REQUEST_6, extensions }), 'inbound'))
      .ipv6({ destination: 'fd01::1', headerBytes: 48 })
      .tcp({ destinationPort: 8080 })
      .checksumsAreValid()
  })
})

describe('rewriting a server’s packet', () => {
  it('gives it the virtual endpoint, IPv4 and IPv6, TCP and UDP', () => {
    for (const bytes of [tcp4({ ...REPLY_4, flags: 'SA' }), udp4({ ...REPLY_4, payload: 'answer' })]) {
      expectPacket(rewritten(bytes, 'outbound'))
        .ipv4({ source: '10.0.0.1', destination: '10.9.0.1' })
        .checksumsAreValid()
    }
    for (const bytes of [tcp6({ ...REPLY_6, flags: 'SA' }), udp6({ ...REPLY_6, payload: 'answer' })]) {
      expectPacket(rewritten(bytes, 'outbound'))
        .ipv6({ source: 'fd00::1', destination: 'fd09::1' })
        .checksumsAreValid()
    }
    expectPacket(rewritten(tcp4(REPLY_4), 'outbound')).tcp({ sourcePort: 80, destinationPort: 3000 })
  })

  it('undoes what the other direction does', () => {
    const request = tcp4({ ...REQUEST_4, payload: 'there and back' })
    const atServer = readPacket(rewritten(request, 'inbound'))
    expect(`${atServer.destination}:${atServer.destinationPort}`).toBe(CONNECTION_4.destination)
    expect(rewritten(tcp4(REPLY_4), 'outbound')).toEqual(
      tcp4({ source: CONNECTION_4.virtual, destination: CONNECTION_4.client }),
    )
  })
})

describe('transport checksums', () => {
  it('that are wrong stay wrong: nothing hides a damaged segment', () => {
    const damaged = tcp4({ ...REQUEST_4, payload: 'damaged' })
    damaged[damaged.length - 1]! ^= 0x01
    expect(() => expectPacket(rewritten(damaged, 'inbound')).checksumsAreValid()).toThrow(/transportChecksum/)
  })

  it('are right for every payload word, TCP', () => {
    for (let word = 0; word <= 0xffff; word += 13) {
      const payload = Uint8Array.of(word >>> 8, word & 0xff)
      expectPacket(rewritten(tcp4({ ...REQUEST_4, payload }), 'inbound')).checksumsAreValid()
    }
  })

  it('of UDP that come to 0 are written as 0xffff, for 0 means none', () => {
    const payload = payloadThatSums(REQUEST_4, CONNECTION_4.destination)
    expectPacket(rewritten(udp4({ ...REQUEST_4, payload }), 'inbound'))
      .udp({ checksum: 0xffff })
      .checksumsAreValid()
  })

  it('of UDP that are absent are computed, as IPVS does, in both directions', () => {
    const request = udp4({ ...REQUEST_4, hasChecksum: false, payload: 'zero' })
    expectPacket(request).udp({ checksum: 0 })
    const atServer = rewritten(request, 'inbound')
    expectPacket(atServer).udp({ payload: 'zero' }).checksumsAreValid()
    expect(() => expectPacket(atServer).udp({ checksum: 0 })).toThrow()
    const reply = rewritten(udp4({ ...REPLY_4, hasChecksum: false, payload: 'zero' }), 'outbound')
    expect(() => expectPacket(reply).udp({ checksum: 0 })).toThrow()
    expectPacket(reply).checksumsAreValid()
  })

  it('that are left to offload are finished', () => {
    for (const whole of [
      tcp4({ ...REQUEST_4, flags: 'S' }),
      udp4({ ...REQUEST_4, payload: 'odd' }),
      tcp6({ ...REQUEST_6, payload: 'even' }),
      udp6(REQUEST_6),
    ]) {
      const unfinished = withUnfinishedChecksum(whole)
      expect(() => expectPacket(unfinished).checksumsAreValid()).toThrow()
      expect(rewritten(unfinished, 'inbound', OFFLOAD.unfinished)).toEqual(rewritten(whole, 'inbound'))
    }
  })

  it('of super-packets are left to the kernel, which segments them afterwards', () => {
    const whole = withUnfinishedChecksum(tcp4({ ...REQUEST_4, payload: 'x'.repeat(4000) }))
    const bytes = rewritten(whole, 'inbound', OFFLOAD.unfinishedSuper)
    expectPacket(bytes)
      .ipv4({ destination: '192.168.1.1' })
      .tcp({ destinationPort: 8080 })
      .headerChecksumIsValid()
    expect(bytes.subarray(36, 38)).toEqual(whole.subarray(36, 38))
  })
})

describe('SCTP', () => {
  const crcOf = (bytes: Uint8Array) => bytes.subarray(28, 32)

  it('is given the port and a checksum computed afresh, in both directions', () => {
    const request = sctp4({ ...REQUEST_4, verificationTag: 7, chunks: [['data', 'odd']] })
    expectPacket(rewritten(request, 'inbound'))
      .ipv4({ source: '10.9.0.1', destination: '192.168.1.1' })
      .sctp({ sourcePort: 3000, destinationPort: 8080, verificationTag: 7, payload: request.slice(32) })
      .checksumsAreValid()
    expectPacket(rewritten(sctp6({ ...REPLY_6, chunks: [['initAck', 'x'.repeat(99)]] }), 'outbound'))
      .ipv6({ source: 'fd00::1', destination: 'fd09::1' })
      .sctp({ sourcePort: 80, destinationPort: 3000 })
      .checksumsAreValid()
  })

  it('keeps its checksum where the port does not change, even a wrong one', () => {
    const samePort = { ...CONNECTION_4, destination: '192.168.1.1:80' }
    const damaged = sctp4(REQUEST_4)
    damaged[28]! ^= 0x01
    const bytes = rewritten(damaged, 'inbound', OFFLOAD.finished, samePort)
    expectPacket(bytes).ipv4({ destination: '192.168.1.1' }).headerChecksumIsValid()
    expect(bytes.subarray(20)).toEqual(damaged.subarray(20))
  })

  it('is finished where offload left it, whether the port changes or not', () => {
    for (const port of [80, 8080]) {
      const spec = { ...CONNECTION_4, destination: `192.168.1.1:${port}` }
      const whole = sctp4({ ...REQUEST_4, chunks: [['data', 'payload']] })
      const unfinished = withUnfinishedChecksum(whole)
      expect(() => expectPacket(unfinished).checksumsAreValid()).toThrow(/transportChecksum/)
      const bytes = rewritten(unfinished, 'inbound', OFFLOAD.unfinished, spec)
      expectPacket(bytes).sctp({ destinationPort: port }).checksumsAreValid()
    }
  })

  it('super-packet’s checksum is left to the kernel', () => {
    const unfinished = withUnfinishedChecksum(sctp4({ ...REQUEST_4, chunks: [['data', 'x'.repeat(4000)]] }))
    const bytes = rewritten(unfinished, 'inbound', OFFLOAD.unfinishedSuper)
    expectPacket(bytes).sctp({ destinationPort: 8080, checksum: 0 })
  })

  it('fragment’s checksum is left alone: it covers what is elsewhere', () => {
    const [first] = fragment4(sctp4({ ...REQUEST_4, chunks: [['data', 'x'.repeat(64)]] }), 32)
    const bytes = rewritten(first!, 'inbound')
    expectPacket(bytes).ipv4({ moreFragments: true }).sctp({ destinationPort: 8080 }).headerChecksumIsValid()
    expect(crcOf(bytes)).toEqual(crcOf(first!))
  })
})

describe('AH and ESP', () => {
  const exchange4 = { client: '10.9.0.1:500', virtual: '10.0.0.1:500', destination: '192.168.1.9:4500' }
  const exchange6 = { client: '[fd09::1]:500', virtual: '[fd00::1]:500', destination: '[fd01::9]:4500' }

  it.each([PROTOCOL.esp, PROTOCOL.ah])('are given addresses and nothing else: protocol %i', (protocol) => {
    const payload = '\x00\x00\x01\xf4 SPI and more'
    for (const offload of [OFFLOAD.finished, OFFLOAD.unfinished]) {
      const request = ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol, payload })
      expectPacket(rewritten(request, 'inbound', offload, exchange4))
        .ipv4({ source: '10.9.0.1', destination: '192.168.1.9', protocol })
        .payload(payload)
        .headerChecksumIsValid()
      const reply = ip4({ source: '192.168.1.9', destination: '10.9.0.1', protocol, payload })
      expectPacket(rewritten(reply, 'outbound', offload, exchange4))
        .ipv4({ source: '10.0.0.1', destination: '10.9.0.1', protocol })
        .payload(payload)
        .headerChecksumIsValid()
    }
  })

  it('over IPv6 too', () => {
    const request = ip6({
      source: 'fd09::1',
      destination: 'fd00::1',
      protocol: PROTOCOL.esp,
      payload: 'secret',
    })
    expectPacket(rewritten(request, 'inbound', OFFLOAD.finished, exchange6))
      .ipv6({ source: 'fd09::1', destination: 'fd01::9', protocol: PROTOCOL.esp })
      .payload('secret')
  })
})

describe('fragments', () => {
  it('but the first are given the address alone', () => {
    const [, later] = fragment4(udp4({ ...REQUEST_4, payload: 'x'.repeat(64) }), 32)
    const bytes = rewritten(later!, 'inbound')
    expectPacket(bytes).ipv4({ destination: '192.168.1.1' }).headerChecksumIsValid()
    expect(bytes.subarray(20)).toEqual(later!.subarray(20))
    const [, later6] = fragment6(udp6({ ...REQUEST_6, payload: 'x'.repeat(64) }), 32)
    const bytes6 = rewritten(later6!, 'inbound')
    expectPacket(bytes6).ipv6({ destination: 'fd01::1' })
    expect(bytes6.subarray(40)).toEqual(later6!.subarray(40))
  })

  it('add up again to a datagram with a right checksum', () => {
    const whole = udp4({ ...REQUEST_4, payload: 'x'.repeat(64) })
    const parts = fragment4(whole, 32).map((part) => rewritten(part, 'inbound').subarray(20))
    const expected = rewritten(whole, 'inbound')
    expect(Buffer.concat(parts).equals(expected.subarray(20))).toBe(true)
  })

  it('without a checksum stay without: it would have to cover what is elsewhere', () => {
    const [first] = fragment4(udp4({ ...REQUEST_4, hasChecksum: false, payload: 'x'.repeat(64) }), 32)
    const bytes = rewritten(first!, 'inbound')
    expect(bytes.subarray(26, 28)).toEqual(Uint8Array.of(0, 0))
    expectPacket(bytes).ipv4({ moreFragments: true }).udp({ destinationPort: 8080 })
  })
})

describe('a connection whose rewriting changes nothing', () => {
  it('leaves the packet as it was', () => {
    const identity = { ...CONNECTION_4, destination: CONNECTION_4.virtual }
    const whole = tcp4({ ...REQUEST_4, payload: 'same' })
    expect(rewritten(whole, 'inbound', OFFLOAD.finished, identity)).toEqual(whole)
  })
})

/** Two octets of payload with which the datagram's checksum, rewritten to `destination`, is computed as 0. */
function payloadThatSums(ends: typeof REQUEST_4, destination: string): Payload {
  const rest = readPacket(udp4({ source: ends.source, destination, payload: Uint8Array.of(0, 0) }))
  return rest.bytes.slice(rest.transportStart + 6, rest.transportStart + 8)
}
