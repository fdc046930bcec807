import { describe, expect, it } from 'vitest'
import { runUipvs } from '../support/program.ts'

describe('uipvs --help', () => {
  it('fits on a screen of 24 lines by 80 columns, and names every command', async () => {
    const { stdout, stderr, status } = await runUipvs('--help')
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    const lines = stdout.trimEnd().split('\n')
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    expect(lines.length).toBeLessThanOrEqual(24)
    for (const name of ['run', 'doctor', 'proc', 'completion'])
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
  })

  it('is what a command says of itself, too', async () => {
    const { stdout, status } = await runUipvs('proc', '--help')
    expect(status).toBe(0)
    expect(stdout).toMatch(/ip_vs_stats_percpu/)
    expect(stdout).toMatch(/--hz/)
  })
})

describe('uipvs', () => {
  it.each([
    [[], /^Usage: uipvs /],
    [['bogus'], /^error: unknown command 'bogus'\n\(uipvs --help shows what there is\)\n$/],
    [['--bogus'], /^error: unknown option '--bogus'\n/],
    [['proc'], /^error: missing required argument 'file'\n/],
    [['proc', 'ip_x'], /^error: command-argument value 'ip_x' is invalid .* ip_vs_conn,/],
    [
      ['proc', 'ip_vs', '--hz', '0'],
      /^error: option '--hz <ticks>' argument '0' is invalid. A whole number from 1 /,
    ],
    [['proc', 'ip_vs', '--hz', '1e3'], /A whole number from 1 to 1000000 was expected/],
    [['completion', 'csh'], /^error: command-argument value 'csh' is invalid .* bash, zsh, fish/],
  ])('refuses %j in one line', async (argv, text) => {
    const { stdout, stderr, status } = await runUipvs(...argv)
    expect(stdout).toBe('')
    expect(stderr).toMatch(text)
    expect(status).toBe(1)
  })
})
