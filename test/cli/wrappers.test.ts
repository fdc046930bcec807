import { describe, expect, it } from 'vitest'
import { INPUT_LIMIT } from '../../cli/wrappers.ts'
import { ControlClient } from '../../control/index.ts'
import { FakeControl } from '../support/fake-control.ts'
import { runCli, runRestore, runSave } from '../support/run-cli.ts'

const idsOf = async (client: FakeControl): Promise<string[]> => (await client.services()).map(({ id }) => id)

async function directorWith(...lines: string[]): Promise<FakeControl> {
  const client = new FakeControl()
  for (const line of lines) expect(await runCli(line, { client })).toMatchObject({ status: 0 })
  return client
}

describe('uipvsadm-save', () => {
  it('prints what -S prints, by name or by number', async () => {
    const client = await directorWith('-A -t 127.0.0.1:80')
    expect(await runSave([], { client })).toEqual({
      stdout: '-A -t localhost:http -s wlc\n',
      stderr: '',
      status: 0,
    })
    expect((await runSave(['-n'], { client })).stdout).toBe('-A -t 127.0.0.1:80 -s wlc\n')
    expect((await runSave(['-n', 'word', '-n'], { client })).stdout).toBe('-A -t 127.0.0.1:80 -s wlc\n')
  })

  it.each(['-h', '--help', '-c', '-nn', '-'])(
    'explains itself when given %s, with status 1',
    async (word) => {
      expect(await runSave([word])).toEqual({
        stdout: '',
        stderr:
          'uipvsadm-save: Script to save the IPVS table to stdout.\n' +
          '   With the -n option, prints out the table in numeric format.\n',
        status: 1,
      })
    },
  )

  it('fails where no daemon answers', async () => {
    const client = new ControlClient('/nonexistent/control.sock')
    expect(await runSave(['-n'], { client })).toMatchObject({ stdout: '', status: 2 })
  })
})

describe('uipvsadm-restore', () => {
  it('clears first, leaves out comments, and restores the rest', async () => {
    const client = await directorWith('-A -f 7')
    const input = '# saved\n-A -f 1\n#-A -f 2\n\n-A -f 3'
    expect(await runRestore([], { client, input })).toEqual({ stdout: '', stderr: '', status: 0 })
    expect(await idsOf(client)).toEqual(['fwmark:1', 'fwmark:3'])
  })

  it('takes the numeric option, which means nothing here', async () => {
    const client = await directorWith('-A -f 7')
    expect(await runRestore(['-n'], { client, input: '-A -f 1' })).toMatchObject({ status: 0 })
    expect(await idsOf(client)).toEqual(['fwmark:1'])
  })

  it('ends where -R does, with its status', async () => {
    const client = await directorWith('-A -f 7')
    const ran = await runRestore([], { client, input: '-A -f 1\n-A -f x\n-A -f 2\n' })
    expect(ran).toEqual({ stdout: '', stderr: "invalid fwmark value `x' specified\n", status: 2 })
    expect(await idsOf(client)).toEqual(['fwmark:1'])
  })

  it('understands lines that begin with a # in their middle only as -R does', async () => {
    const ran = await runRestore([], { input: '-A -f 1 # one\n' })
    expect(ran).toMatchObject({ stderr: 'unexpected argument #\n', status: 2 })
  })

  it.each(['/etc/ipvsadm.rules', '-h', '--help'])('changes nothing when given %s', async (word) => {
    const client = await directorWith('-A -f 7')
    expect(await runRestore([word], { client, input: '-A -f 1' })).toMatchObject({ stdout: '', status: 1 })
    expect(await idsOf(client)).toEqual(['fwmark:7'])
  })

  it('changes nothing when there is more than it reads', async () => {
    const client = await directorWith('-A -f 7')
    const stdin = (async function* () {
      for (let characters = 0; characters <= INPUT_LIMIT; characters += 1024 * 1024)
        yield ' '.repeat(1024 * 1024)
    })()
    expect(await runRestore([], { client, stdin })).toMatchObject({ status: 2 })
    expect(await idsOf(client)).toEqual(['fwmark:7'])
  })

  it('says once that no daemon answers', async () => {
    const client = new ControlClient('/nonexistent/control.sock')
    const { stderr, status } = await runRestore([], { client, input: '-A -f 1' })
    expect(stderr.match(/Can't initialize/g)).toHaveLength(1)
    expect(status).toBe(2)
  })
})
