import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ConfiguredService, WantedConfiguration } from '../../control/configuration.ts'
import { ApiError } from '../../control/control.ts'
import { Ways } from '../../forwarder/ways.ts'
import { HEADROOM_BYTES } from '../../lib/director/verdict.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { parseServiceKey, type ServiceKey } from '../../lib/service/key.ts'
import { type LiveApi, startLiveApi } from '../support/live-api.ts'
import { udp4 } from '../support/packets.ts'

let api: LiveApi
beforeEach(async () => {
  api = await startLiveApi()
})
afterEach(async () => {
  expect(api.logged).toEqual([])
  await api.stop()
})

const KEY = parseServiceKey('udp:10.0.0.1:53') as ServiceKey
const SERVICE = { protocol: 'udp', address: '10.0.0.1', port: 53, scheduler: 'rr' } as const
const server = (number: number, rest: object = {}) =>
  ({ address: `192.168.1.${number}`, port: 53, method: 'masquerading', ...rest }) as const

const put = (services: readonly object[], rest: object = {}) =>
  api.client.replaceConfiguration({ services: services as ConfiguredService[], ...rest }, '*')

const refusalOf = async (asking: Promise<unknown>): Promise<ApiError> => {
  const error = await asking.catch((reason: unknown) => reason)
  if (!(error instanceof ApiError)) throw new Error(`a refusal was expected, not ${String(error)}`)
  return error
}

/** What the data path was told since, by kind and subject. */
function told(act: () => Promise<unknown>): Promise<string[]> {
  const from = api.asked.length
  return act().then(() =>
    api.asked.slice(from).flatMap((request) => {
      if (request.kind !== 'all-or-nothing') return []
      return [...request.steps.map(({ make }) => make), ...request.removals].map((change) =>
        [change.kind, 'service' in change ? change.service : '', 'endpoint' in change ? change.endpoint : '']
          .filter((part) => part !== '')
          .join(' '),
      )
    }),
  )
}

