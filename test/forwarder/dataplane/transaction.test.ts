import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DestinationSettings, ServiceSettings } from '../../../control/schema.ts'
import type { ChangeRequest, Step } from '../../../forwarder/dataplane/messages.ts'
import { type LiveApi, startLiveApi } from '../../support/live-api.ts'

let api: LiveApi
beforeEach(async () => {
  api = await startLiveApi()
})
afterEach(() => api.stop())

const SERVICE = 'tcp:10.0.0.1:80'
const settings = ServiceSettings.parse({})
const add = (service: string): Step => ({
  make: { kind: 'add-service', service, settings },
  takeBack: { kind: 'remove-service', service },
})
const addServer = (endpoint: string, service = SERVICE): Step => ({
  make: {
    kind: 'add-destination',
    service,
    endpoint,
    settings: DestinationSettings.parse({ method: 'masquerading' }),
    way: null,
  },
  takeBack: { kind: 'remove-destination', service, endpoint },
})

const transact = (steps: readonly Step[], removals: readonly ChangeRequest[] = []) =>
  api.ask({ kind: 'all-or-nothing', steps, removals })
const listed = async () =>
  (await api.client.services()).map(({ id, scheduler, destinations }) => [id, scheduler, destinations.length])

describe('a transaction of the data path', () => {
  it('makes every step, and then the removals', async () => {
    await transact([add('fwmark:1')])
    const removals: ChangeRequest[] = [{ kind: 'remove-service', service: 'fwmark:1' }]
    expect(await transact([add(SERVICE), addServer('192.168.1.1:80')], removals)).toBeUndefined()
    expect(await listed()).toEqual([[SERVICE, 'wlc', 1]])
  })

  it('makes nothing where a step is refused, and says which refusal it was', async () => {
    await transact([add(SERVICE), addServer('192.168.1.1:80')])
    const before = await listed()
    const edit: Step = {
      make: { kind: 'edit-service', service: SERVICE, settings: ServiceSettings.parse({ scheduler: 'rr' }) },
      takeBack: { kind: 'edit-service', service: SERVICE, settings },
    }
    const refused = addServer('192.168.1.1:80')
    const removals: ChangeRequest[] = [{ kind: 'remove-service', service: SERVICE }]
    const steps = [
      add('fwmark:2'),
      addServer('10.0.0.2:1', 'fwmark:2'),
      edit,
      addServer('192.168.1.2:80'),
      refused,
    ]
    expect(await transact(steps, removals)).toMatchObject({ refused: 'destination-exists' })
    expect(await listed()).toEqual(before)
  })

  it('takes timeouts and knobs back, too', async () => {
    const timeouts = (tcp: number): ChangeRequest => ({
      kind: 'set-timeouts',
      timeouts: { tcp, tcpFin: 0, udp: 0 },
    })
    const knobs = (sloppy_tcp: number): ChangeRequest => ({ kind: 'set-knobs', changes: { sloppy_tcp } })
    await transact([
      { make: timeouts(77), takeBack: timeouts(900) },
      { make: knobs(1), takeBack: knobs(0) },
      addServer('192.168.1.1:80'),
    ])
    expect(api.director.timeouts).toMatchObject({ tcp: 900 })
    expect(api.director.knobs.sloppy_tcp).toBe(0)
  })
})
