import { describe, expect, it } from 'vitest'
import { formatConnectionFile, formatServiceFile, formatSyncFile } from '../../cli/format-proc.ts'
import type { Connection, Service } from '../../control/index.ts'
import { destinationOf, serviceOf } from '../support/api-values.ts'

const INFO = { ipvsVersion: '1.2.1', connectionTableSize: 4096 }
const HEADER =
  'IP Virtual Server version 1.2.1 (size=4096)\n' +
  'Prot LocalAddress:Port Scheduler Flags\n' +
  '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n'

const fileOf = (services: readonly Service[], hz = 100): string => {
  const text = formatServiceFile(services, INFO, { hz })
  expect(text.startsWith(HEADER)).toBe(true)
  return text.slice(HEADER.length)
}

/** Expected lines are those of Linux 6.1 for the same values. */
describe('formatServiceFile', () => {
  it('prints what the kernel printed: services, servers, and marks last', () => {
    const services = [
      serviceOf('fwmark:9', { scheduler: 'rr', persistentSeconds: 300 }),
      serviceOf('tcp:10.0.0.1:80', {
        scheduler: 'rr',
        persistentSeconds: 10,
        destinations: [destinationOf('192.168.1.3:8080', { activeConnections: 3 })],
      }),
      serviceOf('udp:10.0.0.1:84', { scheduler: 'rr', onePacket: true }),
      serviceOf('tcp:[fd00::1]:80', {
        scheduler: 'rr',
        destinations: [destinationOf('[fd01::4]:8080', { activeConnections: 1 })],
      }),
    ]
    expect(fileOf(services)).toBe(
      'TCP  0A000001:0050 rr  persistent 1000 FFFFFFFF\n' +
        '  -> C0A80103:1F90      Masq    1      3          0         \n' +
        'UDP  0A000001:0054 rr ops  \n' +
        'TCP  [fd00:0000:0000:0000:0000:0000:0000:0001]:0050 rr \n' +
        '  -> [fd01:0000:0000:0000:0000:0000:0000:0004]:1F90      Masq    1      1          0         \n' +
        'FWM  00000009 rr persistent 30000 FFFFFFFF\n',
    )
  })

  it.each([
    ['tcp:10.0.0.1:80', { netmask: '255.255.255.0' }, 'TCP  0A000001:0050 wlc  persistent 30000 FFFFFF00\n'],
    ['tcp:10.0.0.1:80', { netmask: null }, 'TCP  0A000001:0050 wlc  persistent 30000 FFFFFFFF\n'],
    ['sctp:10.0.0.1:80', {}, 'SCTP  0A000001:0050 wlc  persistent 30000 FFFFFFFF\n'],
    ['fwmark:4294967295', { onePacket: true }, 'FWM  FFFFFFFF wlc ops persistent 30000 FFFFFFFF\n'],
    ['fwmark:9:ipv6', { netmask: 64 }, 'FWM  00000009 wlc persistent 30000 40000000\n'],
    [
      'udp:[fd00::1]:5060',
      { onePacket: true },
      'UDP  [fd00:0000:0000:0000:0000:0000:0000:0001]:13C4 wlc persistent 30000 80000000\n',
    ],
  ])('prints the persistence of %s %j', (id, settings, line) => {
    expect(fileOf([serviceOf(id, { persistentSeconds: 300, ...settings })])).toBe(line)
  })

  it('counts timeouts in the ticks of the clock it is told of', () => {
    const service = serviceOf('tcp:10.0.0.1:80', { persistentSeconds: 300 })
    expect(fileOf([service], 250)).toBe('TCP  0A000001:0050 wlc  persistent 75000 FFFFFFFF\n')
  })

  it.each([
    ['masquerading', 'Masq    7      '],
    ['gatewaying', 'Route   7      '],
    ['ipip', 'Tunnel  7      '],
  ] as const)('calls %s %j', (method, columns) => {
    const destinations = [destinationOf('192.168.1.3:80', { method, weight: 7, inactiveConnections: 12 })]
    expect(fileOf([serviceOf('fwmark:1', { destinations })])).toBe(
      `FWM  00000001 wlc \n  -> C0A80103:0050      ${columns}0          12        \n`,
    )
  })
})

const CONNECTIONS: readonly Connection[] = [
  {
    protocol: 'TCP',
    client: '10.9.0.1:3001',
    virtual: '10.0.0.1:80',
    destination: '192.168.1.1:8080',
    state: 'SYN_RECV',
    expiresSeconds: 59,
  },
  {
    protocol: 'UDP',
    client: '10.9.0.1:0',
    virtual: '10.0.0.1:5060',
    destination: '192.168.1.3:5060',
    state: 'NONE',
    expiresSeconds: 59,
    engine: 'sip',
    engineData: 'abc@1',
  },
  {
    protocol: 'IP',
    client: '10.9.8.2:0',
    virtual: '0.0.0.9:0',
    destination: '192.168.1.6:0',
    state: 'NONE',
    expiresSeconds: 299,
  },
  {
    protocol: 'TCP',
    client: '[fd09::1]:3006',
    virtual: '[fd00::1]:81',
    destination: '192.168.1.3:81',
    state: 'SYN_RECV',
    expiresSeconds: 59,
  },
]

describe('formatConnectionFile', () => {
  it('prints what the kernel printed', () => {
    expect(formatConnectionFile(CONNECTIONS)).toBe(
      'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n' +
        'TCP 0A090001 0BB9 0A000001 0050 C0A80101 1F90 SYN_RECV         59\n' +
        'UDP 0A090001 0000 0A000001 13C4 C0A80103 13C4 NONE             59 sip abc@1\n' +
        'IP  0A090802 0000 00000009 0000 C0A80106 0000 NONE            299\n' +
        'TCP fd09:0000:0000:0000:0000:0000:0000:0001 0BBE fd00:0000:0000:0000:0000:0000:0000:0001 0051 ' +
        'C0A80103 0051 SYN_RECV         59\n',
    )
  })
})

describe('formatSyncFile', () => {
  it('says of each connection that it was made here', () => {
    expect(formatSyncFile(CONNECTIONS.slice(0, 1))).toBe(
      'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n' +
        'TCP 0A090001 0BB9 0A000001 0050 C0A80101 1F90 SYN_RECV    LOCAL       59\n',
    )
  })
})
