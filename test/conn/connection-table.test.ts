import { beforeEach, describe, expect, it } from 'vitest'
import { ConnectionTable } from '../../lib/conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'
import { startTickOf, ticksFromSec } from '../../lib/conn/ticks.ts'
import {
  type ConnectionSpec,
  inboundOf,
  newConnection,
  outboundOf,
  packetOf,
} from '../support/connections.ts'

const WEB: ConnectionSpec = {
  client: '10.9.0.1:3000',
  virtual: '10.0.0.1:80',
  destination: '192.168.1.1:8080',
}
const WEB_6: ConnectionSpec = {
  client: '[fd09::1]:3000',
  virtual: '[fd00::1]:80',
  destination: '[fd01::1]:8080',
}
const DAY_MS = 24 * 3600 * 1000

let table: ConnectionTable
let removed: number[]
const onRemoved = (record: number): void => {
  removed.push(record)
}

beforeEach(() => {
  table = new ConnectionTable({ limit: 8, seed: 1, nowMs: 0 })
  removed = []
})

const create = (spec: ConnectionSpec, nowMs = 0): number => table.create(newConnection(spec), nowMs)
const word = (record: number, name: keyof typeof WORD): number =>
  table.words[record * RECORD_WORDS + WORD[name]]!
const setWord = (record: number, name: keyof typeof WORD, value: number): void => {
  table.words[record * RECORD_WORDS + WORD[name]] = value
}
const setTimeoutSec = (record: number, seconds: number): void =>
  setWord(record, 'timeoutTicks', ticksFromSec(seconds))
const expireAll = (nowMs: number): boolean => table.expire(nowMs, 1000, onRemoved)

describe('finding a connection', () => {
  const KINDS: readonly (readonly [string, ConnectionSpec])[] = [
    ['TCP, masqueraded', WEB],
    ['UDP, masqueraded', { ...WEB, transport: 'udp' }],
    ['gatewayed', { ...WEB, method: 'gatewaying' }],
    ['tunnelled', { ...WEB, method: 'ipip' }],
    ['IPv6, masqueraded', WEB_6],
    ['IPv6, gatewayed', { ...WEB_6, method: 'gatewaying' }],
    ['IPv6, tunnelled to an IPv4 server', { ...WEB_6, destination: '192.168.1.1:80', method: 'ipip' }],
    ['with the highest ports and addresses', wide()],
  ]

  it.each(KINDS)('works from both directions: %s', (_name, spec) => {
    const record = create(spec)
    expect(record).not.toBe(NONE)
    expect(table.findInbound(inboundOf(spec))).toBe(record)
    expect(table.findOutbound(outboundOf(spec))).toBe(record)
  })

  it.each([
    ['another client', '10.9.0.2:3000', '10.0.0.1:80'],
    ['another client port', '10.9.0.1:3001', '10.0.0.1:80'],
    ['another virtual address', '10.9.0.1:3000', '10.0.0.2:80'],
    ['another virtual port', '10.9.0.1:3000', '10.0.0.1:81'],
    ['the opposite direction', '10.0.0.1:80', '10.9.0.1:3000'],
  ])('inbound, knows %s apart', (_name, source, destination) => {
    create(WEB)
    expect(table.findInbound(packetOf('tcp', source, destination))).toBe(NONE)
  })

  it.each([
    ['another server', '192.168.1.2:8080', '10.9.0.1:3000'],
    ['another server port', '192.168.1.1:8081', '10.9.0.1:3000'],
    ['the virtual endpoint', '10.0.0.1:80', '10.9.0.1:3000'],
    ['another client', '192.168.1.1:8080', '10.9.0.2:3000'],
    ['another client port', '192.168.1.1:8080', '10.9.0.1:3001'],
  ])('outbound, knows %s apart', (_name, source, destination) => {
    create(WEB)
    expect(table.findOutbound(packetOf('tcp', source, destination))).toBe(NONE)
  })

  it('knows addresses apart that differ in a single word of the IPv6 address', () => {
    create(WEB_6)
    for (const client of ['fd0a::1', 'fd09:0:1::1', 'fd09::1:0:1', 'fd09::2']) {
      const packet = packetOf('tcp', `[${client}]:3000`, '[fd00::1]:80')
      expect(table.findInbound(packet), client).toBe(NONE)
    }
    for (const virtual of ['fd0a::1', 'fd00:0:1::1', 'fd00::1:0:1', 'fd00::2']) {
      const packet = packetOf('tcp', '[fd09::1]:3000', `[${virtual}]:80`)
      expect(table.findInbound(packet), virtual).toBe(NONE)
    }
  })

  it('knows TCP and UDP of the same endpoints apart', () => {
    const tcp = create(WEB)
    expect(table.findInbound(inboundOf({ ...WEB, transport: 'udp' }))).toBe(NONE)
    const udp = create({ ...WEB, transport: 'udp' })
    expect(udp).not.toBe(tcp)
    expect(table.findInbound(inboundOf(WEB))).toBe(tcp)
    expect(table.findInbound(inboundOf({ ...WEB, transport: 'udp' }))).toBe(udp)
  })

  it('of two connections with one key gives the newer', () => {
    create(WEB)
    const newer = create({ ...WEB, destination: '192.168.1.2:8080' })
    expect(table.findInbound(inboundOf(WEB))).toBe(newer)
  })
})

