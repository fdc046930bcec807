/**
 * The big table: given these services, when this packet comes, then this verdict and this packet out. A packet out is
 * written as it must be, octet for octet; what is not said of it is as it came in.
 */

import { OFFLOAD } from '../../lib/encode/offload.ts'
import type { ForwardingMethod } from '../../lib/service/destination.ts'
import {
  fragment4,
  fragment6,
  icmp4,
  icmp6,
  ip4,
  ip6,
  tcp4,
  tcp6,
  udp4,
  udp6,
  withUnfinishedChecksum,
} from '../support/packets.ts'
import { type DestinationSpec, DIRECTOR_4, DIRECTOR_6, type Sending } from '../support/stage.ts'

export interface ForwardingCase {
  readonly name: string
  /** Services and their one destination each, by round robin. */
  readonly given: readonly Given[]
  /** Packets in their order, each with what becomes of it. */
  readonly when: readonly When[]
}

export interface Given extends DestinationSpec {
  readonly service: string
  /** Left out where the service has none. */
  readonly to?: string
}

export interface When extends Sending {
  readonly from: 'client' | 'server'
  readonly packet: Uint8Array
  readonly verdict: ExpectedVerdict
}

export type ExpectedVerdict =
  | { readonly kind: 'rewrite' | 'direct' | 'send'; readonly out: Uint8Array; readonly destination: string }
  | { readonly kind: 'accept'; readonly reason: string; readonly destination?: string }
  | { readonly kind: 'absorb'; readonly reason: '' }
  | { readonly kind: 'drop'; readonly reason: string; readonly answer: Uint8Array | null }

const CLIENT_4 = '10.9.0.1:3000'
const VIP_4 = '10.0.0.1:80'
const SERVER_4 = '192.168.1.1:8080'
const CLIENT_6 = '[fd09::1]:3000'
const VIP_6 = '[fd00::1]:80'
const SERVER_6 = '[fd01::1]:8080'
/** Of gatewaying and tunnels: the virtual port, for nothing is rewritten. */
const SERVER_4_PORT_80 = '192.168.1.1:80'
const SERVER_6_PORT_80 = '[fd01::1]:80'

/** The director's first identification on a stage. */
const FIRST_ID = 0x8001

interface Transport {
  readonly name: 'tcp' | 'udp'
  /** A packet that may start a connection, and one that answers it. */
  readonly request4: (options: Parameters<typeof tcp4>[0]) => Uint8Array
  readonly request6: (options: Parameters<typeof tcp6>[0]) => Uint8Array
  readonly reply4: (options: Parameters<typeof tcp4>[0]) => Uint8Array
  readonly reply6: (options: Parameters<typeof tcp6>[0]) => Uint8Array
}

const TCP: Transport = {
  name: 'tcp',
  request4: (options) => tcp4({ flags: 'S', ...options }),
  request6: (options) => tcp6({ flags: 'S', ...options }),
  reply4: (options) => tcp4({ flags: 'SA', ...options }),
  reply6: (options) => tcp6({ flags: 'SA', ...options }),
}
const UDP: Transport = {
  name: 'udp',
  request4: (options) => udp4({ payload: 'question', ...options }),
  request6: (options) => udp6({ payload: 'question', ...options }),
  reply4: (options) => udp4({ payload: 'an answer', ...options }),
  reply6: (options) => udp6({ payload: 'an answer', ...options }),
}