describe('a whole configuration', () => {
  it('is put in force, and read back, as it was written, defaults filled in', async () => {
    const services = [
      { ...SERVICE, destinations: [server(1), server(2, { weight: 5 })] },
      { fwmark: 7, family: 'ipv6', destinations: [] },
    ]
    await put(services, { timeouts: { tcp: 0, tcpFin: 60, udp: 0 }, knobs: { drop_entry: 1 } })
    const { configuration, revision } = await api.client.configuration()
    expect(revision).toBe(api.ledger.revision)
    expect(configuration).toMatchObject({
      ...WantedConfiguration.parse({ services }),
      timeouts: { tcp: 900, tcpFin: 60, udp: 300 },
      knobs: { drop_entry: 1, drop_packet: 0 },
    })
    // What schedulers see first is what was added last.
    const { destinations } = await api.client.service(KEY)
    expect(destinations.map(({ address }) => address)).toEqual(['192.168.1.2', '192.168.1.1'])
    expect((await api.client.replaceConfiguration(configuration, revision)).changes).toEqual([])
    expect(api.ledger.revision).toBe(revision)
  })

  it('changes only what differs', async () => {
    await put([{ ...SERVICE, destinations: [server(1), server(2), server(3)] }, { fwmark: 7 }])
    const wanted = [
      { ...SERVICE, destinations: [server(4), server(2), server(1, { weight: 9 })] },
      { fwmark: 8, scheduler: 'wrr' },
    ]
    expect(await told(() => put(wanted))).toEqual([
      'add-destination udp:10.0.0.1:53 192.168.1.4:53',
      'add-service fwmark:8',
      'edit-destination udp:10.0.0.1:53 192.168.1.1:53',
      'remove-destination udp:10.0.0.1:53 192.168.1.3:53',
      'remove-service fwmark:7',
    ])
    expect(await told(() => put(wanted.toReversed()))).toEqual([])
  })

  it('takes addresses for the same however they are written', async () => {
    const written = { protocol: 'tcp', address: 'FD00:0:0::01', port: 80 } as const
    await put([{ ...written, destinations: [{ address: 'fd01:0::1', port: 80 }] }])
    const canonical = { ...written, address: 'fd00::1', destinations: [{ address: 'fd01::1', port: 80 }] }
    expect((await put([canonical])).changes).toEqual([])
    const { configuration } = await api.client.configuration()
    expect(configuration.services).toMatchObject([canonical])
  })

  it('leaves connections where they are', async () => {
    await put([{ ...SERVICE, destinations: [server(1), server(2)] }])
    const bytes = new Uint8Array(HEADROOM_BYTES + 64)
    const packet = udp4({ source: '10.9.9.9:4000', destination: '10.0.0.1:53' })
    bytes.set(packet, HEADROOM_BYTES)
    const end = HEADROOM_BYTES + packet.length
    const arrival = { bytes, start: HEADROOM_BYTES, end, hook: 'inbound', mark: 0 } as const
    expect(api.director.process({ ...arrival, offload: OFFLOAD.finished, nowMs: 0 }).kind).toBe('rewrite')
    const before = await api.client.connections()
    expect(before).toHaveLength(1)
    const at = before[0]!.destination.split(':')[0]
    const kept = [server(1), server(2)].filter(({ address }) => address !== at)
    const quiesced = { address: at as string, port: 53, method: 'masquerading', weight: 0 }
    for (const destinations of [[...kept, quiesced], kept, [server(7)], [...kept, quiesced]]) {
      await put([{ ...SERVICE, scheduler: 'wlc', destinations }, { fwmark: 1 }])
      expect(await api.client.connections()).toEqual(before)
    }
  })

  it('is refused as a whole, with the place of what is wrong', async () => {
    await put([{ ...SERVICE, destinations: [server(1)] }])
    const before = await api.client.configuration()
    const [good, agreed] = [{ ...SERVICE, port: 54 }, api.agreed.length]
    const cases: [object[], string, (string | number)[]][] = [
      [[good, { ...SERVICE, scheduler: 'best' }], 'scheduler-not-found', ['services', 1]],
      [[good, { ...SERVICE, engine: 'sap' }], 'engine-not-found', ['services', 1]],
      [[good, good], 'service-exists', ['services', 1]],
      [
        [{ ...good, destinations: [server(1), server(2), server(1)] }],
        'destination-exists',
        ['services', 0, 'destinations', 2],
      ],
      [
        [{ ...good, destinations: [server(1, { lowerThreshold: 2 })] }],
        'out-of-range',
        ['services', 0, 'destinations', 0],
      ],
      [[good, { ...SERVICE, port: 65_536 }], 'invalid-value', ['services', 1, 'port']],
    ]
    for (const [services, code, path] of cases) {
      expect(await refusalOf(put(services))).toMatchObject({ code, path })
    }
    expect(await refusalOf(put([good], { timeouts: { tcp: 2 ** 31 - 1, tcpFin: 0, udp: 0 } }))).toMatchObject(
      {
        code: 'invalid-value',
        path: ['timeouts', 'tcp'],
      },
    )
    expect(await api.client.configuration()).toEqual(before)
    expect(await api.client.services()).toHaveLength(1)
    expect(api.agreed).toHaveLength(agreed)
  })

  it('is not put in force where the host cannot do it', async () => {
    await put([{ ...SERVICE, destinations: [server(1)] }])
    const before = await api.client.configuration()
    api.world.hostFailure = new Error('iptables is out of order')
    const changes = await told(async () => {
      expect(await refusalOf(put([{ ...SERVICE, port: 54 }]))).toMatchObject({ code: 'host', status: 500 })
    })
    expect(changes).toEqual([])
    expect(await api.client.configuration()).toEqual(before)
  })
})

