import { describe, expect, it } from 'vitest'
import { LINE_LIMIT } from '../../cli/restore.ts'
import { keyOf } from '../../control/index.ts'
import { formatServiceKey } from '../../lib/service/key.ts'
import { FakeControl } from '../support/fake-control.ts'
import { runCli } from '../support/run-cli.ts'

const TRY = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n"

/** Runs `uipvsadm -R` on the input: what became of it, and which services there are then. */
async function restore(input: string) {
  const client = new FakeControl()
  const { stdout, stderr, status } = await runCli('-R', { client, input })
  const services = (await client.services()).map((each) => formatServiceKey(keyOf(each)))
  return { stdout, stderr, status, services }
}

/** Each of these was seen of ipvsadm 1.31. */
describe('uipvsadm -R', () => {
  it('runs every line, the last with or without its newline', async () => {
    const { services, status } = await restore('-A -f 1\n\n  \n\t-A\t-f 2\r\nipvsadm -A -f 3')
    expect(services).toEqual(['fwmark:1', 'fwmark:2', 'fwmark:3'])
    expect(status).toBe(0)
  })

  it('skips its own name wherever it stands', async () => {
    expect(await restore('ipvsadm\n-A ipvsadm -f 1\nuipvsadm -A -f 2\n')).toMatchObject({
      services: ['fwmark:1', 'fwmark:2'],
      status: 0,
    })
    expect((await restore('-A ipvsadm -t ipvsadm\n')).stderr).toBe('-t: missing argument\n')
  })

  it('knows no quotes', async () => {
    expect(await restore('-A -t "1.2.3.4:80"\n')).toMatchObject({ status: 2 })
  })

  it('knows no comments: # ends the run', async () => {
    expect(await restore('# foo\n-A -f 1\n')).toEqual({ stdout: '', stderr: TRY, status: 255, services: [] })
    expect(await restore('-C # foo\n-A -f 1\n')).toMatchObject({
      stderr: 'unexpected argument #\n',
      status: 2,
      services: [],
    })
  })

  it('stops at a usage error', async () => {
    expect(await restore('-A -f 1\n-A -t 1\n-A -f 2\n')).toMatchObject({ status: 2, services: ['fwmark:1'] })
    expect(await restore('foo\n-A -f 2\n')).toMatchObject({ status: 255, stderr: TRY, services: [] })
  })

  it('goes on after a word that it cannot read, and after what the director refused', async () => {
    expect(await restore('-A --bogus\n-A -f 1\n')).toMatchObject({
      stderr: '--bogus: unknown option\n',
      status: 0,
      services: ['fwmark:1'],
    })
    expect(await restore('-D -f 9\n-A -f 1\n')).toMatchObject({
      stderr: 'No such service\n',
      status: 0,
      services: ['fwmark:1'],
    })
  })

  it('goes on after a line that uipvs cannot do', async () => {
    const { stderr, services } = await restore('--start-daemon master\n-A -f 2\n')
    expect(stderr).toMatch(/no sync daemons/)
    expect(services).toEqual(['fwmark:2'])
  })

  it('ends with the status of the last line', async () => {
    expect(await restore('-A -f 1\n-A -f 1\n')).toMatchObject({ status: 255 })
    expect(await restore('-A -f 1\n-A -t\n')).toMatchObject({ status: 255, stderr: '-t: missing argument\n' })
    expect(await restore('')).toMatchObject({ status: 0 })
  })

  it('does not read itself', async () => {
    expect(await restore('-R\n-A -f 1\n')).toEqual({ stdout: '', stderr: TRY, status: 255, services: [] })
  })

  it('ends at a listing that fails and at a request for help', async () => {
    expect(await restore('-L -f 9\n-A -f 1\n')).toMatchObject({ status: 1, services: [] })
    expect(await restore('-v\n-A -f 1\n')).toMatchObject({ status: 0, services: [] })
  })

  it('refuses a line without end', async () => {
    const { stderr, status } = await restore(`-A -f 1\n${'x'.repeat(LINE_LIMIT + 1)}`)
    expect(stderr).toBe(`uipvsadm: line 2 of the input is longer than ${LINE_LIMIT} characters\n`)
    expect(status).toBe(2)
  })
})