/** Every method, by either transport and in either family, there and back. */
const methods = ({ name, request4, request6, reply4, reply6 }: Transport): readonly ForwardingCase[] => [
  {
    name: `masquerading, ${name}, IPv4: the server’s endpoint there, the virtual one back`,
    given: [{ service: `${name}:${VIP_4}`, to: SERVER_4, method: 'masquerading' }],
    when: [
      {
        from: 'client',
        packet: request4({ source: CLIENT_4, destination: VIP_4 }),
        verdict: {
          kind: 'rewrite',
          out: request4({ source: CLIENT_4, destination: SERVER_4, ttl: 63 }),
          destination: SERVER_4,
        },
      },
      {
        from: 'server', // forwarded, so the kernel has counted this hop
        packet: reply4({ source: SERVER_4, destination: CLIENT_4, ttl: 63 }),
        verdict: {
          kind: 'rewrite',
          out: reply4({ source: VIP_4, destination: CLIENT_4, ttl: 63 }),
          destination: SERVER_4,
        },
      },
    ],
  },
  {
    name: `masquerading, ${name}, IPv6: the server’s endpoint there, the virtual one back`,
    given: [{ service: `${name}:${VIP_6}`, to: SERVER_6, method: 'masquerading' }],
    when: [
      {
        from: 'client',
        packet: request6({ source: CLIENT_6, destination: VIP_6 }),
        verdict: {
          kind: 'rewrite',
          out: request6({ source: CLIENT_6, destination: SERVER_6, hopLimit: 63 }),
          destination: SERVER_6,
        },
      },
      {
        from: 'server',
        packet: reply6({ source: SERVER_6, destination: CLIENT_6 }),
        verdict: {
          kind: 'rewrite',
          out: reply6({ source: VIP_6, destination: CLIENT_6 }),
          destination: SERVER_6,
        },
      },
    ],
  },
  {
    name: `gatewaying, ${name}, IPv4: one hop on, else untouched; an answer that passes by is let through`,
    given: [{ service: `${name}:${VIP_4}`, to: SERVER_4_PORT_80, method: 'gatewaying' }],
    when: [
      {
        from: 'client',
        packet: request4({ source: CLIENT_4, destination: VIP_4 }),
        verdict: {
          kind: 'direct',
          out: request4({ source: CLIENT_4, destination: VIP_4, ttl: 63 }),
          destination: SERVER_4_PORT_80,
        },
      },
      {
        from: 'server',
        packet: reply4({ source: VIP_4, destination: CLIENT_4 }),
        verdict: { kind: 'accept', reason: '', destination: SERVER_4_PORT_80 },
      },
    ],
  },
  {
    name: `gatewaying, ${name}, IPv6: one hop on, else untouched; an answer that passes by is let through`,
    given: [{ service: `${name}:${VIP_6}`, to: SERVER_6_PORT_80, method: 'gatewaying' }],
    when: [
      {
        from: 'client',
        packet: request6({ source: CLIENT_6, destination: VIP_6 }),
        verdict: {
          kind: 'direct',
          out: request6({ source: CLIENT_6, destination: VIP_6, hopLimit: 63 }),
          destination: SERVER_6_PORT_80,
        },
      },
      {
        from: 'server',
        packet: reply6({ source: VIP_6, destination: CLIENT_6 }),
        verdict: { kind: 'accept', reason: '', destination: SERVER_6_PORT_80 },
      },
    ],
  },
  {
    name: `ipip, ${name}, IPv4 in IPv4: the packet one hop on behind a header of our own`,
    given: [{ service: `${name}:${VIP_4}`, to: SERVER_4_PORT_80, method: 'ipip' }],
    when: [
      {
        from: 'client',
        packet: request4({ source: CLIENT_4, destination: VIP_4, dontFragment: true }),
        verdict: {
          kind: 'send',
          out: ip4({
            source: DIRECTOR_4,
            destination: '192.168.1.1',
            protocol: 4,
            ttl: 63,
            dontFragment: true,
            identification: 0,
            payload: request4({ source: CLIENT_4, destination: VIP_4, dontFragment: true, ttl: 63 }),
          }),
          destination: SERVER_4_PORT_80,
        },
      },
      {
        from: 'server',
        packet: reply4({ source: VIP_4, destination: CLIENT_4 }),
        verdict: { kind: 'accept', reason: '', destination: SERVER_4_PORT_80 },
      },
    ],
  },
  {
    name: `ipip, ${name}, IPv6 in IPv6`,
    given: [{ service: `${name}:${VIP_6}`, to: SERVER_6_PORT_80, method: 'ipip' }],
    when: [
      {
        from: 'client',
        packet: request6({ source: CLIENT_6, destination: VIP_6, trafficClass: 0x2b }),
        verdict: {
          kind: 'send',
          out: ip6({
            source: DIRECTOR_6,
            destination: 'fd01::1',
            protocol: 41,
            hopLimit: 63,
            trafficClass: 0x2a,
            payload: request6({ source: CLIENT_6, destination: VIP_6, trafficClass: 0x2b, hopLimit: 63 }),
          }),
          destination: SERVER_6_PORT_80,
        },
      },
    ],
  },
  {
    name: `ipip, ${name}, IPv6 in IPv4`,
    given: [{ service: `${name}:${VIP_6}`, to: SERVER_4_PORT_80, method: 'ipip' }],
    when: [
      {
        from: 'client',
        packet: request6({ source: CLIENT_6, destination: VIP_6 }),
        verdict: {
          kind: 'send',
          out: ip4({
            source: DIRECTOR_4,
            destination: '192.168.1.1',
            protocol: 41,
            ttl: 63,
            identification: FIRST_ID,
            payload: request6({ source: CLIENT_6, destination: VIP_6, hopLimit: 63 }),
          }),
          destination: SERVER_4_PORT_80,
        },
      },
    ],
  },
  {
    name: `ipip, ${name}, IPv4 in IPv6`,
    given: [{ service: `${name}:${VIP_4}`, to: SERVER_6_PORT_80, method: 'ipip' }],
    when: [
      {
        from: 'client',
        packet: request4({ source: CLIENT_4, destination: VIP_4 }),
        verdict: {
          kind: 'send',
          out: ip6({
            source: DIRECTOR_6,
            destination: 'fd01::1',
            protocol: 4,
            hopLimit: 63,
            payload: request4({ source: CLIENT_4, destination: VIP_4, ttl: 63 }),
          }),
          destination: SERVER_6_PORT_80,
        },
      },
    ],
  },
]

