import { beforeEach, describe, expect, it } from 'vitest'
import { parseAddress } from '../../lib/bytes/address.ts'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import type { Destination, DestinationSettings } from '../../lib/service/destination.ts'
import { formatServiceKey, parseEndpoint } from '../../lib/service/key.ts'
import type { PoolChange, SchedulerFactory } from '../../lib/service/scheduler.ts'
import { ServiceTable } from '../../lib/service/service-table.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { granted, refusalOf, serviceKey, settingsOf } from '../support/stage.ts'

const WEB = 'tcp:10.0.0.1:80'
const A = '192.168.1.1:8080'
const B = '192.168.1.2:8080'

let table: ServiceTable
beforeEach(() => {
  table = new ServiceTable({ schedulers: SCHEDULERS, random: () => 0 })
})

const add = (key: string, scheduler = 'rr', schedulerFlags = 0) =>
  table.add(serviceKey(key), { scheduler, schedulerFlags })
const addTo = (key: string, at: string, settings: Partial<DestinationSettings> = {}) =>
  table.addDestination(serviceKey(key), parseEndpoint(at)!, settingsOf(settings))
const editIn = (key: string, at: string, settings: Partial<DestinationSettings> = {}) =>
  table.editDestination(serviceKey(key), parseEndpoint(at)!, settingsOf(settings))
const removeFrom = (key: string, at: string) => table.removeDestination(serviceKey(key), parseEndpoint(at)!)

/** The service that a packet to `address:port` finds, as text, or null. */
function lookup(endpoint: string, { mark = 0, protocol = PROTOCOL.tcp as number } = {}): string | null {
  const { address, port } = parseEndpoint(endpoint)!
  const { family, w0, w1, w2, w3 } = address
  const service = table.lookup(family, mark | 0, protocol, w0, w1, w2, w3, port)
  return service === null ? null : formatServiceKey(service.key)
}

