import { describe, expect, it } from 'vitest'
import { procCommand } from '../../../cli/commands/proc.ts'
import { NotRunningError } from '../../../control/index.ts'
import { destinationOf, serviceOf } from '../../support/api-values.ts'
import { FakeControl } from '../../support/fake-control.ts'
import { runUipvs } from '../../support/program.ts'

async function run(client: FakeControl, ...argv: string[]): Promise<{ text: string; sockets: string[] }> {
  let text = ''
  const sockets: string[] = []
  const command = procCommand({
    stdout: { write: (more) => (text += more) },
    socketPath: '/run/usual.sock',
    connect: (path) => {
      sockets.push(path)
      return client
    },
  })
  await command.exitOverride().parseAsync(argv, { from: 'user' })
  return { text, sockets }
}

function director(): FakeControl {
  const client = new FakeControl()
  const destinations = [destinationOf('192.168.1.3:8080')]
  client.put(serviceOf('tcp:10.0.0.1:80', { persistentSeconds: 10, destinations }))
  return client
}

describe('uipvs proc', () => {
  it.each([
    [
      'ip_vs',
      /^IP Virtual Server version 1\.2\.1 \(size=4096\)\nProt .*\n {2}-> .*\nTCP {2}0A000001:0050 wlc {2}persistent 1000 /,
    ],
    ['ip_vs_conn', /^Pro FromIP .* PEData\n$/],
    ['ip_vs_conn_sync', /^Pro FromIP .* Origin Expires\n$/],
    ['ip_vs_app', /^prot port {4}usecnt name\nTCP {2}21 {6}1 {6}ftp {14}\n$/],
    ['ip_vs_stats', /^ {3}Total Incoming .*\n {3}Conns .*\n {7}0 /],
    ['ip_vs_stats_percpu', /^ {7}Total Incoming .*\nCPU {4}Conns .*\n {2}0 {8}0 /],
  ])('prints %s', async (file, text) => {
    expect((await run(director(), file)).text).toMatch(text)
  })

  it('has timeouts in the ticks it is told of', async () => {
    expect((await run(director(), 'ip_vs', '--hz', '250')).text).toContain(' persistent 2500 FFFFFFFF\n')
  })

  it('asks at the socket it is told of, or the usual one', async () => {
    expect((await run(director(), 'ip_vs')).sockets).toEqual(['/run/usual.sock'])
    expect((await run(director(), 'ip_vs', '--socket', '/tmp/other')).sockets).toEqual(['/tmp/other'])
  })

  it('prints nothing where nobody answers', async () => {
    await expect(runUipvs('proc', 'ip_vs', '--socket', '/nonexistent/control.sock')).rejects.toThrow(
      NotRunningError,
    )
  })
})
