import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { FakeControl } from '../support/fake-control.ts'
import { type Ran, runCli } from '../support/run-cli.ts'

interface Step {
  readonly cmd: string
  readonly stdout?: readonly string[]
  readonly stderr?: readonly string[]
  readonly exit: number
}

/** ipvsadm 1.31 on Linux 6.1, recorded; the file says how. */
const TRANSCRIPT = JSON.parse(
  readFileSync(new URL('../vectors/ipvsadm-transcript.json', import.meta.url), 'utf8'),
) as { readonly runs: readonly { readonly run: string; readonly steps: readonly Step[] }[] }

/** The runs' names, and the addresses that their directors had. */
const RUNS = [
  { name: 'A', interfaces: ['10.0.0.1/24', '192.168.1.254/24'] },
  { name: 'B', interfaces: ['10.0.0.1/24', 'fd00::1/64'] },
  { name: 'C', interfaces: ['127.0.0.1/8'] },
]

const steps = (name: string, ...numbers: number[]): string[] => numbers.map((number) => `${name}${number}`)

/**
 * The steps that end otherwise here: run and index, counted from 0. Each is checked to differ, so that a step
 * that comes to match has to leave this list. A listing among them must still print ipvsadm's own lines, or some.
 */
const UNLIKE: readonly {
  readonly why: string
  readonly steps: readonly string[]
  readonly listing?: 'fewer lines' | 'same lines'
}[] = [
  {
    why: 'sync daemons are not supported yet, so none can be started, listed or stopped',
    steps: [
      ...steps('A', 138, 139, 140, 147, 150),
      ...steps(
        'B',
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        9,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        19,
        20,
        21,
        22,
        23,
        24,
        27,
        28,
        30,
        32,
      ),
      ...steps('C', 12),
    ],
  },
  {
    why: 'no sync daemon runs that would forbid a server of the other family',
    steps: steps('B', 26, 29),
  },
  {
    why: 'marks are unsigned, as they are printed and in the order',
    steps: steps('A', 68, 69, 70, 127),
    listing: 'same lines',
  },
  {
    why: 'marks are unsigned, and thresholds are saved, as options that ipvsadm reads too',
    steps: steps('A', 165),
    listing: 'same lines',
  },
  {
    why: 'some of the services listed were made by commands that are not in the transcript',
    steps: steps('C', 33),
    listing: 'fewer lines',
  },
  { why: 'the order of the kernel’s hash table', steps: steps('A', 71), listing: 'same lines' },
  {
    why: 'servers are ordered by unsigned value',
    steps: steps('A', 116, 117, 118, 119, 120, 121),
    listing: 'same lines',
  },
]

/** Run C's notation: a blank at the end is an empty word, and two blanks put one in front of a word. */
function argvOf(command: string): string[] {
  return command
    .replaceAll('  ', ' \u00a0')
    .split(' ')
    .slice(1)
    .map((word) => word.replace('\u00a0', ' '))
}

const textOf = (lines: readonly string[] = []): string => lines.map((line) => `${line}\n`).join('')

/** A line as it is here, where marks are unsigned. */
const withUnsignedMark = (line: string): string =>
  line.replace(/^FWM {2}-1( {8}(?= ))?/, 'FWM  4294967295').replace(/ -f -1 /, ' -f 4294967295 ')

const withoutThresholds = (line: string): string => line.replace(/ -x \d+( -y \d+)?/, '')

describe.each(RUNS.map((run, index) => ({ ...run, ...TRANSCRIPT.runs[index] })))(
  'uipvsadm replays run $name of the ipvsadm transcript',
  ({ name, interfaces, steps = [] }) => {
    const client = new FakeControl(interfaces)

    it.each(steps.map((step, index) => ({ ...step, id: `${name}${index}` })))('$id: $cmd', async (step) => {
      const ran = await runCli(argvOf(step.cmd), { client })
      const recorded: Ran = { stdout: textOf(step.stdout), stderr: textOf(step.stderr), status: step.exit }
      const exception = UNLIKE.find((each) => each.steps.includes(step.id))
      if (exception === undefined) {
        expect(ran).toEqual(recorded)
        return
      }
      expect(ran, `remove ${step.id} from the list: ${exception.why}`).not.toEqual(recorded)
      if (exception.listing) {
        const lines = ran.stdout.split('\n').slice(0, -1).map(withoutThresholds)
        const known = (step.stdout ?? []).map(withUnsignedMark)
        expect(known).toEqual(expect.arrayContaining(lines))
        if (exception.listing === 'same lines') expect(lines).toHaveLength(known.length)
        expect(ran.status).toBe(0)
      }
    })
  },
)

describe('the list of steps that differ', () => {
  it('names each step once, and only steps that exist', () => {
    const listed = UNLIKE.flatMap((each) => each.steps)
    const existing = RUNS.flatMap(({ name }, run) =>
      (TRANSCRIPT.runs[run]?.steps ?? []).map((_, index) => `${name}${index}`),
    )
    expect(new Set(listed).size).toBe(listed.length)
    expect(existing).toEqual(expect.arrayContaining(listed))
  })
})
