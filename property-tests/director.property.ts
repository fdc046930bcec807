import fc from 'fast-check'
import { describe, it } from 'vitest'
import type { SchedulerFactory } from '../lib/service/scheduler.ts'
import { Stage } from '../test/support/stage.ts'
import { Converse } from './model/director/converse.ts'
import { Dismiss } from './model/director/dismiss.ts'
import { Enlist } from './model/director/enlist.ts'
import type { Model, Real, ServiceKind } from './model/director/model.ts'
import { PassTime } from './model/director/pass-time.ts'
import { Reply } from './model/director/reply.ts'
import { Send } from './model/director/send.ts'
import { Turn } from './model/director/turn.ts'
import { Weigh } from './model/director/weigh.ts'

const IPV4 = {
  virtual: '10.0.0.1',
  clients: [
    { host: '10.9.0.1', network: '10.9.0.0' },
    { host: '10.9.0.2', network: '10.9.0.0' },
    { host: '10.9.1.1', network: '10.9.1.0' },
  ],
  servers: [
    { at: '192.168.1.1:8080', method: 'masquerading' },
    { at: '192.168.1.3:80', method: 'gatewaying' },
    { at: '192.168.1.2:8080', method: 'masquerading' },
  ],
} as const
const IPV6 = {
  virtual: '[fd00::1]',
  clients: [
    { host: 'fd09::1', network: 'fd09::' },
    { host: 'fd09::2', network: 'fd09::' },
    { host: 'fd09:0:0:1::1', network: 'fd09:0:0:1::' },
  ],
  servers: [
    { at: '[fd01::1]:8080', method: 'masquerading' },
    { at: '[fd01::2]:8080', method: 'masquerading' },
    { at: '[fd01::3]:80', method: 'gatewaying' },
  ],
} as const
const NETWORK = { '10.0.0.1': 0xffff_ff00 | 0, '[fd00::1]': 64 } as const
const HOST = { '10.0.0.1': -1, '[fd00::1]': 128 } as const

const persistence = fc.record({ timeoutSec: fc.constantFrom(62, 397, 3602), isByNetwork: fc.boolean() })

/** A port of either transport; with persistence any port, and a mark. */
const kinds: fc.Arbitrary<ServiceKind> = fc
  .record({
    family: fc.constantFrom(IPV4, IPV6),
    transport: fc.constantFrom('tcp' as const, 'udp' as const, 'tcp' as const),
    reach: fc.constantFrom('port' as const, 'all ports' as const, 'mark' as const),
    persistence: fc.oneof(fc.constant(null), persistence),
  })
  .filter(({ reach, persistence: bound }) => reach !== 'all ports' || bound !== null)
  .map(({ family, transport, reach, persistence: bound }) => {
    const port = reach === 'port' ? 80 : 0
    const isIpv6 = family === IPV6
    const key =
      reach === 'mark' ? `fwmark:1${isIpv6 ? ':ipv6' : ''}` : `${transport}:${family.virtual}:${port}`
    return { ...family, key, transport, port, mark: reach === 'mark' ? 1 : 0, persistence: bound }
  })

const pick = fc.nat({ max: 5 })
const port = (...ports: number[]) => fc.constantFrom(...ports)
/** SYNs often, so that connections are there; and what makes them close. */
const flags = fc.constantFrom('S', 'S', 'A', 'FA', 'FA', 'R', '')
const send = fc.tuple(
  fc.constantFrom(0, 0, 1, 2),
  port(3000, 3000, 3000, 3001),
  port(80, 80, 80, 81),
  flags,
  pick,
)

/** From the first packet to the last, or as far as it goes. */
const converse = fc.tuple(
  fc.constantFrom(0, 1),
  port(3000),
  port(80),
  fc.constantFrom(['S', 'A'], ['S', 'A', 'FA'], ['S', 'A', 'FA', 'S'], ['S', 'R', 'S']),
  pick,
)

const COMMANDS = [
  converse.map((args) => new Converse(...args)),
  send.map((args) => new Send(...args)),
  send.map((args) => new Send(...args)),
  fc.tuple(pick, fc.constantFrom('SA', 'A', 'FA', 'R')).map((args) => new Reply(...args)),
  fc.tuple(pick, fc.constantFrom('SA', 'A', 'FA', 'R')).map((args) => new Reply(...args)),
  fc
    .constantFrom(100, 5000, 31_000, 61_000, 125_000, 302_000, 3_601_000, 10_000_000)
    .map((ms) => new PassTime(ms)),
  fc.constantFrom(100, 5000, 31_000, 61_000, 125_000).map((ms) => new PassTime(ms)),
  fc.tuple(pick, fc.constantFrom(0, 1)).map((args) => new Weigh(...args)),
  pick.map((at) => new Dismiss(at)),
  fc.nat({ max: 2 }).map((at) => new Enlist(at)),
  fc.nat({ max: 2 }).map((at) => new Enlist(at)),
  fc.constantFrom(0, 1).map((value) => new Turn('expireNodest', value)),
  fc.constantFrom(0, 1).map((value) => new Turn('expireQuiescent', value)),
  fc.constantFrom(0, 1, 2, 3).map((value) => new Turn('reuseMode', value)),
]

describe('Director', () => {
  it('binds clients and ends connections as lists of plain values do, whatever happens', () => {
    fc.assert(
      fc.property(kinds, fc.commands(COMMANDS, { size: '+1', maxCommands: 80 }), (kind, commands) => {
        fc.modelRun(() => start(kind), commands)
      }),
      { numRuns: 100 },
    )
  })
})

function start(kind: ServiceKind): { model: Model; real: Real } {
  const choice = { at: 0 }
  /** Takes whom the test says. */
  const told: SchedulerFactory = () => ({
    pick(_flow, pool) {
      const eligible = pool.filter(({ weight }) => weight > 0)
      return eligible[choice.at % eligible.length] ?? null
    },
  })
  const stage = new Stage({ schedulers: { told } })
  const { persistence: bound, virtual } = kind
  const granularity = (bound?.isByNetwork ? NETWORK : HOST)[virtual as keyof typeof HOST]
  const persistent = bound === null ? null : { timeoutSec: bound.timeoutSec, granularity, engine: null }
  stage.service(kind.key, { scheduler: 'told', persistence: persistent })
  const knobs = { expireNodest: false, expireQuiescent: false, reuseMode: 1 }
  const model = { kind, pool: [], templates: [], connections: [], knobs, nowMs: 0 }
  return { model, real: { stage, choice, destinations: new Map() } }
}