describe('the service of a packet', () => {
  it('is the one on exactly its protocol, address and port', () => {
    for (const key of [WEB, 'udp:10.0.0.1:80', 'tcp:10.0.0.2:80', 'tcp:10.0.0.1:81', 'tcp:[fd00::1]:80'])
      add(key)
    expect(lookup('10.0.0.1:80')).toBe(WEB)
    expect(lookup('10.0.0.1:80', { protocol: PROTOCOL.udp })).toBe('udp:10.0.0.1:80')
    expect(lookup('10.0.0.2:80')).toBe('tcp:10.0.0.2:80')
    expect(lookup('10.0.0.1:81')).toBe('tcp:10.0.0.1:81')
    expect(lookup('[fd00::1]:80')).toBe('tcp:[fd00::1]:80')
    expect(lookup('10.0.0.1:82')).toBeNull()
    expect(lookup('10.0.0.3:80')).toBeNull()
    expect(lookup('[fd00::2]:80')).toBeNull()
    expect(lookup('10.0.0.1:80', { protocol: PROTOCOL.sctp })).toBeNull()
  })

  it('is never that of the other family whose words happen to be the same', () => {
    add('tcp:10.0.0.1:80')
    add('udp:[a00:1::]:80')
    expect(lookup('[a00:1::]:80')).toBeNull()
    expect(lookup('10.0.0.1:80', { protocol: PROTOCOL.udp })).toBeNull()
  })

  it('knows addresses apart whose words fold to the same hash', () => {
    add('tcp:[fd00:1::2]:80')
    expect(lookup('[fd00:2::1]:80')).toBeNull()
    expect(lookup('[::fd00:1:0:2]:80')).toBeNull()
    add('tcp:[::fd00:1:0:2]:80')
    expect(lookup('[::fd00:1:0:2]:80')).toBe('tcp:[::fd00:1:0:2]:80')
    expect(lookup('[fd00:1::2]:80')).toBe('tcp:[fd00:1::2]:80')
  })

  it('is first that of its firewall mark, whatever its address, port and protocol', () => {
    for (const key of [WEB, 'fwmark:5', 'fwmark:4294967295']) add(key)
    expect(lookup('10.0.0.1:80', { mark: 5 })).toBe('fwmark:5')
    expect(lookup('10.77.0.1:9999', { mark: 5, protocol: PROTOCOL.udp })).toBe('fwmark:5')
    expect(lookup('10.0.0.1:80', { mark: 0xffff_ffff })).toBe('fwmark:4294967295')
    expect(lookup('10.0.0.1:80', { mark: 6 })).toBe(WEB)
    expect(lookup('10.0.0.1:80')).toBe(WEB)
  })

  it('of a mark is another for each family', () => {
    add('fwmark:5')
    expect(lookup('[fd00::1]:80', { mark: 5 })).toBeNull()
    add('fwmark:5:ipv6')
    expect(lookup('[fd00::1]:80', { mark: 5 })).toBe('fwmark:5:ipv6')
    expect(lookup('10.0.0.1:80', { mark: 5 })).toBe('fwmark:5')
  })

  it('is the FTP service, for TCP to port 20 and to unprivileged ports', () => {
    add('tcp:10.0.0.1:21')
    for (const port of [20, 21, 1024, 65_535]) {
      expect(lookup(`10.0.0.1:${port}`), `port ${port}`).toBe('tcp:10.0.0.1:21')
    }
    for (const port of [0, 19, 22, 80, 1023]) expect(lookup(`10.0.0.1:${port}`), `port ${port}`).toBeNull()
    expect(lookup('10.0.0.2:1024')).toBeNull()
    expect(lookup('10.0.0.1:1024', { protocol: PROTOCOL.udp })).toBeNull()
  })

  it('is the FTP service only while there is one', () => {
    add('tcp:10.0.0.1:21')
    table.remove(serviceKey('tcp:10.0.0.1:21'))
    expect(lookup('10.0.0.1:1024')).toBeNull()
  })

  it('is last the one on port 0, which takes every port', () => {
    add('tcp:10.0.0.1:0')
    expect(lookup('10.0.0.1:1')).toBe('tcp:10.0.0.1:0')
    expect(lookup('10.0.0.1:65535')).toBe('tcp:10.0.0.1:0')
    expect(lookup('10.0.0.1:80', { protocol: PROTOCOL.udp })).toBeNull()
    add(WEB)
    add('tcp:10.0.0.1:21')
    expect(lookup('10.0.0.1:80')).toBe(WEB)
    expect(lookup('10.0.0.1:2000')).toBe('tcp:10.0.0.1:21')
    expect(lookup('10.0.0.1:443')).toBe('tcp:10.0.0.1:0')
  })
})

