import { describe, expect, it } from 'vitest'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import type { Destination, DestinationSettings } from '../../lib/service/destination.ts'
import { type Flow, SCHEDULER_FLAG, type SchedulerFactory } from '../../lib/service/scheduler.ts'
import type { VirtualService } from '../../lib/service/virtual-service.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { type SchedulerCheckOptions, schedulerChecks } from '../../testing/index.ts'
import { tcp4 } from '../support/packets.ts'
import { granted, Stage, serviceKey } from '../support/stage.ts'

type Name = keyof typeof SCHEDULERS

const FALLBACK = SCHEDULER_FLAG['flag-1']
const PORT = SCHEDULER_FLAG['flag-2']

const EQUAL_TURNS = 'its turns do not depend on weights'
const DEALT_ANEW = 'its table is dealt anew, and most slots change hands'

/** What is said of each to the conformance suite: kinds, and what it does not promise, with the reason. */
const CHARACTERS: Readonly<Record<Name, SchedulerCheckOptions>> = {
  rr: { exempt: { 'weighted-shares': EQUAL_TURNS } },
  wrr: {},
  lc: { exempt: { 'weighted-shares': 'it compares connections, whatever the weights' } },
  wlc: {},
  lblc: {
    exempt: {
      'only-eligible':
        'a virtual address that has a destination keeps it past its threshold, as in the kernel',
    },
  },
  lblcr: {},
  dh: {
    hashing: true,
    exempt: {
      'finds-eligible': 'the destination of a virtual address has no stand-in',
      'weighted-shares': 'each destination has as many slots as any other',
      'few-move': DEALT_ANEW,
    },
  },
  sh: {
    hashing: true,
    exempt: {
      'finds-eligible': 'a client’s own destination has no stand-in, unless sh-fallback is set',
      'few-move': DEALT_ANEW,
    },
  },
  mh: {
    hashing: true,
    exempt: { 'finds-eligible': 'a client’s own destination has no stand-in, unless mh-fallback is set' },
  },
  sed: {},
  nq: {},
  fo: {
    exempt: {
      'equal-shares': 'all go to one until it fails',
      'weighted-shares': 'all go to the heaviest until it fails',
    },
  },
  ovf: {
    exempt: {
      'finds-eligible': 'a destination with more active connections than weight is full',
      'equal-shares': 'all go to one until it is full',
      'weighted-shares': 'a destination takes as many as its weight says, and then none',
    },
  },
  twos: {},
}

const { sh } = CHARACTERS
const NO_PLACE = 'a light destination may have no place in the table'

/** Those with flags behave differently, and are held to the suite a second time. */
const FLAGGED: readonly (readonly [title: string, Name, SchedulerCheckOptions])[] = [
  [
    'sh, with both flags',
    'sh',
    { ...sh, flags: FALLBACK | PORT, exempt: { ...sh.exempt, 'finds-eligible': NO_PLACE } },
  ],
  ['mh, with both flags', 'mh', { hashing: true, flags: FALLBACK | PORT }],
]

describe.each([
  ...(Object.keys(SCHEDULERS) as Name[]).map((name) => [name, name, CHARACTERS[name]] as const),
  ...FLAGGED,
])('scheduler %s', (title, name, character) => {
  for (const { promise, run } of schedulerChecks(title, SCHEDULERS[name], character)) it(promise, run)
})

describe('a scheduler of one’s own', () => {
  /** Always the destination with the highest port, be it what it may. */
  const highest: SchedulerFactory = () => ({
    pick: (_flow, pool) =>
      pool.reduce<Destination | null>((best, each) => (best && best.port > each.port ? best : each), null),
  })
  const SYN = tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: 'S' })

  it('is registered with the director by a name, beside those there are', () => {
    const stage = new Stage({ schedulers: { ...SCHEDULERS, highest } })
    stage.service('tcp:10.0.0.1:80', { scheduler: 'highest' })
    for (const port of [8081, 8083, 8082]) stage.destination('tcp:10.0.0.1:80', `192.168.1.1:${port}`)
    expect(stage.inbound(SYN)).toMatchObject({ kind: 'rewrite', destination: '192.168.1.1:8083' })
  })

  it('may decline: the packet is refused as without a destination', () => {
    const stage = new Stage({ schedulers: { never: () => ({ pick: () => null }) } })
    stage.service('tcp:10.0.0.1:80', { scheduler: 'never' })
    stage.destination('tcp:10.0.0.1:80', '192.168.1.1:80')
    expect(stage.inbound(SYN)).toMatchObject({ kind: 'drop', reason: 'no-destination' })
  })

  it('is told the flow’s endpoints and the time, and draws its chances from the director', () => {
    const seen: Flow[] = []
    const drawn: number[] = []
    const stage = new Stage({
      random: () => 0.25,
      schedulers: {
        spying: ({ random }) => ({
          pick: (flow, pool) => {
            seen.push({ ...flow })
            drawn.push(random())
            return pool[0] ?? null
          },
        }),
      },
    })
    stage.service('tcp:10.0.0.1:80', { scheduler: 'spying' })
    stage.destination('tcp:10.0.0.1:80', '192.168.1.1:80')
    stage.passTime(1234)
    stage.inbound(SYN)
    expect(seen).toEqual([
      {
        protocol: 6,
        clientW0: 0x0a090001,
        clientW1: 0,
        clientW2: 0,
        clientW3: 0,
        clientPort: 3000,
        virtualW0: 0x0a000001,
        virtualW1: 0,
        virtualW2: 0,
        virtualW3: 0,
        virtualPort: 80,
        nowMs: 1234,
      },
    ])
    expect(drawn).toEqual([0.25])
  })
})