describe('a record', () => {
  it('is described as it was created', () => {
    const record = create({ ...WEB, destinationId: 7, fwmark: -1 })
    const view = table.describe(record, 0)
    expect({
      ...view,
      client: `${view.client.address}:${view.client.port}`,
      virtual: `${view.virtual.address}:${view.virtual.port}`,
      destination: `${view.destination.address}:${view.destination.port}`,
    }).toEqual({
      protocol: 6,
      client: WEB.client,
      virtual: WEB.virtual,
      destination: WEB.destination,
      destinationId: 7,
      flags: FLAG.inactive | FLAG.hashed,
      state: 0,
      fwmark: 0xffff_ffff,
      inPackets: 0,
      expiresSeconds: 3,
      engineData: null,
    })
  })

  it('remembers a destination of the other family', () => {
    const record = create({ ...WEB, destination: '[fd01::1]:80', method: 'ipip' })
    const { client, destination } = table.describe(record, 0)
    expect(client.address.family).toBe(4)
    expect(`${destination.address}`).toBe('fd01::1')
  })

  it('keeps nothing of the connection that had it before', () => {
    const first = create({ ...WEB_6, fwmark: 5, destinationId: 9 })
    setWord(first, 'state', 4)
    setWord(first, 'inPackets', 100)
    setWord(first, 'natDelta', 77)
    setTimeoutSec(first, 900)
    table.remove(first, onRemoved)
    const second = create(WEB)
    expect(second).toBe(first)
    expect(table.findInbound(inboundOf(WEB))).toBe(second)
    expect(table.findInbound(inboundOf(WEB_6))).toBe(NONE)
    expect(table.describe(second, 0)).toMatchObject({ state: 0, inPackets: 0, fwmark: 0, expiresSeconds: 3 })
    expect(word(second, 'natDelta')).toBe(0)
  })
})

