/** What is mutated: packets recorded from kernels and built by others, and of every kind that those lack one of our own. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TCP_FLAG } from '../lib/wire/tcp.ts'
import { PACKAGE_ROOT } from '../test/support/lab/compile.ts'
import {
  fragment4,
  fragment6,
  fromHex,
  icmp4,
  icmp6,
  ip4,
  ip6,
  sctp4,
  sctp6,
  tcp4,
  tcp6,
  udp4,
  udp6,
  withUnfinishedChecksum,
} from '../test/support/packets.ts'
import { KERNEL, SCAPY } from '../test/vectors/wire-packets.ts'

interface Recording {
  readonly cases: readonly {
    readonly steps: readonly { readonly hex: string; readonly out: readonly { readonly hex: string }[] }[]
  }[]
}

/** Endpoints that a packet is given which is to be aimed elsewhere later. */
const V4 = { source: '10.9.0.1:3000', destination: '10.0.0.1:80' }
const V6 = { source: '[fd09::1]:3000', destination: '[fd00::1]:80' }
const FROM_SERVER = { source: '192.168.1.1:21', destination: '10.9.0.1:3000' }

/** Both families of what is built the same in each. */
const both = <Options extends object>(
  four: (options: typeof V4 & Options) => Uint8Array,
  six: (options: typeof V6 & Options) => Uint8Array,
  options: Options,
): Uint8Array[] => [four({ ...V4, ...options }), six({ ...V6, ...options })]

const TCP_OPTIONS = {
  /** MSS, SACK permitted, timestamps, window scale: what a SYN carries. */
  syn: '020405b4 0402 080a00000001 00000000 01 030307',
  /** Two blocks of SACK. RFC 2018 §3. */
  sack: '0101 0512 0000000100000002 0000000300000004',
  /** A length that leads beyond the options. */
  spoiled: '0522 0000',
} as const

const FTP_TEXTS = {
  request: ['PASV\r\n', 'EPSV\r\n', 'EPSV 2\r\n', 'PORT 10,9,0,1,15,160\r\n', 'EPRT |2|fd09::1|4000|\r\n'],
  reply: [
    '227 Entering Passive Mode (192,168,1,1,156,64).\r\n',
    '229 Entering Extended Passive Mode (|||40001|)\r\n',
    '200 PORT command successful.\r\n',
  ],
} as const

const SIP = [
  'INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.0.1\r\nCall-ID: a84b4c76e66710@10.9.0.1\r\n\r\n',
  'SIP/2.0 200 OK\r\ni: a84b4c76e66710@10.9.0.1\r\n\r\n',
  'SIP/2.0 200 OK\r\nCall-ID:\r\n continued\r\n\r\n',
]

const EXTENSIONS = [
  [{ protocol: 0, bytes: fromHex('00 00 0104 00000000') }],
  [
    { protocol: 0, bytes: fromHex('00 00 0104 00000000') },
    { protocol: 43, bytes: fromHex('00 02 0001 00000000 fd00 0000 0000 0000 0000 0000 0000 0002') },
    { protocol: 60, bytes: fromHex('00 00 0104 00000000') },
  ],
  [{ protocol: 44, bytes: fromHex('00 00 0000 00000007') }],
  [{ protocol: 51, bytes: fromHex('00 04 0000 00000001 00000001 6162636465666768 00000000') }],
]

/** Every kind of packet that the director tells from others. */
function built(): Uint8Array[] {
  const long = new Uint8Array(1400).fill(0x41)
  const segments = ['S', 'SA', 'A', 'PA', 'FA', 'R', 'RA', '', 'FSRPAUEC'].flatMap((flags) =>
    both(tcp4, tcp6, { flags, payload: flags.includes('P') ? 'hello' : '' }),
  )
  const withOptions = Object.values(TCP_OPTIONS).flatMap((hex) =>
    both(tcp4, tcp6, { flags: 'A', tcpOptions: fromHex(hex) }),
  )
  const ftp = [
    ...FTP_TEXTS.request.flatMap((payload) => both(tcp4, tcp6, { flags: 'PA', payload })),
    ...FTP_TEXTS.reply.map((payload) => tcp4({ ...FROM_SERVER, flags: 'PA', payload })),
  ]
  const datagrams = ['', 'x', 'hello'].flatMap((payload) => both(udp4, udp6, { payload }))
  const chunks = ['data', 'init', 'initAck', 'cookieEcho', 'cookieAck', 'shutdown', 'abort'] as const
  const sctp = chunks.flatMap((chunk) => both(sctp4, sctp6, { chunks: [[chunk, 'abcd'], ['data']] as const }))
  return [
    ...segments,
    ...withOptions,
    ...ftp,
    ...datagrams,
    udp4({ ...V4, hasChecksum: false }),
    ...SIP.flatMap((payload) => both(udp4, udp6, { payload })),
    ...sctp,
    ...both(tcp4, tcp6, { flags: 'A', payload: long }),
    ...both(udp4, udp6, { payload: long }),
    tcp4({ ...V4, dontFragment: true, payload: long }),
    tcp4({ ...V4, options: fromHex('01010101'), ttl: 1 }),
    ...both(tcp4, tcp6, { flags: 'A', payload: new Uint8Array(4000) }).map(withUnfinishedChecksum),
    ...EXTENSIONS.flatMap((extensions) => [tcp6({ ...V6, extensions }), udp6({ ...V6, extensions })]),
    ...fragment4(udp4({ ...V4, payload: 'fragmented '.repeat(8) }), 32),
    ...fragment6(udp6({ ...V6, payload: 'fragmented '.repeat(8) }), 32),
    icmp4({ ...V4, type: 8, body: 'ping' }),
    icmp6({ ...V6, type: 128, body: 'ping' }),
    ip4({ ...V4, protocol: 50, payload: 'security' }),
    ip6({ ...V6, protocol: 50, payload: 'security' }),
    ip4({ ...V4, protocol: 4, payload: tcp4(V4) }),
    ip4({ ...V4, protocol: 41, payload: tcp6(V6) }),
    ip4({ ...V4, protocol: 47, payload: fromHex('0000 0800') }),
  ]
}

/** Recorded packets, those that came and those that left. */
function recorded(): Uint8Array[] {
  const path = join(PACKAGE_ROOT, 'test', 'vectors', 'packets-golden.json')
  const { cases } = JSON.parse(readFileSync(path, 'utf8')) as Recording
  const texts = cases.flatMap(({ steps }) =>
    steps.flatMap(({ hex, out }) => [hex, ...out.map((each) => each.hex)]),
  )
  return [...new Set(texts)].map(fromHex)
}

/** Sound packets, each of another kind or origin; none longer than an Ethernet frame's by much. */
export const SEEDS: readonly Uint8Array[] = [
  ...Object.values(KERNEL).map(fromHex),
  ...Object.values(SCAPY).map(fromHex),
  ...recorded(),
  ...built(),
]

/** The flag bits of TCP that make one packet another. */
export const TCP_FLAG_SETS: readonly number[] = [
  TCP_FLAG.syn,
  TCP_FLAG.syn | TCP_FLAG.ack,
  TCP_FLAG.ack,
  TCP_FLAG.fin | TCP_FLAG.ack,
  TCP_FLAG.rst,
  0,
]
