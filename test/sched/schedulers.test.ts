import { describe, expect, it } from 'vitest'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import type { Destination, DestinationSettings } from '../../lib/service/destination.ts'
import { parseEndpoint } from '../../lib/service/key.ts'
import { type Flow, isEligible, SCHEDULER_FLAG, type SchedulerFactory } from '../../lib/service/scheduler.ts'
import { ServiceTable } from '../../lib/service/service-table.ts'
import type { VirtualService } from '../../lib/service/virtual-service.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { tcp4 } from '../support/packets.ts'
import { granted, Stage, serviceKey, settingsOf } from '../support/stage.ts'

type Name = keyof typeof SCHEDULERS

/** What a scheduler does not promise, with the reason. A new scheduler promises everything until it says otherwise. */
const EXEMPT: Readonly<Record<string, Partial<Record<Name, string>>>> = {
  'never picks a destination that is quiesced, overloaded or removed, whatever has happened before': {
    lblc: 'a virtual address that has a destination keeps it past its threshold, as in the kernel',
  },
  'finds an eligible destination whenever there is one': {
    dh: 'the destination of a virtual address has no stand-in',
    sh: 'nor has a client’s own, unless sh-fallback is set',
    mh: 'nor has a client’s own, unless mh-fallback is set',
    ovf: 'a destination with more active connections than weight is full',
  },
  'spreads clients over equal destinations': {
    dh: 'goes by the virtual address, of which there is one',
    lblc: 'likewise',
    fo: 'all go to one until it fails',
    ovf: 'all go to one until it is full',
  },
}

const KEY = serviceKey('tcp:10.0.0.1:80')

class Pool {
  readonly table: ServiceTable
  readonly service: VirtualService

  constructor(name: string, { flags = 0 } = {}) {
    this.table = new ServiceTable({ schedulers: SCHEDULERS, random: dice(1) })
    this.service = granted(this.table.add(KEY, { scheduler: name, schedulerFlags: flags }))
  }

  add(host: number, settings: Partial<DestinationSettings> = {}): Destination {
    return granted(this.table.addDestination(KEY, endpoint(host), settingsOf(settings)))
  }

  edit(host: number, settings: Partial<DestinationSettings>): void {
    granted(this.table.editDestination(KEY, endpoint(host), settingsOf(settings)))
  }

  remove(host: number): void {
    granted(this.table.removeDestination(KEY, endpoint(host)))
  }

  pick(client: number): Destination | null {
    return this.service.scheduler!.pick(flowOf(client), this.service.pool)
  }

  /** A connection: picked, bound and active, as the director does. */
  place(client: number): Destination | null {
    const picked = this.pick(client)
    picked?.bind(false)
    picked?.moveActivity(true)
    return picked
  }
}

const endpoint = (host: number) => parseEndpoint(`192.168.1.${host}:80`)!

/** A client of a network of its own: neighbouring numbers share no more than chance has it. */
const flowOf = (client: number): Flow => ({
  protocol: PROTOCOL.tcp,
  clientW0: (0x0a000000 + Math.imul(client, 2_654_435_761)) | 0,
  clientW1: 0,
  clientW2: 0,
  clientW3: 0,
  clientPort: 1024 + (client % 60_000),
  virtualW0: 0x0a000001,
  virtualW1: 0,
  virtualW2: 0,
  virtualW3: 0,
  virtualPort: 80,
  nowMs: client,
})

/** Numbers in [0, 1) from a seed: every run is the same. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
}

/** A long random life of a pool; `check` sees every pick, and which destinations were eligible for it. */
function live(
  pool: Pool,
  seed: number,
  check: (picked: Destination | null, eligible: readonly Destination[]) => void,
): void {
  const next = dice(seed)
  const hosts = new Set<number>()
  const placed: Destination[] = []
  const settings = () => ({
    weight: Math.floor(next() ** 3 * 300),
    upperThreshold: next() < 0.3 ? 1 + Math.floor(next() * 5) : 0,
  })
  for (let step = 0; step < 2000; step++) {
    const host = 1 + Math.floor(next() * 6)
    const what = next()
    if (what < 0.05 && hosts.has(host)) {
      pool.remove(host)
      hosts.delete(host)
    } else if (what < 0.12 && !hosts.has(host)) {
      pool.add(host, settings())
      hosts.add(host)
    } else if (what < 0.2 && hosts.has(host)) pool.edit(host, settings())
    else if (what < 0.5 && placed.length > 0) {
      placed.splice(Math.floor(next() * placed.length), 1)[0]!.unbind(false, false)
    } else {
      const eligible = pool.service.pool.filter(isEligible)
      const picked = pool.place(Math.floor(next() * 1000))
      check(picked, eligible)
      if (picked !== null) placed.push(picked)
    }
  }
}

