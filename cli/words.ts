/** The words of a command line, told apart as popt does: options with their arguments, and what is left over. */

import { COMMANDS, type Command, type LongOption, OPTIONS, type Option, type Spelling } from './grammar.ts'
import { badWord, type Refusal } from './messages.ts'

/** A command or option where it stood on the command line. */
export interface Given {
  readonly meaning:
    | { readonly kind: 'command'; readonly command: Command }
    | { readonly kind: 'option'; readonly option: Option; readonly long: LongOption }
  /** Null where none was given, which only an optional argument allows, and where none belongs. */
  readonly argument: string | null
  /** The last word read for it, by which messages name it: of `-LnZ`, the whole word for each of the three. */
  readonly word: string
}

export interface Words {
  readonly given: readonly Given[]
  /** Words that are no options, or follow `--`. */
  readonly rest: readonly string[]
  /** Where reading had to stop, after `given`. */
  readonly mistake: Refusal | null
}

interface Entry {
  readonly meaning: Given['meaning']
  readonly argument: 'none' | 'needed' | 'optional'
}

const LONG = new Map<string, Entry>()
const SHORT = new Map<string, Entry>()
for (const command of COMMANDS) {
  const entry: Entry = {
    meaning: { kind: 'command', command },
    argument: 'argument' in command ? 'needed' : 'none',
  }
  LONG.set(command.long, entry)
  if ('shorts' in command) for (const short of command.shorts) SHORT.set(short, entry)
}
for (const option of OPTIONS) {
  for (const spelling of option.spellings) {
    const { short, argument, argumentOptional }: Spelling = spelling
    const entry: Entry = {
      meaning: { kind: 'option', option, long: spelling.long },
      argument: argument === undefined ? 'none' : argumentOptional === true ? 'optional' : 'needed',
    }
    LONG.set(spelling.long, entry)
    if (short !== undefined) SHORT.set(short, entry)
  }
}

/**
 * Reads `argv` up to its end or the first mistake. Options and other words may be mixed. Long options are written
 * in full, `--name value` or `--name=value`; short ones may be clustered, and the last may have its argument in
 * the same word, with or without `=`.
 */
export function readWords(argv: readonly string[]): Words {
  const given: Given[] = []
  const rest: string[] = []
  let at = 0

  /** Notes an option, its argument from `attached` or else from the next word. Gives the flaw, if there is one. */
  const take = ({ meaning, argument }: Entry, attached: string | null): string | null => {
    let text = attached
    if (text === null && argument !== 'none' && at < argv.length) {
      const next = argv[at] as string
      if (argument === 'needed' || !next.startsWith('-')) {
        text = next
        at++
      }
    }
    if (text === null && argument === 'needed') return 'missing argument'
    given.push({ meaning, argument: text, word: argv[at - 1] as string })
    return null
  }

  const readLong = (word: string): string | null => {
    const equals = word.indexOf('=')
    const entry = LONG.get(equals === -1 ? word : word.slice(0, equals))
    if (entry === undefined) return 'unknown option'
    if (equals === -1) return take(entry, null)
    return entry.argument === 'none'
      ? 'option does not take an argument'
      : take(entry, word.slice(equals + 1))
  }

  const readCluster = (letters: string): string | null => {
    for (let index = 0; index < letters.length; index++) {
      const entry = SHORT.get(letters[index] as string)
      if (entry === undefined) return 'unknown option'
      if (entry.argument !== 'none') {
        const attached = letters.slice(index + 1)
        return take(entry, attached === '' ? null : attached.replace(/^=/, ''))
      }
      if (letters[index + 1] === '=') return 'option does not take an argument'
      take(entry, null)
    }
    return null
  }

  while (at < argv.length) {
    const word = argv[at++] as string
    if (word === '--') {
      rest.push(...argv.slice(at))
      break
    }
    if (!word.startsWith('-') || word === '-') {
      rest.push(word)
      continue
    }
    const flaw = word.startsWith('--') ? readLong(word.slice(2)) : readCluster(word.slice(1))
    if (flaw !== null) return { given, rest, mistake: badWord(argv[at - 1] as string, flaw) }
  }
  return { given, rest, mistake: null }
}
