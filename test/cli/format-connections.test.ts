import { describe, expect, it } from 'vitest'
import { formatConnections, formatTimeouts } from '../../cli/format-connections.ts'
import { NUMERIC, namedLabels } from '../../cli/names.ts'
import type { Connection } from '../../control/index.ts'
import { fakeNames } from '../support/fake-names.ts'

const CONNECTIONS = [
  ['TCP', '10.9.0.1:3001', '10.0.0.1:80', '192.168.1.1:8080', 'SYN_RECV', 59],
  ['UDP', '10.9.0.1:0', '10.0.0.1:53', '192.168.1.3:5060', 'UDP', 7259],
  ['IP', '10.9.8.2:0', '0.0.0.9:0', '192.168.1.6:80', 'NONE', 299],
  ['TCP', '[fd09::1]:3006', '[fd00::1]:81', '192.168.1.3:80', 'ESTABLISHED', 899_999],
  ['SCTP', '10.9.0.1:3001', '10.0.0.1:80', '192.168.1.1:8080', 'SYN_RECV', 59],
].map(([protocol, client, virtual, destination, state, expiresSeconds]) => ({
  protocol: String(protocol),
  client: String(client),
  virtual: String(virtual),
  destination: String(destination),
  state: String(state),
  expiresSeconds: Number(expiresSeconds),
}))

/** What ipvsadm 1.31 prints for the same connections. */
describe('formatConnections', () => {
  it('prints addresses and ports as they are', () => {
    expect(formatConnections(CONNECTIONS, { engineColumns: false, labels: NUMERIC })).toBe(
      'IPVS connection entries\n' +
        'pro expire state       source             virtual            destination\n' +
        'TCP 00:59  SYN_RECV    10.9.0.1:3001      10.0.0.1:80        192.168.1.1:8080\n' +
        'UDP 120:59 UDP         10.9.0.1:0         10.0.0.1:53        192.168.1.3:5060\n' +
        'IP  04:59  NONE        10.9.8.2:0         0.0.0.9:0          192.168.1.6:80\n' +
        'TCP 14999:59 ESTABLISHED [fd09::1]:3006     [fd00::1]:81       192.168.1.3:80\n' +
        'SCTP 00:59  SYN_RECV    10.9.0.1:3001      10.0.0.1:80        192.168.1.1:8080\n',
    )
  })

  it('prints names, of ports only those of the connection’s transport', async () => {
    const labels = await namedLabels(fakeNames({ '10.9.0.1': 'foo.bar' }), new Set(['10.9.0.1']))
    expect(formatConnections(CONNECTIONS, { engineColumns: false, labels }).split('\n').slice(2, -1)).toEqual(
      [
        'TCP 00:59  SYN_RECV    foo.bar:3001       10.0.0.1:http      192.168.1.1:http-alt',
        'UDP 120:59 UDP         foo.bar:0          10.0.0.1:domain    192.168.1.3:5060',
        'IP  04:59  NONE        10.9.8.2:0         0.0.0.9:0          192.168.1.6:80',
        'TCP 14999:59 ESTABLISHED [fd09::1]:3006     [fd00::1]:81       192.168.1.3:http',
        'SCTP 00:59  SYN_RECV    foo.bar:3001       10.0.0.1:80        192.168.1.1:8080',
      ],
    )
  })

  it('shows persistence engines where they are asked for, in widths that are not those of the headings', () => {
    const template = {
      protocol: 'UDP',
      client: '10.9.0.1:0',
      virtual: '10.0.0.1:5060',
      destination: '192.168.1.3:5060',
      state: 'NONE',
      expiresSeconds: 59,
      engine: 'sip',
      engineData: 'abc@1',
    }
    const connections = [template, CONNECTIONS[0] as Connection]
    expect(formatConnections(connections, { engineColumns: true, labels: NUMERIC })).toBe(
      'IPVS connection entries\n' +
        'pro expire state       source             virtual            destination        pe name          pe_data\n' +
        'UDP 00:59  NONE        10.9.0.1:0         10.0.0.1:5060      192.168.1.3:5060 sip                abc@1\n' +
        'TCP 00:59  SYN_RECV    10.9.0.1:3001      10.0.0.1:80        192.168.1.1:8080\n',
    )
    expect(formatConnections([template], { engineColumns: false, labels: NUMERIC })).not.toContain('sip')
  })
})

describe('formatTimeouts', () => {
  it('prints the three in seconds', () => {
    expect(formatTimeouts({ tcp: 900, tcpFin: 120, udp: 300 })).toBe(
      'Timeout (tcp tcpfin udp): 900 120 300\n',
    )
  })
})