describe.each(Object.keys(SCHEDULERS) as Name[])('scheduler %s', (name) => {
  const promises = (promise: string, test: () => void): void => {
    const reason = EXEMPT[promise]?.[name]
    if (reason === undefined) it(promise, test)
    else it(`does not promise it ${promise}: ${reason}`, () => expect(test).toThrow())
  }

  promises('picks nobody from an empty pool', () => {
    expect(new Pool(name).pick(1)).toBeNull()
  })

  promises('picks nobody when everybody is quiesced or overloaded', () => {
    const pool = new Pool(name)
    pool.add(1, { weight: 0 })
    pool.add(2, { upperThreshold: 1 }).bind(false)
    for (let client = 0; client < 50; client++) expect(pool.pick(client)).toBeNull()
  })

  promises(
    'never picks a destination that is quiesced, overloaded or removed, whatever has happened before',
    () => {
      for (let seed = 1; seed <= 5; seed++) {
        let picks = 0
        live(new Pool(name), seed, (picked, eligible) => {
          if (picked === null) return
          picks++
          expect(eligible).toContain(picked)
        })
        expect(picks).toBeGreaterThan(100)
      }
    },
  )

  promises('finds an eligible destination whenever there is one', () => {
    for (let seed = 1; seed <= 5; seed++) {
      live(new Pool(name), seed, (picked, eligible) => {
        if (picked === null) expect(eligible).toEqual([])
      })
    }
  })

  promises('picks the same again when the same happens again', () => {
    const historyOf = (seed: number): string[] => {
      const history: string[] = []
      live(new Pool(name), seed, (picked) => history.push(`${picked?.address}`))
      return history
    }
    expect(historyOf(3)).toEqual(historyOf(3))
    expect(historyOf(3)).not.toEqual(historyOf(4))
  })

  promises('sends everybody to the only destination', () => {
    const pool = new Pool(name)
    const only = pool.add(1, { weight: 3 })
    for (let client = 0; client < 50; client++) expect(pool.pick(client)).toBe(only)
  })

  promises('survives a pool that empties and fills again', () => {
    const pool = new Pool(name)
    for (let round = 0; round < 3; round++) {
      pool.add(1)
      pool.add(2)
      expect(pool.pick(round)).not.toBeNull()
      pool.remove(1)
      pool.remove(2)
      expect(pool.pick(round)).toBeNull()
    }
  })

  promises('takes over a pool that is there already', () => {
    const pool = new Pool(name)
    granted(pool.table.edit(KEY, { scheduler: 'none', schedulerFlags: 0 }))
    const destinations = [pool.add(1), pool.add(2)]
    granted(pool.table.edit(KEY, { scheduler: name, schedulerFlags: 0 }))
    expect(destinations).toContain(pool.pick(1))
  })

  promises('notices a weight that goes to 0 and comes back', () => {
    const pool = new Pool(name)
    const first = pool.add(1)
    pool.edit(1, { weight: 0 })
    expect(pool.pick(1)).toBeNull()
    pool.edit(1, { weight: 2 })
    expect(pool.pick(1)).toBe(first)
  })

  promises('neither changes a destination nor keeps the flow it is given', () => {
    const pool = new Pool(name)
    const destinations = [pool.add(1), pool.add(2)]
    const before = destinations.map((each) => ({ ...each }))
    const flow = flowOf(1)
    Object.freeze(flow)
    pool.service.scheduler!.pick(flow, pool.service.pool)
    expect(destinations.map((each) => ({ ...each }))).toEqual(before)
  })

  promises('spreads clients over equal destinations', () => {
    const pool = new Pool(name)
    for (let host = 1; host <= 4; host++) pool.add(host)
    const picked = Array.from({ length: 4000 }, (_, client) => pool.place(client))
    for (const each of pool.service.pool) {
      const share = picked.filter((destination) => destination === each).length
      expect(share).toBeGreaterThan(800)
      expect(share).toBeLessThan(1200)
    }
  })

  promises('answers at once, whatever the weights: the heaviest overloaded, the lightest eligible', () => {
    const pool = new Pool(name, { flags: SCHEDULER_FLAG['flag-1'] })
    const light = pool.add(1, { weight: 1 })
    pool.add(2, { weight: 0x7fff_ffff, upperThreshold: 1 }).bind(false)
    const startedMs = performance.now()
    for (let client = 0; client < 100; client++) expect([light, null]).toContain(pool.place(client))
    expect(performance.now() - startedMs).toBeLessThan(1000)
  })

  promises('copes with a pool of a hundred thousand', () => {
    const pool = new Pool(name)
    const destinations = new Array<Destination>(150_000).fill(pool.add(1, { weight: 2 }))
    const { scheduler } = pool.service
    scheduler!.poolChanged?.(destinations, { kind: 'attached' })
    expect(scheduler!.pick(flowOf(1), destinations)).not.toBeNull()
  })
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

describe('the order of the pool', () => {
  const hostsOf = (pool: Pool, picks: number): string =>
    Array.from({ length: picks }, (_, client) => `${pool.pick(client)?.address}`.split('.')[3]).join(' ')

  it('is newest first, so that rr begins with the destination added last', () => {
    const pool = new Pool('rr')
    for (const host of [1, 2, 3]) pool.add(host)
    expect(hostsOf(pool, 4)).toBe('3 2 1 3')
  })

  it('lets wrr serve the heavier more often, and each cycle alike', () => {
    const pool = new Pool('none')
    for (const host of [1, 2, 3]) pool.add(host, { weight: host })
    granted(pool.table.edit(KEY, { scheduler: 'wrr', schedulerFlags: 0 }))
    expect(hostsOf(pool, 12)).toBe('3 3 2 3 2 1 3 3 2 3 2 1')
  })
})

describe('the flags of the hashing schedulers', () => {
  const FALLBACK = SCHEDULER_FLAG['flag-1']
  const PORT = SCHEDULER_FLAG['flag-2']

  it.each(['sh', 'mh'])(
    '%s-port lets one client’s ports go to different destinations; without, never',
    (name) => {
      const hostsFor = (flags: number) => {
        const pool = new Pool(name, { flags })
        for (let host = 1; host <= 4; host++) pool.add(host)
        const flow = flowOf(7)
        return new Set(
          Array.from({ length: 200 }, (_, port) => {
            flow.clientPort = 2000 + port * 97
            return pool.service.scheduler!.pick(flow, pool.service.pool)
          }),
        ).size
      }
      expect(hostsFor(0)).toBe(1)
      expect(hostsFor(PORT)).toBe(4)
    },
  )

  it.each(['sh', 'mh'])(
    '%s-fallback finds an eligible destination as long as one has a place in the table',
    (name) => {
      const pool = new Pool(name, { flags: FALLBACK })
      for (let host = 1; host <= 4; host++) pool.add(host, { upperThreshold: host })
      const placed = Array.from({ length: 12 }, (_, client) => pool.place(client))
      // 1 + 2 + 3 + 4 connections is all there is room for, and each of them is placed.
      expect(placed.filter((destination) => destination !== null)).toHaveLength(10)
      expect(placed.slice(10)).toEqual([null, null])
    },
  )

  it.each(['sh', 'mh'])('%s takes them at once when the service is edited', (name) => {
    const pool = new Pool(name)
    const [first, second] = [pool.add(1), pool.add(2)]
    const client = [...Array(50).keys()].find((each) => pool.pick(each) === first)!
    pool.edit(1, { weight: 0 })
    expect(pool.pick(client)).toBeNull()
    granted(pool.table.edit(KEY, { scheduler: name, schedulerFlags: FALLBACK }))
    expect(pool.pick(client)).toBe(second)
  })
})
