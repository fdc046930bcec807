import { describe, expect, it } from 'vitest'
import { optionsFrom } from '../../fuzz/options.ts'

describe('optionsFrom', () => {
  it('runs every target for half a minute, from a fresh seed, unless told otherwise', () => {
    expect(optionsFrom([], 42)).toMatchObject({
      seed: 42,
      path: undefined,
      targets: ['director', 'wire', 'reassembling', 'ftp'],
      timeMs: 30_000,
    })
  })

  it('takes a seed, a target, and the path of a find', () => {
    const argv = ['--seed', '7', '--only', 'wire', '--path', '41:3:0', '--seconds', '5']
    expect(optionsFrom(argv, 42)).toMatchObject({ seed: 7, path: '41:3:0', targets: ['wire'], timeMs: 5000 })
  })

  it('lets so many cases take their time, unless a time is given too', () => {
    expect(optionsFrom(['--runs', '100'], 1)).toMatchObject({ cases: 100, timeMs: 86_400_000 })
    expect(optionsFrom(['--runs', '100', '--seconds', '2'], 1)).toMatchObject({ cases: 100, timeMs: 2000 })
  })

  it.each([
    [['--seconds', '0'], "--seconds is a whole number from 1 to 86400, not '0'"],
    [['--seconds', 'soon'], "--seconds is a whole number from 1 to 86400, not 'soon'"],
    [['--seed', '-1'], /--seed/],
    [['--runs', '1.5'], "--runs is a whole number from 1 to 2147483647, not '1.5'"],
    [['--only', 'toString'], "--only is one of director, wire, reassembling, ftp, not 'toString'"],
    [['--path', 'x', '--only', 'wire', '--seed', '1'], "--path is what a find says, such as 41:3:0, not 'x'"],
    [['--path', '1:2'], '--path goes with --seed and --only: it leads through the cases of one target'],
    [['--fast'], /--fast/],
  ])('refuses %j, naming it', (argv, message) => {
    expect(() => optionsFrom(argv, 1)).toThrow(message)
  })
})
