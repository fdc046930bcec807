import { beforeEach, describe, expect, it } from 'vitest'
import { IpAddress } from '../../lib/bytes/address.ts'
import { FLAG, TEMPLATE_STATE } from '../../lib/conn/layout.ts'
import { Director } from '../../lib/director/director.ts'
import type { Verdict } from '../../lib/director/verdict.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { parseEndpoint, parseServiceKey } from '../../lib/service/key.ts'
import type { Persistence } from '../../lib/service/virtual-service.ts'
import { tcp4, tcp6, udp4 } from '../support/packets.ts'

const CLIENT = '10.9.0.1'
const MASK_24 = 0xffff_ff00 | 0
const SETTINGS = { weight: 1, upperThreshold: 0, lowerThreshold: 0 }

let director: Director
let nowMs: number
beforeEach(() => {
  nowMs = 0
  director = new Director({ nowMs, random: () => 0.5, connectionLimit: 1024 })
})

const persistent = (changes: Partial<Persistence> = {}): Persistence => ({
  timeoutSec: 300,
  granularity: -1,
  engine: null,
  ...changes,
})

function service(id: string, persistence: Persistence | null, servers: string[], onePacket = false): void {
  const key = parseServiceKey(id)!
  director.services.add(key, { scheduler: 'rr', schedulerFlags: 0, persistence, onePacket })
  for (const server of servers) addServer(id, server)
}

const addServer = (id: string, server: string, weight = 1) =>
  director.services.addDestination(parseServiceKey(id)!, parseEndpoint(server)!, {
    ...SETTINGS,
    weight,
    method: 'masquerading',
  })

function send(bytes: Uint8Array, hook: 'inbound' | 'outbound' = 'inbound', mark = 0): Verdict {
  const arrival = { bytes, start: 0, end: bytes.length, hook, mark, offload: OFFLOAD.finished, nowMs }
  return director.process(arrival)
}

const syn = (source: string, destination: string, mark = 0) =>
  send(tcp4({ source, destination, flags: 'S' }), 'inbound', mark)

const serverOf = ({ destination }: Verdict): string | undefined => destination?.address.toString()
const templates = () =>
  [...director.connections.records()]
    .map((record) => director.connections.describe(record, nowMs))
    .filter(({ flags }) => flags & FLAG.template)