describe('the table’s limit', () => {
  const nth = (n: number): ConnectionSpec => ({ ...WEB, client: `10.9.0.1:${3000 + n}` })

  it('is a number of connections, beyond which none is created', () => {
    for (let n = 0; n < 8; n++) expect(create(nth(n)), `connection ${n}`).not.toBe(NONE)
    expect(create(nth(8))).toBe(NONE)
    expect(table.size).toBe(8)
    for (let n = 0; n < 8; n++) expect(table.findInbound(inboundOf(nth(n)))).not.toBe(NONE)
    expect(table.findInbound(inboundOf(nth(8)))).toBe(NONE)
  })

  it('leaves room again for as many as were removed', () => {
    for (let n = 0; n < 8; n++) create(nth(n))
    table.remove(table.findInbound(inboundOf(nth(3))), onRemoved)
    table.remove(table.findInbound(inboundOf(nth(5))), onRemoved)
    expect(
      [create(nth(8)), create(nth(9)), create(nth(10))].filter((record) => record === NONE),
    ).toHaveLength(1)
    expect(table.size).toBe(8)
  })

  it('may be a single connection, and more than there are buckets', () => {
    table = new ConnectionTable({ limit: 1, seed: 0, nowMs: 0 })
    expect(create(nth(0))).not.toBe(NONE)
    expect(create(nth(1))).toBe(NONE)
    table = new ConnectionTable({ limit: 257, seed: 0, nowMs: 0 })
    expect(table.buckets).toBeGreaterThanOrEqual(257)
    for (let n = 0; n < 257; n++) create(nth(n))
    for (let n = 0; n < 257; n++) expect(table.findInbound(inboundOf(nth(n)))).not.toBe(NONE)
  })
})

describe('a connection of full NAT', () => {
  it('is not found by a server’s packet to the client itself: its server answers the director', () => {
    const record = create(WEB)
    expect(table.findOutbound(outboundOf(WEB))).toBe(record)
    setWord(record, 'flags', word(record, 'flags') | FLAG.fullNat)
    expect(table.findOutbound(outboundOf(WEB))).toBe(NONE)
    expect(table.findInbound(inboundOf(WEB))).toBe(record)
  })
})

describe('a table of many connections', () => {
  const LIMIT = 4096

  beforeEach(() => {
    table = new ConnectionTable({ limit: LIMIT, seed: 7, nowMs: 0 })
  })

  it('finds each of those that share a bucket, and after one has gone the others', () => {
    const specs = Array.from({ length: LIMIT }, (_, n) => ({ ...WEB, client: `10.9.0.1:${1024 + n}` }))
    const records = specs.map((spec) => create(spec))
    expect(specs.map((spec) => table.findInbound(inboundOf(spec)))).toEqual(records)
    expect(specs.map((spec) => table.findOutbound(outboundOf(spec)))).toEqual(records)
    for (const [n, record] of records.entries()) if (n % 3 === 0) table.remove(record, onRemoved)
    const left = records.map((record, n) => (n % 3 === 0 ? NONE : record))
    expect(specs.map((spec) => table.findInbound(inboundOf(spec)))).toEqual(left)
  })

  it('has no empty bucket that leads to a record, and each record in one bucket', () => {
    for (let n = 0; n < 1000; n++) create({ ...WEB, client: `10.9.${n % 7}.1:${1024 + n}` })
    const filed: number[] = []
    for (let bucket = 0; bucket < table.buckets; bucket++) {
      for (let each = table.index.newest(bucket); each !== NONE; each = table.index.after(each))
        filed.push(each)
    }
    expect(filed.sort((a, b) => a - b)).toEqual([...table.records()])
  })

  it('takes the records of those that have gone for new ones', () => {
    const first = Array.from({ length: LIMIT }, (_, n) => create({ ...WEB, client: `10.9.0.1:${1024 + n}` }))
    expireAll(0)
    while (!expireAll(10_000));
    expect(table.size).toBe(0)
    const second = Array.from({ length: LIMIT }, (_, n) =>
      create({ ...WEB, client: `10.9.0.2:${1024 + n}` }, 10_000),
    )
    expect(second.toSorted((a, b) => a - b)).toEqual(first)
    expect(create({ ...WEB, client: '10.9.0.3:80' }, 10_000)).toBe(NONE)
  })

  it.each([0, -1, 1.5, Number.NaN, 16_777_216])('cannot have a limit of %s connections', (limit) => {
    expect(() => new ConnectionTable({ limit, seed: 0, nowMs: 0 })).toThrow(
      `the limit of ${limit} connections is not a whole number from 1 to 16777215`,
    )
  })
})

