import { describe, expect, it } from 'vitest'
import { formatReload, formatReport } from '../../cli/format-life.ts'
import { Change } from '../../control/configuration.ts'
import type { Reload, Report } from '../../control/life.ts'
import type { Info } from '../../control/schema.ts'

const reload = (changes: readonly object[], needsRestart: string[] = []): Reload => ({
  revision: '1',
  changes: changes.map((each) => Change.parse(each)),
  needsRestart,
})
const knob = { kind: 'knob-changed', knob: 'drop_entry', before: 0, after: 1 }

describe('what a reload has done', () => {
  it.each([
    [reload([]), 'nothing has changed\n'],
    [reload([knob]), '1 knob changed\n'],
    [
      reload([knob, knob, { kind: 'timeouts-changed', before: timeouts(1), after: timeouts(2) }]),
      '2 knob changed, 1 timeouts changed\n',
    ],
    [
      reload([], ['firstQueue', 'markMask']),
      'nothing has changed\nonly read at the start: firstQueue, markMask\n',
    ],
  ])('is told by kind and number: case %#', (reloaded, text) => {
    expect(formatReload(reloaded)).toBe(text)
  })
})

function timeouts(tcp: number) {
  return { tcp, tcpFin: 0, udp: 0 }
}

const INFO = { version: '1.2.3', pid: 42, uptimeSeconds: 0, connections: 3, connectionLimit: 1024 } as Info
const REPORT: Report = {
  host: ['rules: IPv4 services by iptables (nft)'],
  services: [
    {
      service: 'tcp:10.0.0.1:80',
      requests: 'iptables mangle PREROUTING, chain UIPVS-REQUEST',
      replies: 'iptables mangle FORWARD, chain UIPVS-REPLY',
      queue: 7000,
      superPackets: true,
      why: 'the kernel cuts them',
      destinations: [
        {
          endpoint: '192.168.1.1:80',
          method: 'masquerading',
          path: 'rewritten',
          via: 'eth1',
          mtuBytes: 1500,
        },
        { endpoint: '192.168.1.2:80', method: 'masquerading', path: 'rewritten', via: null, mtuBytes: null },
      ],
    },
  ],
}

describe('the status', () => {
  it('tells of the daemon, the host and each service, and does not hide what has no route', () => {
    expect(formatReport(INFO, REPORT)).toBe(`uipvs 1.2.3, process 42, up 00:00:00
3 connections of at most 1024
rules: IPv4 services by iptables (nft)

tcp:10.0.0.1:80
  requests: iptables mangle PREROUTING, chain UIPVS-REQUEST, to queue 7000
  replies:  iptables mangle FORWARD, chain UIPVS-REPLY
  packets:  super-packets; the kernel cuts them
  -> 192.168.1.1:80 masquerading: rewritten; via eth1, MTU 1500
  -> 192.168.1.2:80 masquerading: rewritten; NO ROUTE
`)
  })

  it.each([
    [59, '00:00:59'],
    [3600 * 5 + 60 * 4 + 3, '05:04:03'],
    [86_400 * 3 + 1, '3d 00:00:01'],
  ])('counts %i seconds as %s', (uptimeSeconds, text) => {
    expect(formatReport({ ...INFO, uptimeSeconds }, { host: [], services: [] })).toContain(`up ${text}\n`)
  })
})