const WEB_4: Given = { service: `tcp:${VIP_4}`, to: SERVER_4 }
const DNS_4: Given = { service: `udp:${VIP_4}`, to: SERVER_4 }
const REQUEST_4 = { source: CLIENT_4, destination: VIP_4 }
const REQUEST_6 = { source: CLIENT_6, destination: VIP_6 }
const SYN_4 = tcp4({ ...REQUEST_4, flags: 'S' })
const NOT_OURS = (reason: string): ExpectedVerdict => ({ kind: 'accept', reason })

const CHECKSUMS: readonly ForwardingCase[] = [
  {
    name: 'a datagram without checksum leaves a masquerading director with one',
    given: [DNS_4],
    when: [
      {
        from: 'client',
        packet: udp4({ ...REQUEST_4, hasChecksum: false, payload: 'odd' }),
        verdict: {
          kind: 'rewrite',
          out: udp4({ source: CLIENT_4, destination: SERVER_4, ttl: 63, payload: 'odd' }),
          destination: SERVER_4,
        },
      },
    ],
  },
  {
    name: 'a datagram without checksum stays without by direct routing',
    given: [{ ...DNS_4, to: SERVER_4_PORT_80, method: 'gatewaying' }],
    when: [
      {
        from: 'client',
        packet: udp4({ ...REQUEST_4, hasChecksum: false, payload: 'odd' }),
        verdict: {
          kind: 'direct',
          out: udp4({ ...REQUEST_4, hasChecksum: false, payload: 'odd', ttl: 63 }),
          destination: SERVER_4_PORT_80,
        },
      },
    ],
  },
  ...(['masquerading', 'gatewaying', 'ipip'] as const).map((method) => unfinished(method)),
  {
    name: 'a super-packet’s checksum is left to the kernel, and its length is no reason to refuse it',
    given: [WEB_4],
    when: [
      {
        from: 'client',
        packet: SYN_4,
        verdict: {
          kind: 'rewrite',
          out: tcp4({ source: CLIENT_4, destination: SERVER_4, ttl: 63, flags: 'S' }),
          destination: SERVER_4,
        },
      },
      {
        from: 'client',
        packet: withUnfinishedChecksum(tcp4({ ...REQUEST_4, dontFragment: true, payload: 'x'.repeat(9000) })),
        offload: OFFLOAD.unfinishedSuper,
        verdict: { kind: 'rewrite', out: superPacketAtServer(), destination: SERVER_4 },
      },
    ],
  },
]

const HEADROOM: readonly ForwardingCase[] = [0, 19, 20, 39].map((headroomBytes) => ({
  name: `a packet with ${headroomBytes} octets before it is tunnelled all the same, as a copy where they do not suffice`,
  given: [{ service: `tcp:${VIP_4}`, to: SERVER_4_PORT_80, method: 'ipip' }],
  when: [
    {
      from: 'client',
      packet: SYN_4,
      headroomBytes,
      verdict: {
        kind: 'send',
        out: ip4({
          source: DIRECTOR_4,
          destination: '192.168.1.1',
          protocol: 4,
          ttl: 63,
          identification: FIRST_ID,
          payload: tcp4({ ...REQUEST_4, flags: 'S', ttl: 63 }),
        }),
        destination: SERVER_4_PORT_80,
      },
    },
  ],
}))

