import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../lib/bytes/address.ts'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import type { Destination } from '../../lib/service/destination.ts'
import { parseEndpoint, type ServiceKey } from '../../lib/service/key.ts'
import { type Flow, SCHEDULER_FLAG } from '../../lib/service/scheduler.ts'
import { ServiceTable } from '../../lib/service/service-table.ts'
import type { VirtualService } from '../../lib/service/virtual-service.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'

/** Recorded from a running Linux 6.1.176 kernel; the file says how. */
const golden = JSON.parse(
  readFileSync(new URL('../vectors/schedulers-golden.json', import.meta.url), 'utf8'),
) as {
  scenarios: { scheduler: string; flags: string[]; service: string; steps: (string | number | null)[][] }[]
}
const hashed = JSON.parse(
  readFileSync(new URL('../vectors/schedulers-golden-hash.json', import.meta.url), 'utf8'),
) as {
  scenarios: {
    scheduler: string
    flags: string[]
    family: 4 | 6
    dests_in_add_order: (string | number)[][]
    picks: [string, number, string | null][]
  }[]
}

const isOurs = ({ scheduler }: { scheduler: string }) => Object.hasOwn(SCHEDULERS, scheduler)
const key: ServiceKey = {
  kind: 'address',
  transport: 'tcp',
  address: parseAddress('10.0.0.1')!,
  port: 80,
}

function serviceWith(
  scheduler: string,
  flags: string[],
  family: 4 | 6 = 4,
): { table: ServiceTable; key: ServiceKey } {
  const table = new ServiceTable({ schedulers: SCHEDULERS, random: () => 0 })
  const own = family === 4 ? key : { ...key, address: parseAddress('fd00::1')! }
  const bits = flags.reduce(
    (sum, flag) => sum | SCHEDULER_FLAG[flag.endsWith('fallback') ? 'flag-1' : 'flag-2'],
    0,
  )
  table.add(own, { scheduler, schedulerFlags: bits })
  return { table, key: own }
}

const flowFrom = (client: string, port: number, virtual = '10.0.0.1'): Flow => {
  const from = parseAddress(client)!
  const to = parseAddress(virtual)!
  return {
    protocol: PROTOCOL.tcp,
    clientW0: from.w0,
    clientW1: from.w1,
    clientW2: from.w2,
    clientW3: from.w3,
    clientPort: port,
    virtualW0: to.w0,
    virtualW1: to.w1,
    virtualW2: to.w2,
    virtualW3: to.w3,
    virtualPort: 80,
    nowMs: 0,
  }
}

const settings = (weight: number, upperThreshold = 0, lowerThreshold = 0) =>
  ({ method: 'masquerading', weight, upperThreshold, lowerThreshold }) as const

function place(service: VirtualService, flow: Flow): Destination | null {
  const destination = service.scheduler!.pick(flow, service.pool)
  destination?.bind(false)
  destination?.moveActivity(true)
  return destination
}

describe('schedulers choose as the kernel did', () => {
  it.each(
    golden.scenarios.filter(isOurs).map((scenario, index) => [scenario.scheduler, index, scenario] as const),
  )('%s, scenario %i', (_name, _index, { scheduler, flags, steps }) => {
    const { table, key } = serviceWith(scheduler, flags)
    const bound = new Map<string, Destination>()
    for (const [at, [verb, name, ...rest]] of steps.entries()) {
      const where = `step ${at}: ${JSON.stringify(steps[at])}`
      if (verb === 'syn') {
        const [port, ...tail] = rest as [number, ...(string | null)[]]
        const expected = tail.at(-1)
        const virtual = tail.length === 2 ? (tail[0] as string) : undefined
        const chosen = place(table.get(key)!, flowFrom(name as string, port, virtual))
        expect(chosen?.address.toString() ?? null, where).toBe(expected)
        if (chosen !== null) bound.set(`${name}:${port}`, chosen)
      } else if (verb === 'fin') {
        bound.get(`${name}:${rest[0]}`)?.moveActivity(false)
      } else {
        const at = parseEndpoint(name as string)!
        const [weight, upper, lower] = rest as number[]
        const result =
          verb === 'add'
            ? table.addDestination(key, at, settings(weight!, upper, lower))
            : verb === 'edit'
              ? table.editDestination(key, at, settings(weight!, upper, lower))
              : table.removeDestination(key, at)
        expect(result, where).not.toHaveProperty('refused')
      }
    }
  })

  it.each(
    hashed.scenarios.filter(isOurs).map((scenario, index) => [scenario.scheduler, index, scenario] as const),
  )(
    '%s with large weights, scenario %i',
    (_name, _index, { scheduler, flags, family, dests_in_add_order, picks }) => {
      const { table, key } = serviceWith(scheduler, flags, family)
      for (const step of dests_in_add_order) {
        if (step[0] === 'edit') {
          const service = table.get(key)!
          const edited = service.pool.find(({ address }) => address.equals(parseAddress(step[1] as string)!))!
          table.editDestination(key, edited, settings(step[2] as number))
        } else {
          const [address, port, weight] = step as [string, number, number]
          table.addDestination(key, { address: parseAddress(address)!, port }, settings(weight))
        }
      }
      for (const [client, port, expected] of picks) {
        const chosen = table.get(key)!.scheduler!.pick(flowFrom(client, port), table.get(key)!.pool)
        expect(chosen?.address.toString() ?? null, `${client}:${port}`).toBe(expected)
      }
    },
  )

  it('covers every scheduler that draws no lots', () => {
    const recorded = new Set(golden.scenarios.map(({ scheduler }) => scheduler))
    expect(Object.keys(SCHEDULERS).filter((name) => !recorded.has(name))).toEqual(['twos'])
  })
})
