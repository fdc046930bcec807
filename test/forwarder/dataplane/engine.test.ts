import { beforeEach, describe, expect, it } from 'vitest'
import { Connection, ServiceSettings } from '../../../control/schema.ts'
import { Dataplane } from '../../../forwarder/dataplane/dataplane.ts'
import { Engine } from '../../../forwarder/dataplane/engine.ts'
import type { Egress } from '../../../forwarder/egress/egress.ts'
import type { PacketSink } from '../../../forwarder/egress/raw.ts'
import { Director } from '../../../lib/director/director.ts'
import { defaultKnobs } from '../../../lib/director/knobs.ts'
import { OFFLOAD } from '../../../lib/encode/offload.ts'
import { parseServiceKey } from '../../../lib/service/key.ts'
import { udp4 } from '../../support/packets.ts'

const IPV4 = 'udp:10.0.0.1:5060'
const IPV6 = 'udp:[fd00::1]:5060'
const SINK_COUNTERS = { sent: 0, tooLong: 0, noRoute: 0, congested: 0, failed: 0 }

let director: Director
let engine: Engine
beforeEach(() => {
  director = new Director({ nowMs: 0, random: () => 0.5, connectionLimit: 1024 })
  const unused = () => {
    throw new Error('no packet leaves in this test')
  }
  const egress: Egress = {
    name: 'frame',
    kernelForwards: false,
    markOf: unused,
    transmit: unused,
    flush: unused,
    counters: { sent: 0, noNeighbour: 0, failed: 0 },
    close: unused,
  }
  const sink: PacketSink = {
    send: unused,
    sendMarked: unused,
    flush: unused,
    counters: SINK_COUNTERS,
    close: unused,
  }
  const parts = { egress, sink, markMask: 0, now: () => 0 }
  engine = new Engine(new Dataplane(director, parts), [], () => 0)
})

const add = (service: string, settings: Partial<ServiceSettings>) =>
  engine.answer({ kind: 'add-service', service, settings: ServiceSettings.parse(settings) })
const edit = (service: string, settings: Partial<ServiceSettings>) =>
  engine.answer({ kind: 'edit-service', service, settings: ServiceSettings.parse(settings) })
const inLibrary = (id: string) => director.services.get(parseServiceKey(id)!)?.settings
const listed = () => engine.answer({ kind: 'services' })

describe('a service of the data path', () => {
  it.each([
    [IPV4, {}, null],
    [IPV4, { persistentSeconds: 300 }, { timeoutSec: 300, granularity: -1, engine: null }],
    [
      IPV4,
      { persistentSeconds: 1, netmask: '255.255.255.0', engine: 'sip' },
      { timeoutSec: 1, granularity: 0xffff_ff00 | 0, engine: 'sip' },
    ],
    [IPV6, { persistentSeconds: 300 }, { timeoutSec: 300, granularity: 128, engine: null }],
    [IPV6, { persistentSeconds: 9, netmask: 64 }, { timeoutSec: 9, granularity: 64, engine: null }],
    [IPV4, { netmask: '255.0.0.0', engine: 'sip' }, null],
  ])('%s asked for with %j is as persistent as that, and listed as asked for', (id, asked, persistence) => {
    expect(add(id, asked)).toBeUndefined()
    expect(inLibrary(id)).toMatchObject({ persistence, onePacket: false })
    expect(listed()).toMatchObject([{ id, ...ServiceSettings.parse(asked) }])
  })

  it('is scheduled by the datagram where that is asked for', () => {
    add(IPV4, { onePacket: true })
    expect(inLibrary(IPV4)).toMatchObject({ onePacket: true })
    expect(listed()).toMatchObject([{ onePacket: true }])
  })

  it('loses with an edit whatever is not asked for again', () => {
    add(IPV4, { persistentSeconds: 300, netmask: '255.255.255.0', engine: 'sip', onePacket: true })
    expect(edit(IPV4, { schedulerFlags: ['flag-2'] })).toBeUndefined()
    expect(inLibrary(IPV4)).toMatchObject({ persistence: null, onePacket: false })
    expect(listed()).toMatchObject([ServiceSettings.parse({ schedulerFlags: ['flag-2'] })])
  })

  it.each([
    [IPV4, { engine: 'sap' }, 'engine-not-found', "persistence engine 'sap' is not one of: sip"],
    [IPV4, { netmask: 24 }, 'invalid-value', "netmask '24' is not a mask like 255.255.255.0"],
    [
      IPV6,
      { netmask: '255.0.0.0' },
      'invalid-value',
      "netmask '255.0.0.0' is not a prefix length of 1 to 128",
    ],
  ])('%s is refused with %j, persistent or not, and nothing changes', (id, asked, refused, message) => {
    for (const persistentSeconds of [null, 300]) {
      const refusal = { refused, message: expect.stringContaining(message) }
      expect(add(id, { ...asked, persistentSeconds })).toEqual(refusal)
      expect(listed()).toEqual([])
      add(id, { scheduler: 'rr' })
      expect(edit(id, { ...asked, persistentSeconds })).toEqual(refusal)
      expect(listed()).toMatchObject([ServiceSettings.parse({ scheduler: 'rr' })])
      engine.answer({ kind: 'remove-service', service: id })
    }
  })

  it('is refused first for being there already, or for not being there', () => {
    expect(edit(IPV4, { engine: 'sap' })).toMatchObject({ refused: 'no-such-service' })
    add(IPV4, {})
    expect(add(IPV4, { netmask: 24 })).toMatchObject({ refused: 'service-exists' })
  })
})