const SERVICES: readonly ForwardingCase[] = [
  {
    name: 'a service on a firewall mark takes every port, which the server on port 0 keeps',
    given: [{ service: 'fwmark:5', to: '192.168.1.1:0' }],
    when: [
      {
        from: 'client',
        packet: tcp4({ source: CLIENT_4, destination: '10.0.0.7:4711', flags: 'S' }),
        mark: 5,
        verdict: {
          kind: 'rewrite',
          out: tcp4({ source: CLIENT_4, destination: '192.168.1.1:4711', flags: 'S', ttl: 63 }),
          destination: '192.168.1.1:0',
        },
      },
      {
        from: 'client',
        packet: tcp4({ source: CLIENT_4, destination: '10.0.0.7:4712', flags: 'S' }),
        mark: 6,
        verdict: NOT_OURS('no-service'),
      },
    ],
  },
  {
    name: 'a connection is found by its endpoints, whatever mark its later packets have',
    given: [{ service: 'fwmark:5', to: '192.168.1.1:0' }],
    when: [
      {
        from: 'client',
        packet: SYN_4,
        mark: 5,
        verdict: {
          kind: 'rewrite',
          out: tcp4({ source: CLIENT_4, destination: '192.168.1.1:80', flags: 'S', ttl: 63 }),
          destination: '192.168.1.1:0',
        },
      },
      {
        from: 'client',
        packet: tcp4({ ...REQUEST_4, flags: 'A' }),
        verdict: {
          kind: 'rewrite',
          out: tcp4({ source: CLIENT_4, destination: '192.168.1.1:80', flags: 'A', ttl: 63 }),
          destination: '192.168.1.1:0',
        },
      },
    ],
  },
  {
    name: 'the FTP service takes its own port; other services on the address are the host’s own',
    given: [{ service: 'tcp:10.0.0.1:21', to: '192.168.1.1:21' }],
    when: [
      {
        from: 'client',
        packet: tcp4({ source: CLIENT_4, destination: '10.0.0.1:8080', flags: 'S' }),
        verdict: NOT_OURS('no-service'),
      },
      {
        from: 'client',
        packet: tcp4({ source: CLIENT_4, destination: '10.0.0.1:21', flags: 'S' }),
        verdict: {
          kind: 'rewrite',
          out: tcp4({ source: CLIENT_4, destination: '192.168.1.1:21', flags: 'S', ttl: 63 }),
          destination: '192.168.1.1:21',
        },
      },
    ],
  },
  {
    name: 'packets from port 20 are FTP’s data and never scheduled',
    given: [WEB_4],
    when: [
      {
        from: 'client',
        packet: tcp4({ source: '10.9.0.1:20', destination: VIP_4, flags: 'S' }),
        verdict: NOT_OURS('ftp-data'),
      },
    ],
  },
]