describe('the hash', () => {
  it('depends on the seed, so that an outsider cannot aim at one bucket', () => {
    const hashesOf = (seed: number) => {
      const own = new ConnectionTable({ limit: 4096, seed, nowMs: 0 })
      return Array.from({ length: 64 }, (_, port) => own.index.hashOf(6 << 8, 0x0a090001, 0, 0, 0, port))
    }
    expect(hashesOf(1)).toEqual(hashesOf(1))
    expect(hashesOf(1)).not.toEqual(hashesOf(2))
  })

  it('spreads the ports of one client and neighbouring clients evenly', () => {
    const own = new ConnectionTable({ limit: 4096, seed: 12_345, nowMs: 0 })
    for (const [name, hashOf] of [
      ['ports', (n: number) => own.index.hashOf(6 << 8, 0x0a090001, 0, 0, 0, n)],
      ['clients', (n: number) => own.index.hashOf(6 << 8, (0x0a090000 + n) | 0, 0, 0, 0, 3000)],
      ['IPv6 clients', (n: number) => own.index.hashOf((6 << 8) | 1, 0xfd090000 | 0, 0, 0, n, 3000)],
    ] as const) {
      const hashes = Array.from({ length: 4096 }, (_, n) => hashOf(n))
      // 4096 balls in 16,384 bins hit 22 % of them.
      expect(new Set(hashes.map((hash) => hash & (own.buckets - 1))).size, name).toBeGreaterThan(
        own.buckets * 0.2,
      )
      // The links' tags are the top bits.
      expect(new Set(hashes.map((hash) => hash >>> 24)).size, name).toBe(256)
    }
  })
})

describe('time', () => {
  it('forgets a new connection after 3 s, unless its first packet’s state says otherwise', () => {
    create(WEB)
    expireAll(2900)
    expect(table.size).toBe(1)
    expireAll(3100)
    expect(table.size).toBe(0)
    expect(table.findInbound(inboundOf(WEB))).toBe(NONE)
  })

  it('counts a timeout from the last packet on', () => {
    const record = create(WEB)
    setTimeoutSec(record, 60)
    for (let nowMs = 0; nowMs <= DAY_MS; nowMs += 59_000) {
      expireAll(nowMs)
      table.prolong(record, startTickOf(nowMs))
    }
    expect(table.size).toBe(1)
    expect(table.describe(record, DAY_MS).expiresSeconds).toBeGreaterThan(0)
    expireAll(DAY_MS + 61_000)
    expect(removed).toEqual([record])
  })

  it('ends a connection early whose new timeout is shorter than the one it was filed under', () => {
    const record = create(WEB)
    setTimeoutSec(record, 900)
    table.prolong(record, 0)
    expireAll(1000)
    setTimeoutSec(record, 10)
    table.prolong(record, startTickOf(1000))
    expireAll(10_900)
    expect(table.size).toBe(1)
    expireAll(11_000)
    expect(table.size).toBe(0)
  })

  it('keeps timeouts of days, longer than the wheel is round', () => {
    const record = create(WEB)
    setTimeoutSec(record, (3 * DAY_MS) / 1000)
    table.prolong(record, 0)
    for (let nowMs = 0; nowMs < 3 * DAY_MS; nowMs += 600_000) expireAll(nowMs)
    expect(table.size).toBe(1)
    expireAll(3 * DAY_MS)
    expect(table.size).toBe(0)
  })

  it('may pass in one leap', () => {
    for (let n = 0; n < 8; n++) {
      const record = create({ ...WEB, client: `10.9.0.1:${3000 + n}` })
      setTimeoutSec(record, n < 4 ? 60 : (2 * DAY_MS) / 1000)
      table.prolong(record, 0)
    }
    expireAll(DAY_MS)
    expect(table.size).toBe(4)
  })

  it('is worked off in portions: a call looks at no more than its budget, and says whether more is due', () => {
    for (let n = 0; n < 8; n++) create({ ...WEB, client: `10.9.0.1:${3000 + n}` })
    expect(table.expire(10_000, 3, onRemoved)).toBe(false)
    expect(removed).toHaveLength(3)
    expect(table.expire(10_000, 3, onRemoved)).toBe(false)
    expect(table.expire(10_000, 3, onRemoved)).toBe(true)
    expect(new Set(removed).size).toBe(8)
    expect(table.size).toBe(0)
  })

  it('gives the record to the listener while it can still be read', () => {
    create({ ...WEB, destinationId: 42 })
    const seen: number[] = []
    table.expire(10_000, 10, (record) => {
      seen.push(table.describe(record, 10_000).destinationId)
    })
    expect(seen).toEqual([42])
  })
})