describe('refusals, in the kernel’s order', () => {
  it('of a service: one that exists, then a scheduler that does not', () => {
    add(WEB)
    expect(refusalOf(add(WEB, 'bogus'))).toBe('service-exists')
    expect(refusalOf(add('tcp:10.0.0.1:81', 'bogus'))).toBe('scheduler-not-found')
    expect(table.size).toBe(1)
  })

  it('of names that every object has: a scheduler is not called toString', () => {
    expect(refusalOf(add(WEB, 'toString'))).toBe('scheduler-not-found')
    expect(refusalOf(add(WEB, '__proto__'))).toBe('scheduler-not-found')
  })

  it('of an edit: no such service, then no such scheduler, and nothing is changed', () => {
    const settings = { scheduler: 'bogus', schedulerFlags: 8 }
    expect(refusalOf(table.edit(serviceKey(WEB), settings))).toBe('no-such-service')
    const service = granted(add(WEB))
    const { scheduler } = service
    expect(refusalOf(table.edit(serviceKey(WEB), settings))).toBe('scheduler-not-found')
    expect(service.settings).toEqual({ scheduler: 'rr', schedulerFlags: 0 })
    expect(service.scheduler).toBe(scheduler)
  })

  it('of a removal: no such service', () => {
    expect(refusalOf(table.remove(serviceKey(WEB)))).toBe('no-such-service')
  })

  it.each([
    ['no service', 'tcp:10.0.0.9:80', 'fd01::1', { weight: -1 }, 'no-such-service'],
    ['the other family without a tunnel', WEB, 'fd01::1', { weight: -1 }, 'invalid-value'],
    ['a weight below 0', WEB, '192.168.1.1', { weight: -1, lowerThreshold: 9 }, 'out-of-range'],
    ['a lower threshold above the upper one', WEB, '224.0.0.1', { lowerThreshold: 9 }, 'out-of-range'],
    ['a lower threshold without an upper one', WEB, '192.168.1.1', { lowerThreshold: 1 }, 'out-of-range'],
    ['a multicast address', WEB, '224.0.0.1', {}, 'invalid-value'],
    ['the broadcast address', WEB, '255.255.255.255', {}, 'invalid-value'],
    ['no address', WEB, '0.0.0.0', {}, 'invalid-value'],
    ['no IPv6 address', 'tcp:[fd00::1]:80', '::', {}, 'invalid-value'],
    ['an IPv6 multicast address', 'tcp:[fd00::1]:80', 'ff02::1', {}, 'invalid-value'],
    ['an IPv6 link-local address', 'tcp:[fd00::1]:80', 'fe80::1', {}, 'invalid-value'],
  ] as const)('of a new destination: %s', (_name, key, address, settings, expected) => {
    add(WEB)
    add('tcp:[fd00::1]:80')
    const at = { address: parseAddress(address)!, port: 80 }
    expect(refusalOf(table.addDestination(serviceKey(key), at, settingsOf(settings)))).toBe(expected)
  })

  it('of a new destination: bad values before one that exists', () => {
    add(WEB)
    addTo(WEB, A)
    expect(refusalOf(addTo(WEB, A, { weight: -1 }))).toBe('out-of-range')
    expect(refusalOf(addTo(WEB, A))).toBe('destination-exists')
  })

  it('of an edit: no service, bad values, no such destination; the kind of address is not looked at', () => {
    expect(refusalOf(editIn(WEB, A))).toBe('no-such-service')
    add(WEB)
    expect(refusalOf(editIn(WEB, A, { weight: -1 }))).toBe('out-of-range')
    expect(refusalOf(editIn(WEB, A))).toBe('no-such-destination')
    expect(refusalOf(editIn(WEB, '224.0.0.1:80'))).toBe('no-such-destination')
  })

  it('of a removal: no service, no such destination', () => {
    expect(refusalOf(removeFrom(WEB, A))).toBe('no-such-service')
    add(WEB)
    expect(refusalOf(removeFrom(WEB, A))).toBe('no-such-destination')
  })

  it('name the value and what was expected', () => {
    const names = [...Object.keys(SCHEDULERS), 'none'].join(' ')
    expect(add(WEB, 'bogus')).toMatchObject({ message: `scheduler 'bogus' is not one of: ${names}` })
  })

  it('leave a tunnel to the other family alone', () => {
    add(WEB)
    expect(refusalOf(addTo(WEB, '[fd01::1]:80', { method: 'ipip' }))).toBe('granted')
  })
})

describe('bounds', () => {
  it('of services are kept, and free again after a removal', () => {
    table = new ServiceTable({ schedulers: SCHEDULERS, random: () => 0, maxServices: 2 })
    add('tcp:10.0.0.1:1')
    add('fwmark:1')
    expect(refusalOf(add('tcp:10.0.0.1:3'))).toBe('table-full')
    expect(table.size).toBe(2)
    table.remove(serviceKey('fwmark:1'))
    expect(refusalOf(add('tcp:10.0.0.1:3'))).toBe('granted')
  })

  it('of destinations count all services together, and removed destinations until they are forgotten', () => {
    table = new ServiceTable({ schedulers: SCHEDULERS, random: () => 0, maxDestinations: 2 })
    add(WEB)
    add('tcp:10.0.0.1:81')
    addTo(WEB, A)
    addTo('tcp:10.0.0.1:81', A)
    expect(refusalOf(addTo(WEB, B))).toBe('table-full')
    removeFrom(WEB, A)
    expect(refusalOf(addTo(WEB, B))).toBe('table-full')
    table.sweepTrash(0)
    table.sweepTrash(120_000)
    expect(refusalOf(addTo(WEB, B))).toBe('granted')
    expect(table.get(serviceKey(WEB))!.pool).toHaveLength(1)
  })

  it('do not stand in the way of a destination that comes back', () => {
    table = new ServiceTable({ schedulers: SCHEDULERS, random: () => 0, maxDestinations: 1 })
    add(WEB)
    addTo(WEB, A)
    removeFrom(WEB, A)
    expect(refusalOf(addTo(WEB, A))).toBe('granted')
  })
})

