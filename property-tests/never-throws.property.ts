import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { TCP_ACTIVE_STATES } from '../lib/conn/tcp-state.ts'
import type { Director } from '../lib/director/director.ts'
import { type Arrival, HEADROOM_BYTES, type Verdict } from '../lib/director/verdict.ts'
import { OFFLOAD } from '../lib/encode/offload.ts'
import { Packet } from '../lib/wire/packet.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { ip4, ip6, sctp4, sctp6, tcp4, tcp6, toHex, udp4, udp6 } from '../test/support/packets.ts'
import { Stage } from '../test/support/stage.ts'
import { family, uint16 } from './arbitraries/address.ts'
import { packet, sctpChunks, spoiledPacket } from './arbitraries/packet.ts'

const GUARD_BYTES = 32
/** TCP's ESTABLISHED, and a tick. */
const LONGEST_TIMEOUT_MS = 900_200
const ACTIVE: readonly string[] = TCP_ACTIVE_STATES
const METHODS = ['masquerading', 'gatewaying', 'ipip'] as const

/** Endpoints that the services below know, so that packets get further than the first lookup. */
const known = (): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      family: family(),
      transport: fc.constantFrom('tcp', 'udp', 'sctp', 'esp'),
      isReply: fc.boolean(),
      service: fc.constantFrom(80, 81, 82, 500),
      clientPort: fc.constantFrom(3000, 3001, 20, 500),
      flags: fc.constantFrom('S', 'SA', 'A', 'FA', 'R', ''),
      chunks: fc.oneof(fc.constant([['init'] as const]), sctpChunks()),
      ttl: fc.constantFrom(0, 1, 2, 64, 255),
      dontFragment: fc.boolean(),
      payloadBytes: fc.constantFrom(0, 1, 100, 1400, 1480, 2000),
    })
    .map(
      ({
        family,
        transport,
        isReply,
        service,
        clientPort,
        flags,
        chunks,
        ttl,
        dontFragment,
        payloadBytes,
      }) => {
        const [client, virtual, server] = HOSTS[family]
        const answering =
          service === 80 ? `${server}:8080` : service === 500 ? `${server}:500` : `${virtual}:${service}`
        const source = isReply ? answering : `${client}:${clientPort}`
        const destination = isReply ? `${client}:${clientPort}` : `${virtual}:${service}`
        const options = { source, destination, flags, chunks, payload: new Uint8Array(payloadBytes) }
        return family === 4
          ? BUILDERS[4][transport]({ ...options, ttl, dontFragment })
          : BUILDERS[6][transport]({ ...options, hopLimit: ttl })
      },
    )

const BUILDERS = {
  4: {
    tcp: tcp4,
    udp: udp4,
    sctp: sctp4,
    esp: (options: Parameters<typeof udp4>[0]) => ip4({ ...options, protocol: PROTOCOL.esp }),
  },
  6: {
    tcp: tcp6,
    udp: udp6,
    sctp: sctp6,
    esp: (options: Parameters<typeof udp6>[0]) => ip6({ ...options, protocol: PROTOCOL.esp }),
  },
} as const

const HOSTS = {
  4: ['10.9.0.1', '10.0.0.1', '192.168.1.1'],
  6: ['[fd09::1]', '[fd00::1]', '[fd01::1]'],
} as const

/** Sound, spoiled, cut short, and any octets whatever. */
const anyBytes = (): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    { weight: 4, arbitrary: known() },
    {
      weight: 4,
      arbitrary: fc.tuple(known(), fc.nat(), fc.nat({ max: 255 })).map((args) => spoiled(...args)),
    },
    { weight: 2, arbitrary: packet().map(({ bytes }) => bytes) },
    { weight: 2, arbitrary: spoiledPacket().map(({ bytes }) => bytes) },
    {
      weight: 1,
      arbitrary: fc.tuple(known(), fc.nat()).map(([bytes, at]) => bytes.slice(0, at % bytes.length)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
  )

/** One octet of the headers set to anything. */
function spoiled(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice()
  copy[at % Math.min(copy.length, 80)] = value
  return copy
}

interface Sent {
  readonly bytes: Uint8Array
  readonly hook: Arrival['hook']
  readonly offload: Arrival['offload']
  readonly mark: number
  readonly headroomBytes: number
  readonly passMs: number
}

const sent = (): fc.Arbitrary<Sent> =>
  fc.record({
    bytes: anyBytes(),
    hook: fc.constantFrom('inbound' as const, 'outbound' as const),
    offload: fc.constantFrom(...Object.values(OFFLOAD)),
    mark: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2), uint16()),
    headroomBytes: fc.constantFrom(0, 19, 20, HEADROOM_BYTES),
    passMs: fc.constantFrom(0, 0, 0, 50, 3000, 70_000),
  })

let stage: Stage
beforeEach(() => {
  stage = newStage()
})

/** A service by each method, in both families and every transport, one for key exchanges, and one on a mark; room for few connections. */
function newStage(): Stage {
  const made = new Stage({ connectionLimit: 12 })
  for (const family of [4, 6] as const) {
    const [, virtual, server] = HOSTS[family]
    made.service(`udp:${virtual}:500`, { scheduler: 'rr' })
    made.destination(`udp:${virtual}:500`, `${server}:500`)
    for (const transport of ['tcp', 'udp', 'sctp']) {
      for (const [index, method] of METHODS.entries()) {
        const key = `${transport}:${virtual}:${80 + index}`
        made.service(key, { scheduler: 'wlc' })
        made.destination(key, `${server}:${method === 'masquerading' ? 8080 : 80 + index}`, { method })
      }
    }
  }
  made.service('fwmark:1', { scheduler: 'sh' })
  made.destination('fwmark:1', '192.168.1.1:0')
  made.destination('fwmark:1', '[fd01::1]:0', { method: 'ipip' })
  made.service('fwmark:2', { scheduler: 'none' })
  return made
}

