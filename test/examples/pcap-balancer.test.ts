import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runExample } from '../support/examples.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { parsePcap } from '../support/lab/pcap.ts'
import { tcp4, tcp6, udp4 } from '../support/packets.ts'

const CLIENT = '10.9.0.1:3000'
const VIRTUAL = '10.0.0.1:80'
const SERVERS = ['192.168.1.1:8080', '192.168.1.2:8080']
const SERVICE = ['tcp:10.0.0.1:80', 'rr', ...SERVERS]
const STARTED_SEC = 1_696_785_932

const SYN = tcp4({ source: CLIENT, destination: VIRTUAL, flags: 'S' })
const SYN_ACK = tcp4({ source: '192.168.1.2:8080', destination: CLIENT, flags: 'SA' })

interface Layout {
  readonly littleEndian?: boolean
  readonly nanoseconds?: boolean
  /** What stands in front of every packet: an Ethernet header, whose last two octets tell the protocol. */
  readonly link?: Uint8Array
}

/** A capture, one packet a second. */
function pcap(
  packets: readonly Uint8Array[],
  { littleEndian = true, nanoseconds = false, link }: Layout = {},
) {
  const words = (...values: readonly number[]) => {
    const view = new DataView(new ArrayBuffer(4 * values.length))
    for (const [index, value] of values.entries()) view.setUint32(4 * index, value, littleEndian)
    return new Uint8Array(view.buffer)
  }
  const version = littleEndian ? 0x0004_0002 : 0x0002_0004
  const magic = nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4
  const records = packets.flatMap((packet, index) => {
    const bytes = (link?.length ?? 0) + packet.length
    const header = words(STARTED_SEC + index, nanoseconds ? 123_456_789 : 123_456, bytes, bytes)
    return [header, link ?? new Uint8Array(), packet]
  })
  return Buffer.concat([words(magic, version, 0, 0, 262_144, link ? 1 : 101), ...records])
}

const ethernet = (...etherTypes: readonly number[]) =>
  Uint8Array.from([...Array(12).fill(2), ...etherTypes.flatMap((each) => [each >>> 8, each & 0xff])])

let directory: string
let input: string
let output: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'pcap-balancer-'))
  input = join(directory, 'in.pcap')
  output = join(directory, 'out.pcap')
})

afterAll(() => rmSync(directory, { recursive: true }))

/** Balances a capture of these packets; returns what was printed and the frames that went on. */
async function balance(capture: Uint8Array, service: readonly string[] = SERVICE) {
  writeFileSync(input, capture)
  const { status, stdout, stderr } = await runExample('pcap-balancer.mjs', [input, output, ...service])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return { lines: stdout.trimEnd().split('\n'), frames: parsePcap(readFileSync(output)) }
}

describe('the example that balances a recording', () => {
  it.each<[string, Layout]>([
    ['little-endian, microseconds, raw IP', {}],
    ['big-endian, nanoseconds, raw IP', { littleEndian: false, nanoseconds: true }],
    ['little-endian, nanoseconds, Ethernet', { nanoseconds: true, link: ethernet(0x0800) }],
    [
      'big-endian, microseconds, Ethernet with two VLAN tags',
      { littleEndian: false, link: ethernet(0x8100, 7, 0x8100, 8, 0x0800) },
    ],
  ])('rewrites requests and answers, and keeps their times: %s', async (_title, layout) => {
    const { frames, lines } = await balance(pcap([SYN, SYN_ACK], layout))
    expect(frames.map(({ timestampUs }) => timestampUs)).toEqual([
      STARTED_SEC * 1e6 + 123_456,
      (STARTED_SEC + 1) * 1e6 + 123_456,
    ])
    expectPacket(frames[0]!.packet)
      .ipv4({ source: '10.9.0.1', destination: '192.168.1.2', ttl: 63 })
      .tcp({ sourcePort: 3000, destinationPort: 8080, flags: 'S' })
      .checksumsAreValid()
    expectPacket(frames[1]!.packet)
      .ipv4({ source: '10.0.0.1', destination: '10.9.0.1' })
      .tcp({ sourcePort: 80, destinationPort: 3000, flags: 'SA' })
      .checksumsAreValid()
    expect(lines).toEqual([
      '       2 rewrite',
      '192.168.1.2:8080: 1 connections, 1 packets in, 1 out',
      '192.168.1.1:8080: 0 connections, 0 packets in, 0 out',
    ])
  })

  it('balances IPv6', async () => {
    const syn = tcp6({ source: '[fd00::9]:3000', destination: '[fd00::1]:80', flags: 'S' })
    const { frames } = await balance(pcap([syn]), ['tcp:[fd00::1]:80', 'wlc', '[fd01::1]:80'])
    expectPacket(frames[0]!.packet)
      .ipv6({ destination: 'fd01::1', hopLimit: 63 })
      .tcp({ flags: 'S' })
      .checksumsAreValid()
  })

  it('counts every verdict by its reason, and writes what is not the director’s as it was', async () => {
    const stranger = udp4({ source: CLIENT, destination: '10.5.5.5:53', payload: 'abc' })
    const lost = tcp4({ source: CLIENT, destination: '10.0.0.1:80', flags: 'SA' })
    const expired = tcp4({ source: '10.9.0.2:1', destination: VIRTUAL, flags: 'S', ttl: 1 })
    const damaged = SYN.slice()
    damaged[0] = 0x42
    const { frames, lines } = await balance(pcap([stranger, SYN, lost, expired, damaged]))
    expect(lines.slice(0, -2)).toEqual([
      '       1 accept no-connection',
      '       2 rewrite',
      '       1 drop hop-limit-exceeded',
      '       1 answered by ICMP',
      expect.stringMatching(/^ {7}1 drop ip/),
    ])
    expect(frames).toHaveLength(4)
    expect(frames[0]!.packet).toEqual(stranger)
    expectPacket(frames[3]!.packet).ipv4({ source: '10.0.0.1', destination: '10.9.0.2', protocol: 1 })
  })

  it('leaves out what is no IP', async () => {
    const arp = new Uint8Array(28)
    const { frames, lines } = await balance(pcap([arp], { link: ethernet(0x0806) }))
    expect(frames).toEqual([])
    expect(lines[0]).toBe('       1 no IP packet')
  })

  it('takes a frame too short for Ethernet for no IP packet', async () => {
    const { lines } = await balance(pcap([new Uint8Array(0)], { link: new Uint8Array(13) }))
    expect(lines[0]).toBe('       1 no IP packet')
  })

  it('lives by the clock of the recording: after five minutes of silence a datagram is a new connection', async () => {
    const datagram = udp4({ source: CLIENT, destination: '10.0.0.1:53', payload: 'abc' })
    const capture = pcap([datagram, datagram, datagram])
    capture.writeUInt32LE(STARTED_SEC + 400, 24 + 2 * (16 + datagram.length))
    const { lines } = await balance(capture, ['udp:10.0.0.1:53', 'rr', ...SERVERS])
    expect(lines).toEqual([
      '       3 rewrite',
      '192.168.1.2:8080: 1 connections, 2 packets in, 0 out',
      '192.168.1.1:8080: 1 connections, 1 packets in, 0 out',
    ])
  })

  it('outlives a clock that leaps by a century and back', async () => {
    const capture = pcap([SYN, SYN_ACK, SYN])
    capture.writeUInt32LE(0xffff_ffff, 24 + 16 + SYN.length)
    const { lines } = await balance(capture)
    expect(lines.slice(0, 2)).toEqual(['       2 rewrite', '       1 accept no-connection'])
  })

  it('does the same with the same recording, draws of chance included', async () => {
    const syns = Array.from({ length: 20 }, (_, client) =>
      tcp4({ source: `10.9.1.${client}:3000`, destination: VIRTUAL, flags: 'S' }),
    )
    const service = ['tcp:10.0.0.1:80', 'twos', ...SERVERS]
    const first = await balance(pcap(syns), service)
    expect(await balance(pcap(syns), service)).toEqual(first)
    expect(first.lines[0]).toBe('      20 rewrite')
  })
})

