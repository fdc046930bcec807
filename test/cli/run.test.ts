import { describe, expect, it } from 'vitest'
import { COMMANDS, OPTIONS } from '../../cli/grammar.ts'
import { ApiError, ControlClient } from '../../control/index.ts'
import { countersOf, destinationOf, serviceOf } from '../support/api-values.ts'
import { FakeControl } from '../support/fake-control.ts'
import { runCli } from '../support/run-cli.ts'

class BrokenControl extends FakeControl {
  readonly #error: unknown
  constructor(error: unknown) {
    super()
    this.#error = error
  }
  override async info(): Promise<never> {
    throw this.#error
  }
  override async addService(): Promise<never> {
    throw this.#error
  }
}

describe('uipvsadm', () => {
  it('lists without arguments', async () => {
    expect(await runCli('')).toEqual({
      stdout:
        'IP Virtual Server version 1.2.1 (size=4096)\n' +
        'Prot LocalAddress:Port Scheduler Flags\n' +
        '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n',
      stderr: '',
      status: 0,
    })
  })

  it('says where no daemon answers, and how to start one', async () => {
    const client = new ControlClient('/nonexistent/control.sock')
    const nobody =
      "Can't initialize ipvs: There is no control socket /nonexistent/control.sock\n" +
      "Are you sure that 'uipvs run' is running?\n"
    for (const line of ['-Ln', '-A -f 1', '-C', '--stop-daemon master', '-L --daemon', '-L --timeout', '-S'])
      expect(await runCli(line, { client }), line).toEqual({ stdout: '', stderr: nobody, status: 2 })
    expect(await runCli('-R', { client, input: '-C\n-C\n' })).toMatchObject({ stderr: nobody, status: 2 })
  })

  it('finds fault with the command line, and helps, without a daemon', async () => {
    const client = new ControlClient('/nonexistent/control.sock')
    expect(await runCli('-A -t 80', { client })).toMatchObject({ status: 2, stdout: '' })
    expect(await runCli('-h', { client })).toMatchObject({ status: 0, stderr: '' })
  })

  it('tells what it does not understand of the daemon in one line', async () => {
    const client = new BrokenControl(new Error('the reply makes no sense'))
    expect(await runCli('-Ln', { client })).toMatchObject({
      stderr: 'uipvsadm: the reply makes no sense\n',
      status: 1,
    })
    expect(await runCli('-A -f 1', { client })).toMatchObject({ status: 255 })
  })

  it.each([
    ['EPERM', 'Permission denied (you must be root)'],
    ['ENOMEM', 'Memory allocation problem'],
    ['ENOENT', 'Scheduler or persistence engine not found'],
    ['EOPNOTSUPP', 'uipvsadm: sctp services cannot be had'],
    ['EBUSY', 'uipvsadm: sctp services cannot be had'],
  ])('words a refusal with %s as ipvsadm does, or as the daemon does', async (errno, text) => {
    const client = new BrokenControl(
      new ApiError(422, { code: 'any', errno, message: 'sctp services cannot be had' }),
    )
    expect(await runCli('-A -f 1', { client })).toEqual({ stdout: '', stderr: `${text}\n`, status: 255 })
  })

  it('lets a broken invariant through', async () => {
    await expect(runCli('-Ln', { client: new BrokenControl('not an error') })).rejects.toBe('not an error')
  })

  it('zeroes one service, or all', async () => {
    const client = new FakeControl()
    const counters = countersOf(5)
    for (const id of ['fwmark:1', 'fwmark:2'])
      client.put(serviceOf(id, { counters, destinations: [destinationOf('10.0.0.2:80', { counters })] }))
    const seen = async () =>
      (await client.services()).map((each) => [each, ...each.destinations].map((one) => one.counters.inBytes))
    await runCli('-Z -f 1', { client })
    expect(await seen()).toEqual([
      [0, 0],
      [5, 5],
    ])
    await runCli('-Z', { client })
    expect(await seen()).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  it('replaces a server’s settings as a whole', async () => {
    const client = new FakeControl()
    await runCli('-A -t 10.0.0.1:80', { client })
    await runCli('-a -t 10.0.0.1:80 -r 10.0.0.2 -m -w 5 -x 9 -y 8', { client })
    await runCli('-e -t 10.0.0.1:80 -r 10.0.0.2', { client })
    expect((await client.services())[0]?.destinations).toMatchObject([
      { method: 'gatewaying', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
    ])
  })

  it('lists connections, without their names if so told', async () => {
    const client = new FakeControl()
    client.putConnections([
      {
        protocol: 'TCP',
        client: '127.0.0.1:3001',
        virtual: '10.0.0.1:80',
        destination: '10.0.0.2:8080',
        state: 'ESTABLISHED',
        expiresSeconds: 899,
      },
    ])
    expect((await runCli('-Lnc', { client })).stdout).toContain(
      '\nTCP 14:59  ESTABLISHED 127.0.0.1:3001     10.0.0.1:80        10.0.0.2:8080\n',
    )
    expect((await runCli('-Lc', { client })).stdout).toContain(
      '\nTCP 14:59  ESTABLISHED localhost:3001     10.0.0.1:http      10.0.0.2:http-alt\n',
    )
  })

  it('keeps the order of the daemon with --nosort', async () => {
    const client = new FakeControl()
    for (const mark of [3, 1, 2]) await runCli(`-A -f ${mark}`, { client })
    const marks = async (line: string) => (await runCli(line, { client })).stdout.match(/(?<=FWM {2})\d/g)
    expect(await marks('-Ln --nosort')).toEqual(['3', '1', '2'])
    expect(await marks('-Ln')).toEqual(['1', '2', '3'])
  })
})

describe('uipvsadm -h', () => {
  it('explains every command and option, and says which are its own', async () => {
    const { stdout, stderr, status } = await runCli('-h')
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    const longs: string[] = COMMANDS.map(({ long }) => long)
    for (const { spellings } of OPTIONS) longs.push(...spellings.map(({ long }) => long))
    const lines = stdout.split('\n')
    for (const long of longs)
      expect(
        lines.some((line) => new RegExp(`--${long}( |$)`).test(line)),
        long,
      ).toBe(true)
    const own = lines.filter((line) => line.endsWith('(uipvsadm only)'))
    expect(own).toEqual([expect.stringContaining('--tot-stats'), expect.stringContaining('--json')])
    expect(stdout).toMatch(/timeouts are not saved/)
  })

  it('begins with the version line of ipvsadm, as -v does', async () => {
    const line = 'ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n'
    expect((await runCli('-h')).stdout.startsWith(line)).toBe(true)
    expect((await runCli('-v')).stdout.startsWith(line)).toBe(true)
  })
})