describe('connections of the data path', () => {
  it('say what a persistence engine knows a client by', () => {
    add(IPV4, { persistentSeconds: 300, engine: 'sip' })
    const settings = { method: 'masquerading', weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const
    const tunnel = { type: 'ipip', port: 0, checksum: 'none' } as const
    const request = { service: IPV4, endpoint: '192.168.1.1:5060', way: null }
    engine.answer({ kind: 'add-destination', ...request, settings: { ...settings, tunnel } })
    const payload = 'INVITE sip:bob@b.example SIP/2.0\r\nCall-ID: abc@1\r\n\r\n'
    const bytes = udp4({ source: '10.9.0.1:5060', destination: '10.0.0.1:5060', payload })
    const arrival = { bytes, start: 0, end: bytes.length, hook: 'inbound', mark: 0, nowMs: 0 } as const
    director.process({ ...arrival, offload: OFFLOAD.finished })
    const connections = () => (engine.answer({ kind: 'connections' }) as Connection[]).map(templateOf)
    const template = { client: '10.9.0.1:0', engine: 'sip', engineData: 'abc@1' }
    expect(connections()).toContainEqual(template)
    edit(IPV4, {})
    expect(connections()).toContainEqual({ client: '10.9.0.1:0' })
  })

  it('say that a template is assured once its client was answered', () => {
    add(IPV4, { persistentSeconds: 300 })
    const settings = { method: 'masquerading', weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const
    const tunnel = { type: 'ipip', port: 0, checksum: 'none' } as const
    const request = { service: IPV4, endpoint: '192.168.1.1:5060', way: null }
    engine.answer({ kind: 'add-destination', ...request, settings: { ...settings, tunnel } })
    const states = () => (engine.answer({ kind: 'connections' }) as Connection[]).map(({ state }) => state)
    const arrives = (hook: 'inbound' | 'outbound', source: string, destination: string) => {
      const bytes = udp4({ source, destination, payload: 'x' })
      const arrival = { bytes, start: 0, end: bytes.length, hook, mark: 0, nowMs: 0 } as const
      director.process({ ...arrival, offload: OFFLOAD.finished })
    }
    arrives('inbound', '10.9.0.1:5060', '10.0.0.1:5060')
    expect(states().sort()).toEqual(['NONE', 'UDP'])
    arrives('outbound', '192.168.1.1:5060', '10.9.0.1:5060')
    expect(states().sort()).toEqual(['ASSURED', 'UDP'])
  })
})

/** What of a connection's description is of interest here, checked against the API's shape. */
function templateOf(connection: Connection): Partial<Connection> {
  const { client, engine, engineData } = Connection.parse(connection)
  return engine === undefined || engineData === undefined ? { client } : { client, engine, engineData }
}

describe('the knobs of the data path', () => {
  it('are the kernel’s, and change for the director', () => {
    expect(engine.answer({ kind: 'knobs' })).toMatchObject(defaultKnobs())
    const changed = { ...defaultKnobs(), sloppy_tcp: 1, drop_entry: 2 }
    const changes = { sloppy_tcp: 1, drop_entry: 2 }
    expect(engine.answer({ kind: 'set-knobs', changes })).toMatchObject(changed)
    expect(engine.answer({ kind: 'knobs' })).toMatchObject(changed)
    expect(director.knobs).toEqual(changed)
  })
})