describe('it says in a line what is wrong, and writes nothing', () => {
  const good = pcap([SYN])
  const cases: readonly [string, Uint8Array, readonly string[], RegExp][] = [
    ['an empty file', new Uint8Array(), SERVICE, /in\.pcap is no pcap file: it has 0 bytes$/],
    [
      'a file of another kind',
      Buffer.from('#!/bin/sh\n'.repeat(9)),
      SERVICE,
      /is no pcap file: it begins with 0x23212f62$/,
    ],
    [
      'a pcapng file',
      Buffer.from('0a0d0d0a'.repeat(9), 'hex'),
      SERVICE,
      /is a pcapng file: 'tcpdump -r .* makes it a pcap file$/,
    ],
    [
      'another link type',
      Buffer.concat([good.subarray(0, 20), Buffer.of(113, 0, 0, 0), good.subarray(24)]),
      SERVICE,
      /is of link type 113, expected Ethernet \(1\) or raw IP \(101\)$/,
    ],
    ['a packet cut short', good.subarray(0, -1), SERVICE, /is cut short in record 1$/],
    [
      'a record header cut short',
      Buffer.concat([good, good.subarray(24, 30)]),
      SERVICE,
      /is cut short in record 2$/,
    ],
    [
      'a record longer than any',
      Buffer.concat([good.subarray(0, 32), Buffer.of(255, 255, 255, 127), good.subarray(36)]),
      SERVICE,
      /is damaged: record 1 has 2147483647 bytes$/,
    ],
    [
      'no server',
      good,
      ['tcp:10.0.0.1:80', 'rr'],
      /^usage: pcap-balancer\.mjs IN\.pcap OUT\.pcap SERVICE SCHEDULER SERVER/,
    ],
    [
      'a service that is none',
      good,
      ['10.0.0.1', 'rr', '192.168.1.1:80'],
      /^service '10\.0\.0\.1': expected something like tcp:10/,
    ],
    [
      'a server that is none',
      good,
      ['tcp:10.0.0.1:80', 'rr', '192.168.1.1'],
      /^server '192\.168\.1\.1': expected something like/,
    ],
    ['a server of the other family', good, ['tcp:10.0.0.1:80', 'rr', '[fd00::1]:80'], /fd00::1 is not IPv4/],
    [
      'a scheduler that is none',
      good,
      ['tcp:10.0.0.1:80', 'rx', '192.168.1.1:80'],
      /^scheduler 'rx' is not one of: rr/,
    ],
  ]

  it.each(cases)('%s', async (_title, capture, service, message) => {
    rmSync(output, { force: true })
    writeFileSync(input, capture)
    const { status, stdout, stderr } = await runExample('pcap-balancer.mjs', [input, output, ...service])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr.trimEnd()).toMatch(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(readdirSync(directory)).toEqual(['in.pcap'])
  })

  it('a file that is not there', async () => {
    rmSync(output, { force: true })
    const { status, stderr } = await runExample('pcap-balancer.mjs', [`${input}.not`, output, ...SERVICE])
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^ENOENT: no such file .*in\.pcap\.not'\n$/),
    })
    expect(readdirSync(directory)).toEqual(['in.pcap'])
  })
})
