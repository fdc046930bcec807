import { CommanderError } from 'commander'
import { beforeEach, describe, expect, it } from 'vitest'
import { sysctlCommand } from '../../../cli/commands/sysctl.ts'
import { KNOB_NAMES } from '../../../control/knobs.ts'
import type { KnobChanges } from '../../../control/schema.ts'
import { AllKnobs } from '../../../forwarder/dataplane/all-knobs.ts'
import { defaultKnobs } from '../../../lib/director/knobs.ts'

let knobs: AllKnobs
let requests: KnobChanges[]
beforeEach(() => {
  knobs = new AllKnobs(defaultKnobs(), { pages: 320 })
  requests = []
})

/** What the command prints; the error is what it was refused with. */
async function sysctl(...words: readonly string[]) {
  let [stdout, stderr] = ['', '']
  const command = sysctlCommand({
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    socketPath: '/run/somewhere.sock',
    connect: () => ({
      knobs: async () => knobs.read(),
      setKnobs: async (changes) => {
        requests.push(changes)
        return knobs.change(changes)
      },
    }),
  })
  command.exitOverride().configureOutput({ writeErr: (text) => (stderr += text) })
  let error: unknown = null
  try {
    await command.parseAsync(words, { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    error = thrown.code
  }
  return { stdout, stderr, error }
}

describe('uipvs sysctl', () => {
  it('lists every knob as sysctl -a does', async () => {
    const { stdout } = await sysctl()
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(KNOB_NAMES.length)
    expect(lines[0]).toBe('net.ipv4.vs.am_droprate = 10')
    expect(lines).toContain('net.ipv4.vs.sync_threshold = 3\t50')
    expect(lines).toContain('net.ipv4.vs.sync_qlen_max = 10')
    expect(requests).toEqual([])
  })

  it.each(['drop_entry', 'net.ipv4.vs.drop_entry', 'net/ipv4/vs/drop_entry'])('shows %s', async (word) => {
    expect(await sysctl(word)).toEqual({ stdout: 'net.ipv4.vs.drop_entry = 0\n', stderr: '', error: null })
  })

  it('shows values alone with -n', async () => {
    expect((await sysctl('-n', 'drop_entry', 'amemthresh')).stdout).toBe('0\n1024\n')
  })

  it('sets several at once and shows what is in force', async () => {
    const { stdout, stderr } = await sysctl('net.ipv4.vs.drop_entry=1', 'secure_tcp = 2', 'pmtu_disc')
    expect(stdout).toBe('net.ipv4.vs.drop_entry = 1\nnet.ipv4.vs.secure_tcp = 2\nnet.ipv4.vs.pmtu_disc = 1\n')
    expect(stderr).toBe('')
    expect(requests).toEqual([{ drop_entry: 1, secure_tcp: 2 }])
  })

  it('says nothing of what it has set with -q', async () => {
    expect(await sysctl('-q', 'drop_entry=1')).toEqual({ stdout: '', stderr: '', error: null })
    expect(requests).toEqual([{ drop_entry: 1 }])
  })

  it('says that a knob without effect has none, and keeps its value', async () => {
    const { stdout, stderr } = await sysctl('conntrack=1')
    expect(stdout).toBe('net.ipv4.vs.conntrack = 1\n')
    expect(stderr).toMatch(/^uipvs: conntrack has no effect here: .+\n$/)
  })

  it.each([
    ['sync_threshold=5', '5\t50'],
    ['sync_threshold=5 60', '5\t60'],
    ['sync_threshold=5\t0', '5\t0'],
  ])('%s becomes %s, as in the kernel', async (word, shown) => {
    expect((await sysctl(word)).stdout).toBe(`net.ipv4.vs.sync_threshold = ${shown}\n`)
  })

  it.each([
    ['drop_entry=4', 'drop_entry is a whole number from 0 to 3, not 4'],
    ['drop_entry=', 'drop_entry is a whole number from 0 to 3, not '],
    ['drop_entry=0x1', 'drop_entry is a whole number from 0 to 3, not 0x1'],
    ['sync_ports=3', "sync_ports is a power of two, not '3'"],
    ['frobnicate', "there is no knob 'frobnicate'; there are: "],
    ['net.ipv4.ip_forward', "there is no knob 'net.ipv4.ip_forward'; there are: "],
    ['', "there is no knob ''; there are: "],
  ])('refuses %j and sets nothing, not even what else was asked for', async (word, flaw) => {
    const { stdout, stderr, error } = await sysctl('secure_tcp=1', word)
    expect({ stdout, error }).toEqual({ stdout: '', error: 'commander.invalidArgument' })
    expect(stderr).toContain(flaw)
    expect(requests).toEqual([])
  })
})