/** Processes the packet between guard octets, and sees that only its own and its headroom were written to. */
function process(director: Director, { bytes: packet, ...how }: Sent, nowMs: number): Verdict {
  const start = GUARD_BYTES + how.headroomBytes
  const end = start + packet.length
  const bytes = new Uint8Array(end + GUARD_BYTES).fill(0xa5)
  bytes.set(packet, start)
  const { hook, mark, offload } = how
  // With less headroom than is asked for, the packet stands at the very start of its bytes.
  const offset = how.headroomBytes < HEADROOM_BYTES ? GUARD_BYTES : 0
  const area = bytes.subarray(offset)
  const verdict = director.process({
    bytes: area,
    start: start - offset,
    end: end - offset,
    hook,
    mark,
    offload,
    nowMs,
  })
  const isGuard = (octet: number) => octet === 0xa5
  expect(bytes.subarray(0, start - how.headroomBytes).every(isGuard), 'octets before the headroom').toBe(true)
  expect(bytes.subarray(end).every(isGuard), 'octets behind the packet').toBe(true)
  if (verdict.kind === 'accept')
    expect(toHex(bytes.subarray(start, end)), 'an accepted packet').toBe(toHex(packet))
  return verdict
}

/** Fragments are given up after they were absorbed. */
const withoutFragments = (counts: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).filter(([reason]) => !reason.startsWith('fragment-')))

const total = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, each) => sum + each, 0)

describe('Director.process', () => {
  it('takes any octets in its stride: no exception, nothing written elsewhere, every packet accounted for', () => {
    fc.assert(
      fc.property(fc.array(sent(), { maxLength: 25 }), (packets) => {
        stage = newStage()
        const { director } = stage
        const seen = { accept: 0, drop: 0, absorbed: 0, forwarded: 0 }
        for (const each of packets) {
          stage.passTime(each.passMs)
          const verdict = process(director, each, stage.nowMs)
          if (verdict.kind === 'drop') seen.drop++
          else if (verdict.kind === 'absorb') seen.absorbed++
          else if (verdict.kind === 'accept' && verdict.destination === null) seen.accept++
          else seen.forwarded++
          expectSound(director, verdict)
        }
        expect(total(director.passed.toObject())).toBe(seen.accept)
        expect(total(withoutFragments(director.dropped.toObject()))).toBe(seen.drop)
        expect(seen.accept + seen.drop + seen.absorbed + seen.forwarded).toBe(packets.length)
        expectBalanced(stage)
      }),
      { numRuns: 400 },
    )
  })

  it('reaches every kind of verdict in that', () => {
    const kinds = new Map<string, number>()
    for (const each of fc.sample(sent(), { numRuns: 4000, seed: 1 })) {
      const { kind } = process(stage.director, each, stage.nowMs)
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      if (each.passMs > 0) stage.passTime(each.passMs)
    }
    expect([...kinds.keys()].sort()).toEqual(['absorb', 'accept', 'direct', 'drop', 'rewrite', 'send'])
    for (const [kind, count] of kinds) expect(count, kind).toBeGreaterThan(5)
  })
})

describe('Director.expect', () => {
  it('takes any octets, cut short anywhere', () => {
    fc.assert(
      fc.property(fc.array(sent(), { maxLength: 20 }), (packets) => {
        for (const { bytes, hook } of packets) stage.director.expect(bytes, 0, hook)
        stage.director.fetchExpected()
      }),
      { numRuns: 300 },
    )
  })
})

/** What is to go on, or to be answered, is a sound packet; a dropped or accepted one has a reason. */
function expectSound(
  director: Director,
  { kind, reason, bytes, start, end, destination, answerBytes }: Verdict,
): void {
  const packet = new Packet()
  if (kind === 'rewrite' || kind === 'direct' || kind === 'send') {
    expect(destination).not.toBeNull()
    expect(packet.read(bytes, start, end)?.reason).toBeUndefined()
  } else expect(reason !== '' || destination !== null || kind === 'absorb').toBe(true)
  if (answerBytes > 0) {
    expect(kind).toBe('drop')
    expect(packet.read(director.answer, 0, answerBytes)?.reason).toBeUndefined()
  }
}

/** Destinations count exactly the connections there are, and forget all of them in time. */
function expectBalanced({ director, connections, nowMs }: Stage): void {
  const services = [...director.services]
  const pools = services.flatMap(({ pool }) => pool)
  const bound = () => pools.reduce((sum, each) => sum + each.connections, 0)
  expect(bound()).toBe(director.connections.size)
  const active = connections.filter(({ stateName }) => ACTIVE.includes(stateName)).length
  expect(pools.reduce((sum, each) => sum + each.active, 0)).toBe(active)
  expect(connections.length).toBeLessThanOrEqual(5)
  director.passTime(nowMs + LONGEST_TIMEOUT_MS)
  expect(bound()).toBe(0)
  expect(director.connections.size).toBe(0)
}