describe('persistence', () => {
  it('leads a client that comes back to the same destination', () => {
    service('tcp:10.0.0.1:80', persistent(), ['192.168.1.1:80', '192.168.1.2:80', '192.168.1.3:80'])
    const first = serverOf(syn(`${CLIENT}:3001`, '10.0.0.1:80'))
    for (let port = 3002; port < 3020; port++) {
      expect(serverOf(syn(`${CLIENT}:${port}`, '10.0.0.1:80'))).toBe(first)
    }
    expect(serverOf(syn('10.9.0.2:3001', '10.0.0.1:80'))).not.toBe(first)
    expect(templates()).toHaveLength(2)
  })

  it('tells clients apart by the netmask only', () => {
    service('tcp:10.0.0.1:80', persistent({ granularity: MASK_24 }), ['192.168.1.1:80', '192.168.1.2:80'])
    const first = serverOf(syn('10.9.0.1:3001', '10.0.0.1:80'))
    expect(serverOf(syn('10.9.0.200:3001', '10.0.0.1:80'))).toBe(first)
    expect(serverOf(syn('10.9.1.1:3001', '10.0.0.1:80'))).not.toBe(first)
    expect(
      templates()
        .map(({ client }) => client.address.toString())
        .sort(),
    ).toEqual(['10.9.0.0', '10.9.1.0'])
  })

  it('tells IPv6 clients apart by the prefix only', () => {
    const key = parseServiceKey('tcp:[fd00::1]:80')!
    director.services.add(key, {
      scheduler: 'rr',
      schedulerFlags: 0,
      persistence: persistent({ granularity: 72 }),
    })
    for (const server of ['[fd01::1]:80', '[fd01::2]:80']) addServer('tcp:[fd00::1]:80', server)
    const from = (client: string) =>
      serverOf(send(tcp6({ source: `[${client}]:3001`, destination: '[fd00::1]:80', flags: 'S' })))
    const first = from('fd09::1:0:0:1')
    expect(from('fd09::1:1:1:1')).toBe(first)
    expect(from('fd09:0:0:0:100::1')).not.toBe(first)
  })

  it('binds a client for every port of a port-zero service, each packet keeping its port', () => {
    service('tcp:10.0.0.1:0', persistent(), ['192.168.1.1:0', '192.168.1.2:0'])
    const first = syn(`${CLIENT}:3001`, '10.0.0.1:80')
    const at = director.connections
    const server = serverOf(first)
    expect(serverOf(syn(`${CLIENT}:3002`, '10.0.0.1:443'))).toBe(server)
    expect(templates()[0]).toMatchObject({ protocol: 6, virtual: { port: 0 }, destination: { port: 0 } })
    const ports = [...at.records()]
      .map((record) => at.describe(record, 0))
      .map(({ destination }) => destination.port)
    expect(ports.sort()).toEqual([0, 443, 80])
  })

  it('binds a client for every protocol, address and port of a firewall mark', () => {
    service('fwmark:7', persistent(), ['192.168.1.1:0', '192.168.1.2:0'])
    const first = serverOf(syn(`${CLIENT}:3001`, '10.0.0.1:80', 7))
    expect(serverOf(syn(`${CLIENT}:3002`, '10.0.0.9:25', 7))).toBe(first)
    const datagram = udp4({ source: `${CLIENT}:3003`, destination: '10.0.0.3:53', payload: 'x' })
    expect(serverOf(send(datagram, 'inbound', 7))).toBe(first)
    expect(templates()).toHaveLength(1)
    expect(templates()[0]).toMatchObject({ protocol: 0, virtual: { address: new IpAddress(4, 7), port: 0 } })
  })

  it('ends when a client has long made no new connection, and not before', () => {
    service('tcp:10.0.0.1:80', persistent({ timeoutSec: 100 }), ['192.168.1.1:80', '192.168.1.2:80'])
    syn(`${CLIENT}:3001`, '10.0.0.1:80')
    pass(59) // the connection is half open for 60 s
    expect(templates()).toHaveLength(1)
    pass(100)
    expect(director.connections.size).toBe(0)
  })

  it('keeps a template that still controls connections, for a minute at a time', () => {
    service('tcp:10.0.0.1:80', persistent({ timeoutSec: 10 }), ['192.168.1.1:80', '192.168.1.2:80'])
    syn(`${CLIENT}:3001`, '10.0.0.1:80')
    send(tcp4({ source: `${CLIENT}:3001`, destination: '10.0.0.1:80', flags: 'A' }))
    pass(11)
    expect(templates()[0]?.expiresSeconds).toBeGreaterThan(50)
    pass(800)
    expect(templates()).toHaveLength(1)
    pass(200)
    expect(templates()).toHaveLength(0)
  })

  it('marks a template as assured once a connection through it is established', () => {
    service('tcp:10.0.0.1:80', persistent(), ['192.168.1.1:80'])
    syn(`${CLIENT}:3001`, '10.0.0.1:80')
    expect(templates()[0]?.state).toBe(TEMPLATE_STATE.none)
    send(tcp4({ source: `${CLIENT}:3001`, destination: '10.0.0.1:80', flags: 'A' }))
    expect(templates()[0]?.state).toBe(TEMPLATE_STATE.assured)
  })

  it('counts templates apart, and follows one to an overloaded destination', () => {
    service('tcp:10.0.0.1:80', persistent(), ['192.168.1.1:80'])
    const key = parseServiceKey('tcp:10.0.0.1:80')!
    syn(`${CLIENT}:3001`, '10.0.0.1:80')
    const destination = director.services.get(key)!.pool[0]!
    expect(destination).toMatchObject({ persistent: 1, active: 1, inactive: 0 })
    destination.isOverloaded = true
    expect(syn(`${CLIENT}:3002`, '10.0.0.1:80').kind).toBe('rewrite')
    expect(syn('10.9.0.2:3001', '10.0.0.1:80')).toMatchObject({ kind: 'drop', reason: 'no-destination' })
  })

  it('invalidates a template whose destination was removed: shown on port 65535, never followed', () => {
    service('tcp:10.0.0.1:80', persistent(), ['192.168.1.1:80', '192.168.1.2:80'])
    const key = parseServiceKey('tcp:10.0.0.1:80')!
    const first = serverOf(syn(`${CLIENT}:3001`, '10.0.0.1:80'))!
    director.services.removeDestination(key, parseEndpoint(`${first}:80`)!)
    expect(serverOf(syn(`${CLIENT}:3002`, '10.0.0.1:80'))).not.toBe(first)
    expect(templates().map(({ virtual, destination }) => [virtual.port, destination.port])).toContainEqual([
      65_535, 65_535,
    ])
  })

  it('follows a template to a quiesced destination, unless expire_quiescent_template says no', () => {
    service('tcp:10.0.0.1:80', persistent(), ['192.168.1.1:80', '192.168.1.2:80'])
    const key = parseServiceKey('tcp:10.0.0.1:80')!
    const first = serverOf(syn(`${CLIENT}:3001`, '10.0.0.1:80'))!
    const settings = { ...SETTINGS, weight: 0, method: 'masquerading' } as const
    director.services.editDestination(key, parseEndpoint(`${first}:80`)!, settings)
    expect(serverOf(syn(`${CLIENT}:3002`, '10.0.0.1:80'))).toBe(first)
    director.knobs.expire_quiescent_template = 1
    expect(serverOf(syn(`${CLIENT}:3003`, '10.0.0.1:80'))).not.toBe(first)
  })
})