describe('a service’s pool', () => {
  it('has the newest destination first, and an edit moves none', () => {
    const { pool } = granted(add(WEB))
    const names = () => pool.map(({ address }) => `${address}`)
    for (const host of [1, 2, 3]) addTo(WEB, `192.168.1.${host}:80`)
    expect(names()).toEqual(['192.168.1.3', '192.168.1.2', '192.168.1.1'])
    editIn(WEB, '192.168.1.2:80', { weight: 9 })
    expect(names()).toEqual(['192.168.1.3', '192.168.1.2', '192.168.1.1'])
    removeFrom(WEB, '192.168.1.2:80')
    addTo(WEB, '192.168.1.2:80')
    expect(names()).toEqual(['192.168.1.2', '192.168.1.3', '192.168.1.1'])
  })

  it('may have one address on several ports', () => {
    const service = granted(add(WEB))
    addTo(WEB, '192.168.1.1:80')
    addTo(WEB, '192.168.1.1:81')
    expect(service.pool.map(({ port }) => port)).toEqual([81, 80])
  })

  it('tells the scheduler of every change, with the place', () => {
    const changes: string[] = []
    const spying: SchedulerFactory = ({ flags }) => {
      changes.push(`made ${flags}`)
      return {
        pick: () => null,
        poolChanged: (pool, change) => changes.push(`${describeChange(change)} of ${pool.length}`),
        flagsChanged: (edited) => changes.push(`flags ${edited}`),
      }
    }
    table = new ServiceTable({ schedulers: { spying, other: spying }, random: () => 0 })
    add(WEB, 'spying', 8)
    addTo(WEB, A)
    addTo(WEB, B)
    editIn(WEB, A, { weight: 2 })
    removeFrom(WEB, A)
    table.edit(serviceKey(WEB), { scheduler: 'spying', schedulerFlags: 16 })
    table.edit(serviceKey(WEB), { scheduler: 'other', schedulerFlags: 0 })
    table.edit(serviceKey(WEB), { scheduler: 'none', schedulerFlags: 0 })
    expect(changes).toEqual([
      'made 8',
      'attached of 0',
      'added 192.168.1.1 at 0 of 1',
      'added 192.168.1.2 at 0 of 2',
      'edited 192.168.1.1 at 1 of 2',
      'removed 192.168.1.1 at 1 of 1',
      'flags 16',
      'made 0',
      'attached of 1',
    ])
  })
})

describe('a scheduler', () => {
  it('stays, with its memory, when an edit names it again', () => {
    const service = granted(add(WEB))
    const { scheduler } = service
    table.edit(serviceKey(WEB), { scheduler: 'rr', schedulerFlags: 8 })
    expect(service.scheduler).toBe(scheduler)
    expect(service.settings.schedulerFlags).toBe(8)
    table.edit(serviceKey(WEB), { scheduler: 'wrr', schedulerFlags: 0 })
    expect(service.scheduler).not.toBe(scheduler)
  })

  it('may be none: the service is there and places nobody', () => {
    const service = granted(add(WEB, 'none'))
    expect(service.scheduler).toBeNull()
    expect(refusalOf(addTo(WEB, A))).toBe('granted')
    expect(refusalOf(removeFrom(WEB, A))).toBe('granted')
  })
})

