import { beforeEach, describe, expect, it } from 'vitest'
import { Director } from '../../lib/director/director.ts'
import { KNOBS, type KnobName, knobFlaw } from '../../lib/director/knobs.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { parseEndpoint, parseServiceKey } from '../../lib/service/key.ts'
import { tcp4 } from '../support/packets.ts'

let director: Director
let availablePages: number
let nowMs: number

beforeEach(() => {
  nowMs = 0
  availablePages = 100_000
  let seed = 1
  // A small generator of its own, so that the same buckets are visited every time.
  const random = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return seed / 0x8000_0000
  }
  director = new Director({ nowMs, random, connectionLimit: 4096, availablePages: () => availablePages })
  const key = parseServiceKey('tcp:10.0.0.1:80')!
  director.services.add(key, { scheduler: 'rr', schedulerFlags: 0 })
  const settings = { method: 'masquerading', weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const
  director.services.addDestination(key, parseEndpoint('192.168.1.1:80')!, settings)
})

function send(port: number, flags = 'S') {
  const bytes = tcp4({ source: `10.9.0.1:${port}`, destination: '10.0.0.1:80', flags })
  const end = bytes.length
  return director.process({
    bytes,
    start: 0,
    end,
    hook: 'inbound',
    mark: 0,
    offload: OFFLOAD.finished,
    nowMs,
  })
}

function pass(seconds: number): void {
  for (let step = 0; step < seconds * 10; step++) {
    nowMs += 100
    director.passTime(nowMs)
  }
}

describe('drop_packet', () => {
  it('always: drops the first packet that would start a connection, and then one in am_droprate', () => {
    director.knobs.drop_packet = 3
    director.knobs.am_droprate = 4
    const kinds = Array.from({ length: 12 }, (_, index) => send(3000 + index).kind)
    expect(kinds.map((kind) => (kind === 'drop' ? 'D' : '.')).join('')).toBe('D...D...D...')
    expect(director.dropped.toObject()).toMatchObject({ 'drop-packet': 3 })
  })

  it('leaves packets of connections alone', () => {
    send(3000)
    director.knobs.drop_packet = 3
    director.knobs.am_droprate = 1
    expect(send(3000, 'A').kind).toBe('rewrite')
    expect(send(3001).kind).toBe('drop')
  })

  it('automatic: begins when memory is short, at the rate of the shortage, and ends when it is back', () => {
    director.knobs.drop_packet = 1
    expect(send(3000).kind).toBe('rewrite')
    availablePages = 1024 - 256
    pass(1.1)
    expect(director.knobs.drop_packet).toBe(2)
    const dropped = Array.from({ length: 8 }, (_, index) => send(3100 + index).kind).filter(
      (kind) => kind === 'drop',
    )
    expect(dropped).toHaveLength(2)
    availablePages = 100_000
    pass(1.1)
    expect(director.knobs.drop_packet).toBe(1)
    expect(send(3200).kind).toBe('rewrite')
  })
})

describe('drop_entry', () => {
  it('gives up half-open connections at random, and keeps established ones that are in use', () => {
    for (let port = 3000; port < 4000; port++) send(port)
    for (let port = 3000; port < 3100; port++) send(port, 'A')
    director.knobs.drop_entry = 3
    pass(20)
    const states = [...director.connections.records()].map((record) =>
      director.connections.describe(record, nowMs),
    )
    const established = states.filter(({ state }) => state === 1)
    expect(established).toHaveLength(100)
    expect(states.length - established.length).toBeLessThan(700)
    expect(states.length - established.length).toBeGreaterThan(0)
  })

  it('does nothing while it is off, or waits for memory that is not short', () => {
    for (let port = 3000; port < 3200; port++) send(port)
    pass(20)
    director.knobs.drop_entry = 1
    pass(20)
    expect(director.connections.size).toBe(200)
  })
})

describe('knobs', () => {
  it('have defaults within their own bounds', () => {
    for (const [name, { initial }] of Object.entries(KNOBS)) {
      expect(knobFlaw(name as KnobName, initial), name).toBeNull()
    }
  })

  it('refuse what the kernel refuses, naming knob, range and value', () => {
    expect(knobFlaw('drop_entry', 4)).toBe('drop_entry is a whole number from 0 to 3, not 4')
    expect(knobFlaw('secure_tcp', -1)).toContain('-1')
    expect(knobFlaw('conn_reuse_mode', 1.5)).toContain('1.5')
    expect(knobFlaw('cache_bypass', 7)).toBeNull()
  })
})
