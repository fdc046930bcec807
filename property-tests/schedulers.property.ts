import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SCHEDULERS } from '../lib/sched/index.ts'
import { parseEndpoint, type ServiceKey } from '../lib/service/key.ts'
import { ServiceTable } from '../lib/service/service-table.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { granted, serviceKey } from '../test/support/stage.ts'
import { address, uint16 } from './arbitraries/address.ts'
import { Add } from './model/schedulers/add.ts'
import { Choose } from './model/schedulers/choose.ts'
import { Edit } from './model/schedulers/edit.ts'
import { End } from './model/schedulers/end.ts'
import { Flags } from './model/schedulers/flags.ts'
import { dh, mh, sh } from './model/schedulers/hash-rules.ts'
import { lblc, lblcr } from './model/schedulers/locality-rules.ts'
import { type Asked, FLAG, type Model, type Real, type Rule, type Server } from './model/schedulers/model.ts'
import { PassTime } from './model/schedulers/pass-time.ts'
import { Remove } from './model/schedulers/remove.ts'
import { fo, lc, nq, ovf, rr, sed, twos, wlc, wrr } from './model/schedulers/rules.ts'

const RULES: Readonly<Record<string, (pool: readonly Server[]) => Rule>> = {
  rr,
  wrr,
  lc,
  wlc,
  lblc,
  lblcr,
  dh,
  sh,
  mh,
  sed,
  nq,
  fo,
  ovf,
  twos,
}

const SERVICES = {
  4: {
    key: serviceKey('tcp:10.0.0.1:80'),
    servers: ['192.168.1.1:80', '192.168.1.2:80', '192.168.1.2:81', '10.1.2.3:0'],
  },
  6: {
    key: serviceKey('tcp:[fd00::1]:80'),
    servers: ['[fd01::1]:80', '[fd01::2]:80', '[fd01::2]:81', '[fd05::a:b]:0'],
  },
} as const satisfies Record<4 | 6, { key: ServiceKey; servers: readonly string[] }>

/** Quiesced, ordinary, without common divisor, a table's size, and the largest there can be. */
const weight = (name: string): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(0, 1, 2, 0, 3, 4, 10) },
    // One threshold after the other, as wrr is defined, the largest weight would take minutes.
    { weight: 1, arbitrary: fc.constantFrom(256, name === 'wrr' ? 300 : 0x7fff_ffff) },
  )

const pick = fc.nat({ max: 9 })
const threshold = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2, 4))

/** A few addresses that come again, and any. */
const asked = (family: 4 | 6): fc.Arbitrary<Asked> => {
  const [client, virtual] = family === 4 ? ['10.9.0.', '10.0.0.'] : ['fd09::', 'fd00::']
  const hosts = [1, 2, 3].map((host) => [`${client}${host}`, `${virtual}${host}`] as const)
  const parse = (text: string) => parseEndpoint(family === 4 ? `${text}:1` : `[${text}]:1`)!.address
  return fc.record({
    protocol: fc.constantFrom(PROTOCOL.tcp, PROTOCOL.udp, PROTOCOL.sctp, PROTOCOL.icmp),
    client: fc.oneof(fc.constantFrom(...hosts.map(([text]) => parse(text))), address(family)),
    clientPort: fc.oneof(fc.constantFrom(3000, 3001), uint16()),
    virtual: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...hosts.map(([, text]) => parse(text))) },
      { weight: 1, arbitrary: address(family) },
    ),
  })
}

/** Each in [0, 1). */
const draw = fc.oneof(
  fc.constantFrom(0, 0.5, 1 - 2 ** -53),
  fc.double({ min: 0, max: 1 - 2 ** -53, noNaN: true }),
)

const commands = (name: string, family: 4 | 6) => {
  const server = fc.constantFrom(...SERVICES[family].servers)
  const choice = fc
    .tuple(
      asked(family),
      fc.constantFrom('active' as const, 'not' as const, 'inactive' as const, 'active' as const),
      fc.tuple(draw, draw),
    )
    .map((args) => new Choose(...args))
  return fc.commands(
    [
      fc.tuple(server, weight(name), threshold, threshold).map((args) => new Add(...args)),
      fc.tuple(server, weight(name), threshold, threshold).map((args) => new Add(...args)),
      fc.tuple(pick, weight(name), threshold, threshold).map((args) => new Edit(...args)),
      pick.map((at) => new Remove(at)),
      choice,
      choice,
      choice,
      choice,
      pick.map((at) => new End(at)),
      pick.map((at) => new End(at)),
      fc
        .constantFrom(0, FLAG.fallback, FLAG.port, FLAG.fallback | FLAG.port)
        .map((flags) => new Flags(flags)),
      fc.constantFrom(1000, 60_000, 1_800_000, 43_200_000, 86_400_000).map((ms) => new PassTime(ms)),
    ],
    { size: '+1', maxCommands: 80 },
  )
}

describe('schedulers', () => {
  it('are all defined here too', () => {
    expect(Object.keys(RULES).sort()).toEqual(Object.keys(SCHEDULERS).sort())
  })

  it.each(Object.keys(SCHEDULERS))('%s chooses as it is defined, whatever happens to its servers', (name) => {
    const runs = fc.constantFrom<4 | 6>(4, 6).chain((family) =>
      fc.record({
        family: fc.constant(family),
        all: commands(name, family),
        flags: fc.constantFrom(0, FLAG.fallback),
      }),
    )
    fc.assert(
      fc.property(runs, ({ family, all, flags }) => {
        fc.modelRun(() => start(name, family, flags), all)
      }),
      { numRuns: 120 },
    )
  })
})

function start(name: string, family: 4 | 6, flags: number): { model: Model; real: Real } {
  const draws: number[] = []
  const table = new ServiceTable({ schedulers: SCHEDULERS, random: () => draws.shift() ?? 0 })
  const service = granted(table.add(SERVICES[family].key, { scheduler: name, schedulerFlags: flags }))
  service.scheduler!.passTime?.(0)
  const pool: Server[] = []
  return {
    model: { pool, away: [], rule: RULES[name]!(pool), flags, nowMs: 0 },
    real: { table, service, destinations: new Map(), draws },
  }
}
