import { describe, expect, it } from 'vitest'
import { readWords } from '../../cli/words.ts'

const brief = (...argv: string[]) => {
  const { given, rest, mistake } = readWords(argv)
  return {
    given: given.map(({ meaning, argument }) => [
      meaning.kind === 'command' ? meaning.command.name : meaning.long,
      argument,
    ]),
    rest,
    mistake: mistake?.text ?? null,
  }
}

describe('readWords', () => {
  it('takes long options with = and with the next word', () => {
    expect(brief('--add-service', '--tcp-service=a:1', '--scheduler', 'rr').given).toEqual([
      ['add-service', null],
      ['tcp-service', 'a:1'],
      ['scheduler', 'rr'],
    ])
  })

  it('takes clusters whose last option has its argument in the same word, after =, or in the next word', () => {
    const wanted = [
      ['add-service', null],
      ['tcp-service', 'a:1'],
    ]
    expect(brief('-Ata:1').given).toEqual(wanted)
    expect(brief('-At=a:1').given).toEqual(wanted)
    expect(brief('-At', 'a:1').given).toEqual(wanted)
  })

  it('takes a needed argument even if it looks like an option', () => {
    expect(brief('-s', '--bogus').given).toEqual([['scheduler', '--bogus']])
  })

  it('takes an optional argument only if it does not begin with a dash', () => {
    expect(brief('-p', '-o').given).toEqual([
      ['persistent', null],
      ['ops', null],
    ])
    expect(brief('-p', '5').given).toEqual([['persistent', '5']])
    expect(brief('-p')).toEqual({ given: [['persistent', null]], rest: [], mistake: null })
    expect(brief('--persistent=').given).toEqual([['persistent', '']])
  })

  it('leaves over plain words, a lone dash, the empty word and whatever follows --', () => {
    expect(brief('a', '-L', '-', '', '--', '-n')).toEqual({
      given: [['list', null]],
      rest: ['a', '-', '', '-n'],
      mistake: null,
    })
  })

  it.each([
    [['-L', '--num'], '--num: unknown option'],
    [['-A', '--bogus=5'], '--bogus=5: unknown option'],
    [['-L', '-nQ'], '-nQ: unknown option'],
    [['-L', '-1'], '-1: unknown option'],
    [['-A', '-t'], '-t: missing argument'],
    [['-At'], '-At: missing argument'],
    [['-L', '--numeric=3'], '--numeric=3: option does not take an argument'],
    [['-Ln=3'], '-Ln=3: option does not take an argument'],
  ])('stops at the mistake in %j', (argv, text) => {
    expect(brief(...argv).mistake).toBe(text)
  })

  it('keeps what was read before the mistake', () => {
    expect(brief('-A', '-n', '--bogus', '-o').given).toEqual([
      ['add-service', null],
      ['numeric', null],
    ])
  })

  it('names an option by the last word read for it', () => {
    const words = (...argv: string[]) => readWords(argv).given.map(({ word }) => word)
    expect(words('-LnZ')).toEqual(['-LnZ', '-LnZ', '-LnZ'])
    expect(words('--start-daemon', 'master')).toEqual(['master'])
    expect(words('--start-daemon=master')).toEqual(['--start-daemon=master'])
  })
})