/** A service on a stage, and its destinations by the last part of their addresses. */
class Crew {
  readonly service: VirtualService
  readonly #stage = new Stage()

  constructor(scheduler: string, schedulerFlags = 0) {
    this.service = this.#stage.service(KEY, { scheduler, schedulerFlags })
  }

  add(host: number, settings: Partial<DestinationSettings> = {}): Destination {
    return this.#stage.destination(KEY, `192.168.1.${host}:80`, settings)
  }

  quiesce(host: number): void {
    this.#stage.edit(KEY, `192.168.1.${host}:80`, { weight: 0 })
  }

  schedule(scheduler: string, schedulerFlags = 0): void {
    granted(this.#stage.director.services.edit(serviceKey(KEY), { scheduler, schedulerFlags }))
  }

  pick(client: number, clientPort = 1024): Destination | null {
    const flow: Flow = { ...FLOW, clientW0: Math.imul(client, 2_654_435_761), clientPort }
    return this.service.scheduler!.pick(flow, this.service.pool)
  }

  /** Whom so many clients come to, by the last part of the addresses. */
  hosts(clients: number): string {
    return Array.from({ length: clients }, (_, client) => `${this.pick(client)?.address}`.split('.')[3]).join(
      ' ',
    )
  }
}

const KEY = 'tcp:10.0.0.1:80'
const FLOW: Flow = {
  protocol: PROTOCOL.tcp,
  clientW0: 0,
  clientW1: 0,
  clientW2: 0,
  clientW3: 0,
  clientPort: 0,
  virtualW0: 0x0a000001,
  virtualW1: 0,
  virtualW2: 0,
  virtualW3: 0,
  virtualPort: 80,
  nowMs: 0,
}

describe('the order of the pool', () => {
  it('is newest first, so that rr begins with the destination added last', () => {
    const crew = new Crew('rr')
    for (const host of [1, 2, 3]) crew.add(host)
    expect(crew.hosts(4)).toBe('3 2 1 3')
  })

  it('lets wrr serve the heavier more often, and each cycle alike', () => {
    const crew = new Crew('none')
    for (const host of [1, 2, 3]) crew.add(host, { weight: host })
    crew.schedule('wrr')
    expect(crew.hosts(12)).toBe('3 3 2 3 2 1 3 3 2 3 2 1')
  })
})

describe('the flags of the hashing schedulers', () => {
  it.each(['sh', 'mh'])(
    '%s-port lets one client’s ports go to different destinations; without, never',
    (name) => {
      const hostsFor = (flags: number) => {
        const crew = new Crew(name, flags)
        for (let host = 1; host <= 4; host++) crew.add(host)
        return new Set(Array.from({ length: 200 }, (_, port) => crew.pick(7, 2000 + port * 97))).size
      }
      expect(hostsFor(0)).toBe(1)
      expect(hostsFor(PORT)).toBe(4)
    },
  )

  it.each(['sh', 'mh'])(
    '%s-fallback finds an eligible destination as long as one has a place in the table',
    (name) => {
      const crew = new Crew(name, FALLBACK)
      for (let host = 1; host <= 4; host++) crew.add(host, { upperThreshold: host })
      const placed = Array.from({ length: 12 }, (_, client) => {
        const picked = crew.pick(client)
        picked?.bind(false)
        return picked
      })
      // 1 + 2 + 3 + 4 connections is all there is room for, and each of them is placed.
      expect(placed.filter((destination) => destination !== null)).toHaveLength(10)
      expect(placed.slice(10)).toEqual([null, null])
    },
  )

  it.each(['sh', 'mh'])('%s takes them at once when the service is edited', (name) => {
    const crew = new Crew(name)
    const [first, second] = [crew.add(1), crew.add(2)]
    const client = [...Array(50).keys()].find((each) => crew.pick(each) === first)!
    crew.quiesce(1)
    expect(crew.pick(client)).toBeNull()
    crew.schedule(name, FALLBACK)
    expect(crew.pick(client)).toBe(second)
  })
})
