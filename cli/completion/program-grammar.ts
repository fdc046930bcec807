/** The command lines of our programs in one form, from which completion and manual pages are made. */

import type { Command } from 'commander'
import { commandsOf, summaryOf } from '../commands/root-help.ts'
import { uipvsadmGrammar } from './uipvsadm-grammar.ts'

export interface ProgramGrammar {
  readonly name: string
  readonly summary: string
  /** What the first word must be one of; of a program without, only the options count. */
  readonly modes: readonly Mode[]
  readonly options: readonly Flag[]
}

/** What a program is told to do: a command of ours, or an option of ipvsadm's that comes first. */
export interface Mode {
  readonly names: readonly string[]
  readonly help: string
  readonly words: readonly Value[]
  readonly options: readonly Flag[]
}

export interface Flag {
  /** `-t`, `--tcp-service`. */
  readonly names: readonly string[]
  readonly help: string
  readonly value: Value | null
}

/** A word that is not an option. */
export interface Value {
  readonly name: string
  readonly isOptional: boolean
  /** All that it may be, as far as that can be listed. */
  readonly choices: readonly string[]
  readonly isPath: boolean
}

/** Of every program that the package installs; `uipvs` is handed in, because it is made elsewhere. */
export const grammarsOf = (uipvs: Command): readonly ProgramGrammar[] => [
  uipvsGrammar(uipvs),
  uipvsadmGrammar(),
  ...WRAPPERS,
]

function uipvsGrammar(program: Command): ProgramGrammar {
  return {
    name: program.name(),
    summary: program.description(),
    modes: commandsOf(program).map((command) => ({
      names: [command.name()],
      help: summaryOf(command),
      words: command.registeredArguments.map((word) =>
        namedValue(word.name(), { isOptional: !word.required, choices: word.argChoices }),
      ),
      options: flagsOf(command),
    })),
    options: flagsOf(program),
  }
}

const flagsOf = (command: Command): Flag[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .map(({ short, long, flags, description, optional, argChoices }) => {
      const valueName = /[<[](.+)[>\]]/.exec(flags)?.[1]
      return {
        names: [short, long].filter((name) => name !== undefined),
        help: description,
        value:
          valueName === undefined
            ? null
            : namedValue(valueName, { isOptional: optional, choices: argChoices }),
      }
    })

/** What cannot be listed, and is called a file or path, is one. */
const namedValue = (
  name: string,
  { isOptional, choices = [] }: { isOptional: boolean; choices?: readonly string[] | undefined },
): Value => ({ name, isOptional, choices, isPath: choices.length === 0 && /file|path/i.test(name) })

const NUMERIC: Flag = { names: ['-n'], help: 'addresses and ports as numbers', value: null }

const WRAPPERS: readonly ProgramGrammar[] = [
  {
    name: 'uipvsadm-save',
    summary: 'print the virtual services as commands that restore them',
    modes: [],
    options: [NUMERIC],
  },
  {
    name: 'uipvsadm-restore',
    summary: 'replace the virtual services by those of saved commands',
    modes: [],
    options: [{ ...NUMERIC, help: 'changes nothing' }],
  },
]
