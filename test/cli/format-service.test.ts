import { describe, expect, it } from 'vitest'
import { formatServices, type TableStyle } from '../../cli/format-service.ts'
import { type Labels, NUMERIC } from '../../cli/names.ts'
import { TunnelSettings } from '../../control/index.ts'
import { countersOf, destinationOf, ratesOf, serviceOf } from '../support/api-values.ts'

const print = (services: Parameters<typeof formatServices>[0], style: Partial<TableStyle> = {}): string[] =>
  formatServices(services, { table: 'plain', exact: false, labels: NUMERIC, ...style })
    .split('\n')
    .slice(2, -1)

const server = destinationOf('192.168.111.222:8080', {
  weight: 3,
  upperThreshold: 9,
  lowerThreshold: 4,
  activeConnections: 11,
  inactiveConnections: 12,
  persistentConnections: 13,
})
const busy = (value: number) =>
  serviceOf('tcp:10.0.0.1:80', {
    counters: countersOf(value),
    rates: ratesOf(value),
    destinations: [{ ...server, counters: countersOf(value), rates: ratesOf(value) }],
  })

/** Expected lines are those of ipvsadm 1.31 for the same values. */
describe('formatServices', () => {
  it('prints each table with its own columns', () => {
    const service = serviceOf('tcp:10.0.0.1:80', { scheduler: 'rr', destinations: [server] })
    const printed = (table: TableStyle['table']) =>
      formatServices([service], { table, exact: false, labels: NUMERIC })
    expect(printed('plain')).toBe(
      'Prot LocalAddress:Port Scheduler Flags\n' +
        '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n' +
        'TCP  10.0.0.1:80 rr\n' +
        '  -> 192.168.111.222:8080         Masq    3      11         12        \n',
    )
    expect(printed('thresholds')).toBe(
      'Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n' +
        '  -> RemoteAddress:Port\n' +
        'TCP  10.0.0.1:80 rr\n' +
        '  -> 192.168.111.222:8080         9          4          11         12        \n',
    )
    expect(printed('persistent-conn')).toBe(
      'Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n' +
        '  -> RemoteAddress:Port\n' +
        'TCP  10.0.0.1:80 rr\n' +
        '  -> 192.168.111.222:8080         3         13          11         12        \n',
    )
    expect(printed('tun-info')).toBe(
      'Prot LocalAddress:Port Scheduler Flags\n' +
        '  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n' +
        'TCP  10.0.0.1:80 rr\n' +
        '  -> 192.168.111.222:8080         Masq    n/a           3      11         12        \n',
    )
  })

  it.each([
    [{}, 'ipip         '],
    [{ type: 'gue', port: 6080 }, 'gue:6080:-c  '],
    [{ type: 'gue', port: 6080, checksum: 'full' }, 'gue:6080:+c  '],
    [{ type: 'gue', port: 65_535, checksum: 'remote' }, 'gue:65535:r+c'],
    [{ type: 'gre' }, 'gre:-c       '],
    [{ type: 'gre', checksum: 'full' }, 'gre:+c       '],
  ])('names the tunnels that lead to servers: %j', (given, info) => {
    const tunnel = TunnelSettings.parse(given)
    const service = serviceOf('tcp:10.0.0.1:80', { destinations: [{ ...server, method: 'ipip', tunnel }] })
    expect(print([service], { table: 'tun-info' })[1]).toBe(
      `  -> 192.168.111.222:8080         Tunnel  ${info} 3      11         12        `,
    )
    // The tunnel stays with a server that is reached otherwise, but is of no account.
    const masqueraded = serviceOf('tcp:10.0.0.1:80', { destinations: [{ ...server, tunnel }] })
    expect(print([masqueraded], { table: 'tun-info' })[1]).toContain(' Masq    n/a           3 ')
  })

  it.each([
    [99_999_999, ' 99999999', ' 99999999'],
    [100_000_000, '  100000K', ' 100000000'],
    [999_999_999, '  999999K', ' 999999999'],
    [1_000_000_000, '    1000M', ' 1000000000'],
    [99_999_999_999, '   99999M', ' 99999999999'],
    [100_000_000_000, '     100G', ' 100000000000'],
    [100_000_000_000_000, '     100T', ' 100000000000000'],
  ])('shortens %d unless told not to', (value, short, exact) => {
    const service = `TCP  10.0.0.1:80                 `
    const server = `  -> 192.168.111.222:8080        `
    expect(print([busy(value)], { table: 'stats' })).toEqual([
      service + short.repeat(5),
      server + short.repeat(5),
    ])
    expect(print([busy(value)], { table: 'stats', exact: true })).toEqual([
      service + exact.repeat(5),
      server + exact.repeat(5),
    ])
    expect(print([busy(value)], { table: 'rate' })).toEqual([
      service + short.repeat(5),
      // The first three rates of a server are always in full.
      server + exact.repeat(3) + short.repeat(2),
    ])
  })

  it('shows scheduler flags by the names of the scheduler', () => {
    const flags = (scheduler: string, ...schedulerFlags: ('flag-1' | 'flag-2' | 'flag-3')[]) =>
      print([serviceOf('tcp:10.0.0.1:80', { scheduler, schedulerFlags })])
    expect(flags('rr', 'flag-2', 'flag-1')).toEqual(['TCP  10.0.0.1:80 rr (flag-1,flag-2)'])
    expect(flags('sh', 'flag-1', 'flag-2', 'flag-3')).toEqual(['TCP  10.0.0.1:80 sh (sh-fallback,sh-port)'])
    expect(flags('mh', 'flag-2')).toEqual(['TCP  10.0.0.1:80 mh (mh-port)'])
    expect(flags('sh', 'flag-3')).toEqual(['TCP  10.0.0.1:80 sh ()'])
  })

  it('names marks unsigned, and their family if it is IPv6', () => {
    expect(print([serviceOf('fwmark:4294967295'), serviceOf('fwmark:8:ipv6')])).toEqual([
      'FWM  4294967295 wlc',
      'FWM  8 IPv6 wlc',
    ])
  })

  it('cuts long IPv4 names at 33 and 28 characters, and no others', () => {
    const labels: Labels = {
      host: () => 'a-very-long-host-name.in-a-long.domain.example.org',
      port: () => 'http',
    }
    const services = [
      serviceOf('sctp:10.0.0.1:80', { scheduler: 'rr', destinations: [server] }),
      serviceOf('tcp:[fd00::1]:80', { destinations: [destinationOf('[fd00::2]:80')] }),
    ]
    expect(print(services, { labels })).toEqual([
      'SCTP a-very-long-host-name.in-a-l rr',
      '  -> a-very-long-host-name.in-a-l Masq    3      11         12        ',
      'TCP  [a-very-long-host-name.in-a-long.domain.example.org]:http wlc',
      '  -> [a-very-long-host-name.in-a-long.domain.example.org]:http Masq    1      0          0         ',
    ])
  })

  it('gives the ports behind a firewall mark no names', () => {
    const labels: Labels = {
      ...NUMERIC,
      port: (port, transport) => (transport === null ? `${port}` : 'name'),
    }
    const destinations = [destinationOf('10.0.0.2:80')]
    expect(print([serviceOf('fwmark:9', { destinations })], { labels })[1]).toMatch(/^ {2}-> 10\.0\.0\.2:80 /)
    expect(print([serviceOf('tcp:10.0.0.1:80', { destinations })], { labels })[1]).toMatch(
      /10\.0\.0\.2:name /,
    )
  })
})
