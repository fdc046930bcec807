/** Command lines of uipvsadm: mostly plausible ones, with a good deal of nonsense among them. */

import * as fc from 'fast-check'
import { COMMANDS, OPTIONS, type Spelling } from '../../cli/grammar.ts'

const spellings: readonly Spelling[] = OPTIONS.flatMap((option): readonly Spelling[] => option.spellings)

const command = fc.constantFrom(
  ...COMMANDS.flatMap((row) => [
    `--${row.long}`,
    ...('shorts' in row ? row.shorts.map((each) => `-${each}`) : []),
  ]),
)

/** Arguments that some option accepts, and words that none does. */
const argument = fc.oneof(
  fc.constantFrom('10.0.0.1:80', '10.1', '[fd00::1]:80', 'fd00::2', 'localhost:http', '[10.0.0.9]:80'),
  fc.constantFrom('0', '1', '-1', '300', '65536', '4294967295', '99999999999999999999', ' 5', '+5', '5x', ''),
  fc.constantFrom('rr', 'sh', 'mh', 'sh-port', 'flag-1,flag-3', 'gue', 'ipip', 'master', 'backup', 'ff02::1'),
  fc.string({ maxLength: 12 }),
)

const option = fc
  .record({ spelling: fc.constantFrom(...spellings), argument, joined: fc.boolean(), long: fc.boolean() })
  .map(({ spelling: { short, long: name, argument: takes }, argument, joined, long }) => {
    const isLong = long || short === undefined
    const word = isLong ? `--${name}` : `-${short}`
    if (takes === undefined) return [word]
    return joined ? [`${word}${isLong ? '=' : ''}${argument}`] : [word, argument]
  })

const noise = fc.oneof(argument, fc.constantFrom('--', '-', '--bogus', '-LnZ', '-6n', '-n=3', 'ipvsadm', '#'))

/** A command with some of the options there are, and now and then a word that belongs nowhere. */
export const plausibleArgv: fc.Arbitrary<string[]> = fc
  .tuple(
    command,
    fc.array(
      fc.oneof({ weight: 6, arbitrary: option }, { weight: 1, arbitrary: noise.map((word) => [word]) }),
      {
        maxLength: 6,
      },
    ),
  )
  .map(([first, rest]) => [first, ...rest.flat()])

/** Any words at all. */
export const arbitraryArgv: fc.Arbitrary<string[]> = fc.array(
  fc.oneof(fc.string(), noise, command, fc.string({ unit: 'binary' })),
  { maxLength: 8 },
)