describe('the persistence engine sip', () => {
  const invite = (source: string, callId: string) =>
    send(
      udp4({
        source,
        destination: '10.0.0.1:5060',
        payload: `INVITE sip:a@b SIP/2.0\r\nVia: x\r\nCall-ID: ${callId}\r\n\r\n`,
      }),
    )

  it('leads datagrams of one call and client to one destination, each scheduled by itself', () => {
    const servers = ['192.168.1.1:5060', '192.168.1.2:5060', '192.168.1.3:5060']
    service('udp:10.0.0.1:5060', persistent({ engine: 'sip' }), servers, true)
    const first = serverOf(invite(`${CLIENT}:5060`, 'abc@1'))
    expect(serverOf(invite(`${CLIENT}:5060`, 'abc@1'))).toBe(first)
    expect(serverOf(invite(`${CLIENT}:5061`, 'abc@1'))).toBe(first)
    expect(serverOf(invite(`${CLIENT}:5060`, 'other@1'))).not.toBe(first)
    expect(
      templates()
        .map(({ engineData }) => engineData)
        .sort(),
    ).toEqual(['abc@1', 'other@1'])
    // One-packet connections are gone at once; only templates are left.
    expect(director.connections.size).toBe(2)
    expect(director.totals.current().connections).toBe(4)
  })

  it('drops what has no Call-ID', () => {
    service('udp:10.0.0.1:5060', persistent({ engine: 'sip' }), ['192.168.1.1:5060'])
    const datagram = udp4({ source: `${CLIENT}:5060`, destination: '10.0.0.1:5060', payload: 'hello' })
    expect(send(datagram)).toMatchObject({ kind: 'drop', reason: 'no-engine-data', answerBytes: 0 })
  })
})

describe('one-packet scheduling', () => {
  it('schedules every datagram, and leaves no connection', () => {
    service('udp:10.0.0.1:53', null, ['192.168.1.1:53', '192.168.1.2:53'], true)
    const query = () => udp4({ source: `${CLIENT}:5353`, destination: '10.0.0.1:53', payload: 'q' })
    const servers = [1, 2, 3, 4].map(() => serverOf(send(query())))
    expect(new Set(servers).size).toBe(2)
    expect(servers[0]).toBe(servers[2])
    expect(director.connections.size).toBe(0)
    const pool = director.services.get(parseServiceKey('udp:10.0.0.1:53')!)!.pool
    expect(pool.map(({ inactive, active }) => inactive + active)).toEqual([0, 0])
  })
})

/** Seconds go by, a tenth at a time, as in a running director. */
function pass(seconds: number): void {
  for (let step = 0; step < seconds * 10; step++) {
    nowMs += 100
    director.passTime(nowMs)
  }
}