describe('services', () => {
  it('are listed with the address ones first, the firewall marks after them', () => {
    const keys = ['fwmark:9', 'fwmark:3:ipv6', WEB, 'udp:[fd00::1]:53', 'fwmark:2']
    for (const key of keys) add(key)
    const listed = [...table].map(({ key }) => formatServiceKey(key))
    expect(listed.slice(0, 2).sort()).toEqual([WEB, 'udp:[fd00::1]:53'])
    expect(listed.slice(2)).toEqual(['fwmark:9', 'fwmark:2', 'fwmark:3:ipv6'])
    for (const key of keys) table.remove(serviceKey(key))
    expect([...table]).toEqual([])
    expect(table.size).toBe(0)
  })
})

describe('a removed destination', () => {
  let destination: Destination
  beforeEach(() => {
    add(WEB)
    destination = granted(addTo(WEB, A, { weight: 5 }))
  })

  it('is still known to its connections, as unavailable', () => {
    destination.bind(false)
    removeFrom(WEB, A)
    expect(destination.isAvailable).toBe(false)
    expect(table.destination(destination.id)).toBe(destination)
  })

  it('comes back with its connections and statistics, and the new command’s settings', () => {
    destination.bind(false)
    destination.counters.countIn(100)
    destination.counters.estimate()
    removeFrom(WEB, A)
    const revived = granted(addTo(WEB, A, { weight: 0, method: 'gatewaying' }))
    expect(revived).toBe(destination)
    expect(revived).toMatchObject({
      isAvailable: true,
      inactive: 1,
      weight: 0,
      lastWeight: 0,
      method: 'gatewaying',
    })
    expect(revived.counters.shown().inPackets).toBe(1)
  })

  it('does not come back in another service, nor on another port or address', () => {
    add('tcp:10.0.0.1:81')
    removeFrom(WEB, A)
    expect(addTo('tcp:10.0.0.1:81', A)).not.toBe(destination)
    expect(addTo(WEB, '192.168.1.1:8081')).not.toBe(destination)
    expect(addTo(WEB, B)).not.toBe(destination)
    expect(addTo(WEB, A)).toBe(destination)
  })

  it('comes back with zeroed statistics when its whole service was made anew', () => {
    destination.bind(false)
    destination.counters.countIn(100)
    destination.counters.estimate()
    table.remove(serviceKey(WEB))
    const service = granted(add(WEB))
    expect(addTo(WEB, A)).toBe(destination)
    expect(destination).toMatchObject({ service, inactive: 1, isAvailable: true })
    expect(destination.counters.shown().inPackets).toBe(0)
  })

  it('is forgotten after two minutes without a connection, and its id is used again', () => {
    removeFrom(WEB, A)
    table.sweepTrash(1000)
    table.sweepTrash(120_999)
    expect(addTo(WEB, A)).toBe(destination)
    removeFrom(WEB, A)
    table.sweepTrash(200_000)
    table.sweepTrash(320_000)
    const anew = granted(addTo(WEB, B))
    expect(anew).not.toBe(destination)
    expect(anew.id).toBe(destination.id)
    expect(table.destination(anew.id)).toBe(anew)
  })

  it('is not forgotten while it has a connection, however long', () => {
    destination.bind(false)
    removeFrom(WEB, A)
    for (let nowMs = 0; nowMs < 3_600_000; nowMs += 2000) table.sweepTrash(nowMs)
    expect(table.destination(destination.id)).toBe(destination)
    destination.unbind(false, true)
    table.sweepTrash(3_600_000)
    table.sweepTrash(3_719_999)
    expect(table.destination(destination.id)).toBe(destination)
    table.sweepTrash(3_720_000)
    expect(table.destination(destination.id)).toBeNull()
  })
})

const describeChange = (change: PoolChange): string =>
  change.kind === 'attached' ? 'attached' : `${change.kind} ${change.destination.address} at ${change.index}`