describe('the revision', () => {
  it('is another one after every change, however it was made', async () => {
    const seen = new Set<string>()
    const changes: (() => Promise<unknown>)[] = [
      () => api.client.addService(SERVICE),
      () => api.client.addDestination(KEY, server(1)),
      () =>
        api.client.editDestination(
          KEY,
          { address: api.director.services.get(KEY)!.pool[0]!.address, port: 53 },
          {},
        ),
      () => api.client.editService(KEY, { scheduler: 'wrr' }),
      () => api.client.setTimeouts({ tcp: 0, tcpFin: 0, udp: 10 }),
      () => api.client.setKnobs({ sloppy_tcp: 1 }),
      () => put([]),
      () => api.client.addService(SERVICE),
      () => api.client.deleteService(KEY),
      () => api.client.addService(SERVICE),
      () => api.client.flush(),
    ]
    seen.add(api.ledger.revision)
    for (const change of changes) {
      await change()
      seen.add(api.ledger.revision)
    }
    expect(seen.size).toBe(changes.length + 1)
  })

  it('stays the same where nothing changed', async () => {
    await put([{ ...SERVICE, destinations: [server(1)] }])
    const { revision } = api.ledger
    await api.client.editService(KEY, { scheduler: 'rr' })
    await api.client.zeroAll()
    await api.client.setTimeouts({ tcp: 900, tcpFin: 0, udp: 0 })
    await api.client.setKnobs({ sloppy_tcp: 0 })
    await refusalOf(api.client.addService(SERVICE))
    expect(api.ledger.revision).toBe(revision)
  })

  it('is another one in another life of the daemon', async () => {
    const other = await startLiveApi()
    expect(other.ledger.revision).not.toBe(api.ledger.revision)
    await other.stop()
  })

  it('keeps two writers from losing each other’s update', async () => {
    const ports = Array.from({ length: 12 }, (_, index) => 1000 + index)
    let stale = 0
    const write = async (port: number): Promise<void> => {
      for (;;) {
        const { revision, configuration } = await api.client.configuration()
        const services = [...configuration.services, { ...SERVICE, port }] as ConfiguredService[]
        try {
          await api.client.replaceConfiguration({ ...configuration, services }, revision)
          return
        } catch (error) {
          if (!(error instanceof ApiError) || error.code !== 'stale-revision') throw error
          stale++
        }
      }
    }
    await Promise.all(ports.map(write))
    const { services } = (await api.client.configuration()).configuration
    expect(services.map((each) => ('port' in each ? each.port : 0)).sort()).toEqual(ports)
    expect(stale).toBeGreaterThan(0)
  })
})

describe('the host', () => {
  it('is put back where the data path refuses', async () => {
    await put([{ ...SERVICE, destinations: [server(1)] }])
    const before = await api.client.configuration()
    const wanted = api.agreed.at(-1)
    // Behind the ledger's back, so that only the data path knows.
    api.director.services.remove(KEY)
    const refusal = await refusalOf(put([{ ...SERVICE, destinations: [server(1), server(2)] }]))
    expect(refusal).toMatchObject({ code: 'no-such-service' })
    expect(api.agreed.at(-1)).toEqual(wanted)
    expect(await api.client.configuration()).toEqual(before)
  })

  it('is brought in line once for a change of many services', async () => {
    const agreed = api.agreed.length
    await put(Array.from({ length: 20 }, (_, index) => ({ ...SERVICE, port: 100 + index })))
    expect(api.agreed).toHaveLength(agreed + 1)
    await api.client.flush()
    expect(api.agreed).toHaveLength(agreed + 2)
  })
})

describe('the ways to real servers', () => {
  it('are as many as there are servers, though all of them come at once', async () => {
    const inUse = () => api.ledger.addresses()
    const routes = {
      route: () => ({
        type: 'unicast',
        deviceIndex: 2,
        gateway: null,
        preferredSource: null,
        mtuBytes: null,
      }),
      link: () => ({ index: 2, name: 'eth0', mtuBytes: 1500 }),
    }
    const ways = new Ways(routes as unknown as ConstructorParameters<typeof Ways>[0], { inUse, slotsMax: 9 })
    api.world.wayTo = (address) => ways.to(address)
    const destinations = [1, 2, 3].map((number) => server(number, { method: 'gatewaying' }))
    const slots = () =>
      [...api.ledger.registry.values()].flatMap((each) =>
        Array.from(each.destinations.values(), ({ config, way }) => `${config.address} ${way?.hop?.slot}`),
      )
    await put([{ ...SERVICE, destinations }])
    expect(slots()).toEqual(['192.168.1.1 1', '192.168.1.2 2', '192.168.1.3 3'])
    await put([{ ...SERVICE, destinations: [...destinations.slice(1), server(4), server(5)] }])
    expect(new Set(slots().map((each) => each.split(' ')[1])).size).toBe(4)
    expect(slots().slice(0, 2)).toEqual(['192.168.1.2 2', '192.168.1.3 3'])
  })
})

describe('following the routes', () => {
  it('tells the data path of a new way, and is no change of the configuration', async () => {
    await put([{ ...SERVICE, destinations: [server(1)] }])
    const { revision } = api.ledger
    const changes = await told(async () => {
      await api.ledger.refresh()
      api.world.wayTo = () => ({ sourceAddress: '192.168.2.254', mtuBytes: 1400, hop: null })
      await api.ledger.refresh()
      await api.ledger.refresh()
    })
    expect(changes).toEqual(['edit-destination udp:10.0.0.1:53 192.168.1.1:53'])
    expect(api.director.services.get(KEY)?.pool[0]?.path?.mtuBytes).toBe(1400)
    expect(api.ledger.revision).toBe(revision)
  })
})