describe('ending a connection now', () => {
  it('hides it from packets at once, and removes it when time is next passed', () => {
    const record = create(WEB)
    setTimeoutSec(record, 900)
    table.prolong(record, 0)
    table.expireNow(record, 5000)
    expect(table.findInbound(inboundOf(WEB))).toBe(NONE)
    expect(table.findOutbound(outboundOf(WEB))).toBe(NONE)
    expect([...table.records()]).toEqual([])
    expect(removed).toEqual([])
    expireAll(5100)
    expect(removed).toEqual([record])
    expect(table.size).toBe(0)
  })

  it('leaves its successor on the same endpoints alone', () => {
    table.expireNow(create(WEB), 0)
    const successor = create(WEB)
    setTimeoutSec(successor, 60)
    table.prolong(successor, 0)
    expireAll(10_000)
    expect(table.findInbound(inboundOf(WEB))).toBe(successor)
    expect(table.size).toBe(1)
  })

  it('does nothing to one that still controls others', () => {
    const template = create(WEB)
    setWord(template, 'controlled', 1)
    table.expireNow(template, 0)
    expect(table.findInbound(inboundOf(WEB))).toBe(template)
  })
})

describe('removing a connection', () => {
  it('takes it out of the middle of a chain', () => {
    // One client, one port: three services share a bucket.
    const specs = [80, 81, 82].map((port) => ({ ...WEB, virtual: `10.0.0.1:${port}` }))
    for (const spec of specs) create(spec)
    table.remove(table.findInbound(inboundOf(specs[1]!)), onRemoved)
    expect(specs.map((spec) => table.findInbound(inboundOf(spec)) !== NONE)).toEqual([true, false, true])
    expect(removed).toHaveLength(1)
  })

  it('takes it out of time as well: it is not removed twice', () => {
    table.remove(create(WEB), onRemoved)
    create(WEB_6)
    expireAll(10_000)
    expect(removed).toHaveLength(2)
    expect(table.size).toBe(0)
  })

  it('works on one that was ended but not yet forgotten', () => {
    const record = create(WEB)
    table.expireNow(record, 0)
    table.remove(record, onRemoved)
    expireAll(10_000)
    expect(removed).toEqual([record])
  })
})

describe('a connection that controls others', () => {
  it('is postponed by 60 s when it expires, until the last of them has gone', () => {
    const template = create(WEB)
    const controlled = create({ ...WEB, client: '10.9.0.1:3001' })
    setWord(template, 'controlled', 1)
    setWord(controlled, 'controller', template)
    setTimeoutSec(controlled, 100)
    table.prolong(controlled, 0)
    expireAll(3100)
    expect(table.describe(template, 3100).expiresSeconds).toBe(60)
    expect(word(template, 'timeoutTicks')).toBe(ticksFromSec(60))
    expireAll(100_000)
    expect(removed).toEqual([controlled])
    expect(word(template, 'controlled')).toBe(0)
    expireAll(200_000)
    expect(removed).toEqual([controlled, template])
  })
})

describe('records', () => {
  it('are listed each once, removed and reused ones included', () => {
    const first = create(WEB)
    const second = create({ ...WEB, client: '10.9.0.1:3001' })
    expect([...table.records()].sort()).toEqual([first, second].sort())
    table.remove(first, onRemoved)
    expect([...table.records()]).toEqual([second])
    const third = create(WEB_6)
    expect([...table.records()].sort()).toEqual([second, third].sort())
  })
})

function wide(): ConnectionSpec {
  return {
    client: '223.255.255.255:65535',
    virtual: '223.255.255.254:65535',
    destination: '223.255.255.253:65535',
  }
}
