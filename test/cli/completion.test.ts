import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COMMANDS, OPTIONS, type Spelling } from '../../cli/grammar.ts'
import { bashOffers, fishOffers, outputOf, shellObstacle, zshCompletes } from '../support/completions.ts'
import { program, runUipvs } from '../support/program.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

const folder = mkdtempSync(join(tmpdir(), 'uipvs-completion-'))
const pathOf = (shell: Shell): string => join(folder, `uipvs.${shell}`)
const scripts = new Map<Shell, string>()

beforeAll(async () => {
  for (const shell of SHELLS) {
    const { stdout, stderr, status } = await runUipvs('completion', shell)
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    scripts.set(shell, stdout)
    writeFileSync(pathOf(shell), stdout)
  }
})

afterAll(() => rmSync(folder, { recursive: true }))

const SPELLINGS: readonly Spelling[] = OPTIONS.flatMap((option): readonly Spelling[] => option.spellings)

/** Every long name of uipvsadm and of uipvs. */
const LONG_NAMES = [
  ...COMMANDS.map(({ long }) => long),
  ...SPELLINGS.map(({ long }) => long),
  ...program().commands.flatMap((command) => command.options.map(({ long }) => long?.slice(2) ?? '')),
]

describe.each(SHELLS)('the completion script for %s', (shell) => {
  it('knows every command and option there is', () => {
    const pattern = shell === 'fish' ? (name: string) => `-l ${name} ` : (name: string) => `--${name}`
    const script = scripts.get(shell) as string
    expect(LONG_NAMES.filter((name) => !script.includes(pattern(name)))).toEqual([])
    for (const command of program().commands) expect(script).toContain(command.name())
  })
})

/** Lines whose last word has one way to go on, and where that leads: the same in every shell. */
const UNIQUE = [
  ['uipvs pro', 'proc'],
  ['uipvs proc ip_vs_a', 'ip_vs_app'],
  ['uipvs proc ip_vs_conn_', 'ip_vs_conn_sync'],
  ['uipvs completion f', 'fish'],
  ['uipvs run --conf', '--config'],
  ['uipvsadm --add-serv', null],
  ['uipvsadm --edit-serve', '--edit-server'],
  ['uipvsadm -A -s wr', 'wrr'],
  ['uipvsadm -A --scheduler wr', 'wrr'],
  ['uipvsadm -A -t 10.0.0.1:80 --persist', '--persistent'],
  ['uipvsadm -A --weig', null],
  ['uipvsadm -a --tun-type gu', 'gue'],
  ['uipvsadm -Ln --thres', '--thresholds'],
  ['uipvsadm -L --js', '--json'],
  ['uipvsadm --start-daemon m', 'master'],
  ['uipvsadm -E -b mh-f', 'mh-fallback'],
  ['uipvsadm -A --pe s', 'sip'],
  ['uipvsadm -A -t r', null],
] as const

describe('bash', () => {
  it.each(UNIQUE)('goes on from %j with %j', (line, next) => {
    const offers = bashOffers(pathOf('bash'), line.split(' '))
    if (next === null) expect(offers).not.toHaveLength(1)
    else expect(offers).toEqual([next])
  })

  it('offers the commands first, and then only what goes with the one given', () => {
    expect(bashOffers(pathOf('bash'), ['uipvsadm', ''])).toEqual(
      expect.arrayContaining(['-A', '--list', '--set']),
    )
    const offers = bashOffers(pathOf('bash'), ['uipvsadm', '-D', ''])
    expect(offers).toEqual([
      '-t',
      '--tcp-service',
      '-u',
      '--udp-service',
      '--sctp-service',
      '-f',
      '--fwmark-service',
      '-6',
      '--ipv6',
    ])
  })

  it('takes apart what bash makes of --name=value', () => {
    expect(bashOffers(pathOf('bash'), ['uipvsadm', '-A', '--scheduler', '=', 'ww'])).toEqual([])
    expect(bashOffers(pathOf('bash'), ['uipvsadm', '-A', '--scheduler', '=', 'wl'])).toEqual(['wlc'])
    expect(bashOffers(pathOf('bash'), ['uipvsadm', '-A', '--pe', '='])).toEqual(['sip'])
  })

  it('offers files where a file is meant', () => {
    expect(bashOffers(pathOf('bash'), ['uipvs', 'run', '--config', `${folder}/uipvs.z`])).toEqual([
      pathOf('zsh'),
    ])
  })
})

const noFish = shellObstacle('fish')
if (noFish !== null) console.warn(`SKIPPED: completion in fish: ${noFish}`)

describe.skipIf(noFish !== null)('fish', () => {
  it('finds no fault with its script', () => {
    expect(outputOf('fish', ['--no-config', '-n', pathOf('fish')])).toBe('')
  })

  it.each(UNIQUE)('goes on from %j with %j', (line, next) => {
    const offers = fishOffers(pathOf('fish'), line)
    if (next === null) expect(offers).not.toHaveLength(1)
    else expect(offers).toEqual([next])
  })
})

const noZsh = shellObstacle('zsh')
if (noZsh !== null) console.warn(`SKIPPED: completion in zsh: ${noZsh}`)

describe.skipIf(noZsh !== null)('zsh', () => {
  it('finds no fault with its script', () => {
    expect(outputOf('zsh', ['-f', '-n', pathOf('zsh')])).toBe('')
  })

  it.each([
    ['uipvs pro', 'uipvs proc '],
    ['uipvs completion f', 'uipvs completion fish '],
    ['uipvsadm -A -s wr', 'uipvsadm -A -s wrr '],
    ['uipvsadm -a --tun-ty', 'uipvsadm -a --tun-type='],
    ['uipvsadm --start-daemon m', 'uipvsadm --start-daemon master '],
    ['uipvsadm -Ln --thres', 'uipvsadm -Ln --thresholds '],
    ['uipvsadm -A --weig', 'uipvsadm -A --weig'],
  ])('makes of %j %j', (line, completed) => {
    expect(zshCompletes(pathOf('zsh'), line)).toBe(completed)
  })
})