const LEFT_TO_THE_KERNEL: readonly ForwardingCase[] = [
  {
    name: 'a segment that starts nothing is left alone, be there a service or not',
    given: [WEB_4],
    when: ['A', 'FA', 'R', 'SR', 'PA', ''].map((flags) => ({
      from: 'client' as const,
      packet: tcp4({ ...REQUEST_4, flags }),
      verdict: NOT_OURS('not-a-connection-start'),
    })),
  },
  {
    name: 'a SYN with ACK starts a connection, as in IPVS',
    given: [WEB_4],
    when: [
      {
        from: 'client',
        packet: tcp4({ ...REQUEST_4, flags: 'SA' }),
        verdict: {
          kind: 'rewrite',
          out: tcp4({ source: CLIENT_4, destination: SERVER_4, flags: 'SA', ttl: 63 }),
          destination: SERVER_4,
        },
      },
    ],
  },
  {
    name: 'a packet to another address, port, transport or family is left alone',
    given: [WEB_4],
    when: [
      tcp4({ source: CLIENT_4, destination: '10.0.0.2:80', flags: 'S' }),
      tcp4({ source: CLIENT_4, destination: '10.0.0.1:81', flags: 'S' }),
      udp4(REQUEST_4),
      tcp6({ ...REQUEST_6, flags: 'S' }),
    ].map((packet) => ({ from: 'client' as const, packet, verdict: NOT_OURS('no-service') })),
  },
  {
    name: 'protocols that are not followed are left alone, in both directions',
    given: [WEB_4, { service: `tcp:${VIP_6}`, to: SERVER_6 }],
    when: [
      icmp4({ source: '10.9.0.1', destination: '10.0.0.1', type: 8 }),
      icmp6({ source: 'fd09::1', destination: 'fd00::1', type: 128 }),
      ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol: 47 }),
      ip6({ source: 'fd09::1', destination: 'fd00::1', protocol: 59 }),
    ].flatMap((packet) => [
      { from: 'client' as const, packet, verdict: NOT_OURS('protocol-not-followed') },
      { from: 'server' as const, packet, verdict: NOT_OURS('protocol-not-followed') },
    ]),
  },
  {
    name: 'a fragment waits for the others of its datagram, be there a service or not',
    given: [DNS_4, { service: `udp:${VIP_6}`, to: SERVER_6 }],
    when: [
      { from: 'client', packet: laterOf(fragment4), verdict: { kind: 'absorb', reason: '' } },
      { from: 'client', packet: laterOf(fragment6), verdict: { kind: 'absorb', reason: '' } },
    ],
  },
  {
    name: 'a server’s packet that belongs to no connection is forwarded untouched',
    given: [WEB_4],
    when: [
      {
        from: 'server',
        packet: tcp4({ source: SERVER_4, destination: CLIENT_4, flags: 'SA' }),
        verdict: NOT_OURS('no-connection'),
      },
      {
        from: 'server', // a SYN is not scheduled on its way out
        packet: SYN_4,
        verdict: NOT_OURS('no-connection'),
      },
    ],
  },
]

export const FORWARDING_CASES: readonly ForwardingCase[] = [
  ...methods(TCP),
  ...methods(UDP),
  ...CHECKSUMS,
  ...HEADROOM,
  ...SERVICES,
  ...LEFT_TO_THE_KERNEL,
]

/** A checksum left to offload is finished before the packet goes on: its hardware is not on the way any more. */
function unfinished(method: ForwardingMethod): ForwardingCase {
  const to = method === 'masquerading' ? SERVER_4 : SERVER_4_PORT_80
  const atServer = tcp4({ ...REQUEST_4, flags: 'S', dontFragment: true, ttl: 63 })
  const outs = {
    masquerading: tcp4({ source: CLIENT_4, destination: SERVER_4, flags: 'S', dontFragment: true, ttl: 63 }),
    gatewaying: atServer,
    ipip: ip4({
      source: DIRECTOR_4,
      destination: '192.168.1.1',
      protocol: 4,
      ttl: 63,
      dontFragment: true,
      identification: 0,
      payload: atServer,
    }),
  }
  const kinds = { masquerading: 'rewrite', gatewaying: 'direct', ipip: 'send' } as const
  return {
    name: `${method} finishes a checksum that was left to offload`,
    given: [{ service: `tcp:${VIP_4}`, to, method }],
    when: [
      {
        from: 'client',
        packet: withUnfinishedChecksum(tcp4({ ...REQUEST_4, flags: 'S', dontFragment: true })),
        offload: OFFLOAD.unfinished,
        verdict: { kind: kinds[method], out: outs[method], destination: to },
      },
    ],
  }
}

/** Rewritten, but for its checksum, which still is the sum of the pseudo-header that it came with. */
function superPacketAtServer(): Uint8Array {
  const options = { dontFragment: true, payload: 'x'.repeat(9000) }
  const cameWith = withUnfinishedChecksum(tcp4({ ...REQUEST_4, ...options }))
  const bytes = tcp4({ source: CLIENT_4, destination: SERVER_4, ttl: 63, ...options })
  bytes.set(cameWith.subarray(36, 38), 36)
  return bytes
}

function laterOf(cut: typeof fragment4): Uint8Array {
  const whole = cut === fragment4 ? udp4 : udp6
  const ends = cut === fragment4 ? REQUEST_4 : REQUEST_6
  return cut(whole({ ...ends, payload: 'x'.repeat(64) }), 32)[1]!
}
