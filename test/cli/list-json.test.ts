import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { Connection, Counters, Rates, Service, Timeouts } from '../../control/index.ts'
import { countersOf, destinationOf, ratesOf, serviceOf } from '../support/api-values.ts'
import { FakeControl } from '../support/fake-control.ts'
import { runCli } from '../support/run-cli.ts'

const SERVICES = [
  serviceOf('fwmark:5', { counters: countersOf(7) }),
  serviceOf('tcp:10.0.0.1:80', {
    persistentSeconds: 300,
    rates: ratesOf(3),
    destinations: [destinationOf('192.168.1.2:80', { weight: 3 }), destinationOf('192.168.1.1:80')],
  }),
]

const CONNECTION = {
  protocol: 'TCP',
  client: '10.9.0.1:3001',
  virtual: '10.0.0.1:80',
  destination: '192.168.1.1:8080',
  state: 'SYN_RECV',
  expiresSeconds: 59,
}

function director(): FakeControl {
  const client = new FakeControl()
  for (const service of SERVICES) client.put(service)
  client.putConnections([CONNECTION])
  return client
}

/** What `line` prints, which must be one JSON text of that shape and nothing else. */
async function printed<T>(line: string, shape: z.ZodType<T>): Promise<T> {
  const { stdout, stderr, status } = await runCli(line, { client: director() })
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  expect(stdout.endsWith('}\n')).toBe(true)
  return shape.parse(JSON.parse(stdout))
}

describe('uipvsadm -L --json', () => {
  it.each([
    '-L --json',
    '-Ln --json',
    '-l --stats --json',
    '-L --rate --exact --json',
    '-L --json --tun-info',
  ])('prints the services of %s in the shape of the control API, in the order of listings', async (line) => {
    const { services } = await printed(line, z.strictObject({ services: z.array(Service) }))
    expect(services.map(({ id }) => id)).toEqual(['tcp:10.0.0.1:80', 'fwmark:5'])
    expect(services[0]?.destinations.map(({ address }) => address)).toEqual(['192.168.1.1', '192.168.1.2'])
    expect(services).toEqual(expect.arrayContaining([SERVICES[0]]))
  })

  it('keeps the order of the daemon with --nosort', async () => {
    const { services } = await printed('-L --nosort --json', z.strictObject({ services: z.array(Service) }))
    expect(services).toEqual(SERVICES)
  })

  it('prints the one service that is asked for', async () => {
    expect(await printed('-L -f 5 --json', Service)).toEqual(SERVICES[0])
  })

  it('prints the connections', async () => {
    const shape = z.strictObject({ connections: z.array(Connection) })
    expect(await printed('-Lc --json', shape)).toEqual({ connections: [CONNECTION] })
  })

  it('prints the timeouts, the totals, and that there are no sync daemons', async () => {
    expect(await printed('-L --timeout --json', Timeouts)).toEqual({ tcp: 900, tcpFin: 120, udp: 300 })
    expect(await printed('-L --daemon --json', z.unknown())).toEqual({ daemons: [] })
    const totals = z.strictObject({ counters: Counters, rates: Rates })
    expect(await printed('-L --tot-stats --json', totals)).toMatchObject({ counters: countersOf(0) })
  })

  it('fails as the listing does', async () => {
    expect(await runCli('-L -f 6 --json', { client: director() })).toEqual({
      stdout: '',
      stderr: 'No such service\n',
      status: 1,
    })
  })
})
