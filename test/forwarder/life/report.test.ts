import { describe, expect, it } from 'vitest'
import { keyOf } from '../../../control/identity.ts'
import { DestinationConfig, ServiceConfig } from '../../../control/schema.ts'
import type { Way } from '../../../forwarder/dataplane/messages.ts'
import { type HostFacts, lineOf, reportOf } from '../../../forwarder/life/report.ts'
import { type Arrangement, endpointId, type Registry, serviceId } from '../../../forwarder/registry.ts'

const ARRANGEMENT: Arrangement = {
  superQueue: 7000,
  plainQueue: 7001,
  routesByMark: true,
  markMask: 0xff,
  markOf: (slot) => slot,
}
const FACTS: HostFacts = {
  variants: { 4: { program: 'iptables', backend: 'nft' }, 6: null },
  notrack: true,
  trackedConnections: null,
  queueDriver: 'netlink',
  egressDriver: 'route',
}
const WAY: Way = {
  sourceAddress: '192.168.1.254',
  mtuBytes: 1500,
  hop: { slot: 1, destination: '192.168.1.1', gateway: '192.168.1.1', deviceIndex: 2, deviceName: 'back' },
}

function registered(identity: object, ...servers: readonly [method: string, way: Way | null][]): Registry {
  const config = ServiceConfig.parse(identity)
  const destinations = servers.map(([method, way], index) => {
    const server = DestinationConfig.parse({ address: `192.168.1.${index + 1}`, port: 80, method })
    return [endpointId(server), { config: server, way }] as const
  })
  return new Map([[serviceId(config), { key: keyOf(config), config, destinations: new Map(destinations) }]])
}

const WEB = { protocol: 'tcp', address: '10.0.0.1', port: 80 }
const serviceOf = (registry: Registry, arrangement = ARRANGEMENT, facts = FACTS) =>
  reportOf(registry, arrangement, facts).services[0]!

describe('the report', () => {
  it('says of a masqueraded service where packets and answers are taken, and that they come whole', () => {
    expect(serviceOf(registered(WEB, ['masquerading', WAY]))).toEqual({
      service: 'tcp:10.0.0.1:80',
      requests: 'iptables mangle PREROUTING, chain UIPVS-REQUEST',
      replies: 'iptables mangle FORWARD, chain UIPVS-REPLY',
      queue: 7000,
      superPackets: true,
      why: 'the kernel forwards to every real server, and cuts them itself',
      destinations: [
        {
          endpoint: '192.168.1.1:80',
          method: 'masquerading',
          path: 'rewritten in the verdict, forwarded by the kernel',
          via: 'back',
          mtuBytes: 1500,
        },
      ],
    })
  })

  it('names the real server for whose sake packets come one by one', () => {
    const service = serviceOf(registered(WEB, ['masquerading', WAY], ['ipip', WAY]))
    expect(service).toMatchObject({ queue: 7001, superPackets: false })
    expect(service.why).toContain('192.168.1.2:80')
  })

  it('says that no answers pass where no server is masqueraded, and which gateway leads to it', () => {
    const hop = { ...WAY.hop!, gateway: '192.168.1.9' }
    const service = serviceOf(registered(WEB, ['gatewaying', { ...WAY, hop }]))
    expect(service.replies).toMatch(/^none pass here/)
    expect(service.destinations[0]).toMatchObject({
      path: 'unchanged, forwarded by the kernel by mark and policy route',
      via: 'back, gateway 192.168.1.9',
    })
  })

  it('tells the egress drivers apart', () => {
    const facts = { ...FACTS, egressDriver: 'frame' }
    const service = serviceOf(
      registered(WEB, ['gatewaying', WAY]),
      { ...ARRANGEMENT, routesByMark: false },
      facts,
    )
    expect(service).toMatchObject({ queue: 7001, superPackets: false })
    expect(service.destinations[0]?.path).toBe('unchanged, sent as a frame (egress driver frame)')
  })

  it('does not hide a server that no route leads to', () => {
    expect(serviceOf(registered(WEB, ['ipip', null])).destinations[0]).toMatchObject({
      via: null,
      mtuBytes: null,
    })
  })

  it('speaks of ip6tables for IPv6, marks included', () => {
    const service = serviceOf(registered({ fwmark: 5, family: 'ipv6' }))
    expect(service).toMatchObject({
      service: 'fwmark:5:ipv6',
      requests: 'ip6tables mangle PREROUTING, chain UIPVS-REQUEST',
    })
  })

  it('says what of the host matters', () => {
    const sentences = (facts: Partial<HostFacts>) =>
      reportOf(new Map(), ARRANGEMENT, { ...FACTS, ...facts }).host
    expect(sentences({})).toEqual([
      'rules: IPv4 services by iptables (nft), IPv6 services refused: no iptables works',
      'packets come by the queue driver netlink; direct routing leaves by the egress driver route',
      'fragments: put together by the director, nothing in the kernel does it',
      'connection tracking: left out for the traffic of services',
    ])
    expect(sentences({ trackedConnections: 3 })).toContain(
      "fragments: put together by the kernel's connection tracking",
    )
    expect(sentences({ notrack: false })).toContain(
      'connection tracking: cannot be left out here, and may take rewritten packets for invalid',
    )
  })

  it('is a line in the log, each path once', () => {
    expect(lineOf(serviceOf(registered(WEB, ['masquerading', WAY], ['masquerading', WAY])))).toBe(
      'tcp:10.0.0.1:80 by queue 7000 (super-packets: the kernel forwards to every real server, and cuts them itself); ' +
        'masquerading: rewritten in the verdict, forwarded by the kernel',
    )
  })
})
