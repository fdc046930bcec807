import { describe, expect, it } from 'vitest'
import { describeDifference, differences } from '../../../conformance/command-line/compare.ts'
import { parseScript, typed, wordsOf } from '../../../conformance/command-line/script.ts'

describe('a script of command lines', () => {
  it('is a name, and words between blanks or single quotes', () => {
    expect(parseScript("# a name\n-L -n\n-A -t '' ' x'\n")).toEqual({
      name: 'a name',
      lines: [{ argv: ['-L', '-n'] }, { argv: ['-A', '-t', '', ' x'] }],
    })
  })

  it('gives a line its standard input', () => {
    expect(parseScript('# a name\n-R\n| -A -f 1\n| \n-Ln\n').lines).toEqual([
      { argv: ['-R'], stdin: '-A -f 1\n\n' },
      { argv: ['-Ln'] },
    ])
  })

  it.each([
    ['-Ln\n', "a script's first line is '# <name>', not '-Ln'"],
    ['# a name\n| -Ln\n', 'standard input before any command line: | -Ln'],
  ])('%j is no script', (text, flaw) => {
    expect(() => parseScript(text)).toThrow(flaw)
  })

  it('is written as it is read', () => {
    const words = ['-A', '', ' x', '[fd00::1]:80', '--pe=sip']
    expect(wordsOf(typed({ argv: words }))).toEqual(words)
  })
})

describe('two plays of a script', () => {
  const play = (stdout: string, status = 0) => [
    { name: 'a name', lines: [{ argv: ['-Ln'], stdout, stderr: '', status }] },
  ]

  it('are alike but for the size of the connection table', () => {
    const title = 'IP Virtual Server version 1.2.1'
    expect(differences(play(`${title} (size=4096)\n`), play(`${title} (size=65536)\n`))).toEqual([])
    expect(differences(play(`${title} (size=4096)\n`), play(`${title} (size=x)\n`))).toHaveLength(1)
  })

  it.each([
    [play('a\nb\n'), play('a\nc\n'), 'a name, line 1: -Ln\n  - b\n  + c'],
    [play('a\nb\n'), play('b\na\n'), 'a name, line 1: -Ln\n  (the same lines in another order)'],
    [play('a\n'), play('a\n', 2), 'a name, line 1: -Ln: status 0, here 2'],
  ])('differ by a line, by their order, or by how they end', (expected, actual, text) => {
    expect(differences(expected, actual).map(describeDifference)).toEqual([text])
  })

  it('of other lines cannot be compared', () => {
    const other = [{ name: 'a name', lines: [{ argv: ['-L'], stdout: '', stderr: '', status: 0 }] }]
    expect(() => differences(play(''), other)).toThrow(
      "'a name' has other lines here than there, from line 1 on",
    )
  })
})
