import { describe, expect, it } from 'vitest'
import { DestinationConfig, ServiceConfig } from '../../control/schema.ts'
import { lingeringAfter, NOTHING_LINGERS } from '../../forwarder/lingering.ts'
import {
  type Arrangement,
  type RegisteredDestination,
  type Registry,
  wantedState,
} from '../../forwarder/registry.ts'
import { parseServiceKey, type ServiceKey } from '../../lib/service/key.ts'

const ID = 'tcp:10.0.0.1:80'
const ARRANGEMENT: Arrangement = {
  superQueue: 10,
  plainQueue: 11,
  routesByMark: true,
  markMask: 0xff,
  markOf: (slot) => slot,
}

type Method = DestinationConfig['method']

/** A registry of one service with real servers 192.168.1.N:80 by these methods; null for one without the service. */
function registry(methods: Readonly<Record<number, Method>> | null): Registry {
  if (methods === null) return new Map()
  const destinations = new Map<string, RegisteredDestination>()
  for (const [number, method] of Object.entries(methods)) {
    const address = `192.168.1.${number}`
    const config = DestinationConfig.parse({ address, port: 80, method })
    const hop = {
      slot: Number(number),
      destination: address,
      gateway: address,
      deviceIndex: 2,
      deviceName: 'eth0',
    }
    const way = { sourceAddress: '192.168.1.254', mtuBytes: 1500, hop }
    destinations.set(`${address}:80`, { config, way })
  }
  const key = parseServiceKey(ID) as ServiceKey
  const config = ServiceConfig.parse({ protocol: 'tcp', address: '10.0.0.1', port: 80 })
  return new Map([[ID, { key, config, destinations }]])
}

const named = (lingering: ReturnType<typeof lingeringAfter>): string[] =>
  lingering.map(({ service, endpoint, config }) => `${service} ${endpoint} ${config.method}`)

describe('lingeringAfter', () => {
  const before = registry({ 1: 'masquerading', 2: 'gatewaying' })

  it('finds nothing left behind by additions and by changes of weight', () => {
    const after = registry({ 1: 'masquerading', 2: 'gatewaying', 3: 'ipip' })
    expect(lingeringAfter(before, after, NOTHING_LINGERS)).toEqual([])
  })

  it('keeps a removed destination, one whose method changed, and all of a removed service', () => {
    const removed = lingeringAfter(before, registry({ 2: 'gatewaying' }), NOTHING_LINGERS)
    expect(named(removed)).toEqual([`${ID} 192.168.1.1:80 masquerading`])
    const edited = lingeringAfter(before, registry({ 1: 'ipip', 2: 'gatewaying' }), NOTHING_LINGERS)
    expect(named(edited)).toEqual([`${ID} 192.168.1.1:80 masquerading`])
    expect(named(lingeringAfter(before, registry(null), NOTHING_LINGERS))).toHaveLength(2)
  })

  it('keeps what lingered before, and nothing twice', () => {
    const without = registry({ 2: 'gatewaying' })
    const once = lingeringAfter(before, without, NOTHING_LINGERS)
    expect(lingeringAfter(without, before, once)).toBe(once)
    expect(named(lingeringAfter(before, without, once))).toEqual(named(once))
    expect(named(lingeringAfter(without, registry(null), once))).toHaveLength(2)
  })
})

describe('wantedState', () => {
  it('asks of the host for what lingers as if it were configured', () => {
    const before = registry({ 1: 'masquerading', 2: 'gatewaying' })
    const lingering = lingeringAfter(before, registry(null), NOTHING_LINGERS)
    expect(wantedState(registry(null), lingering, ARRANGEMENT)).toEqual(
      wantedState(before, NOTHING_LINGERS, ARRANGEMENT),
    )
  })

  it('leaves a service on the queue without super-packets while tunnelled connections linger', () => {
    const lingering = lingeringAfter(
      registry({ 1: 'ipip' }),
      registry({ 1: 'masquerading' }),
      NOTHING_LINGERS,
    )
    const queueOf = (lingers: typeof lingering) =>
      wantedState(registry({ 1: 'masquerading' }), lingers, ARRANGEMENT).services[0]?.queueNumber
    expect(queueOf(lingering)).toBe(ARRANGEMENT.plainQueue)
    expect(queueOf(NOTHING_LINGERS)).toBe(ARRANGEMENT.superQueue)
  })

  it('takes the way in force where a lingering one has the same slot', () => {
    const now = registry({ 2: 'gatewaying' })
    const [former] = lingeringAfter(now, registry(null), NOTHING_LINGERS)
    const moved = { ...former!, way: { ...former!.way!, hop: { ...former!.way!.hop!, deviceName: 'eth9' } } }
    expect(wantedState(now, [moved], ARRANGEMENT).hops.map(({ hop }) => hop.deviceName)).toEqual(['eth0'])
  })
})
