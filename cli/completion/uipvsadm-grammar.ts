/** The command line of uipvsadm in the form of all programs: its commands are what the first word must be. */

import { ENGINES } from '../../lib/persistence/index.ts'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import {
  COMMANDS,
  type Command,
  type CommandName,
  type LongOption,
  OPTIONS,
  type Option,
  type Spelling,
} from '../grammar.ts'
import { SCHEDULER_FLAG_WORDS } from '../sched-flags.ts'
import type { Flag, Mode, ProgramGrammar, Value } from './program-grammar.ts'

export const uipvsadmGrammar = (): ProgramGrammar => ({
  name: 'uipvsadm',
  summary: "ipvsadm's command line for a running uipvs",
  modes: COMMANDS.map(modeOf),
  options: [],
})

const modeOf = ({ name, long, shorts = [], argument, help }: Command): Mode => ({
  names: [...shorts.map((short) => `-${short}`), `--${long}`],
  help,
  words: argument === undefined ? [] : [namedValue(argument)],
  options: OPTIONS.filter((option) => isUseful(option, name)).flatMap(({ spellings }) =>
    spellings.map(flagOf),
  ),
})

/** Whether the option does anything with the command: what may stand anywhere still has its place. */
function isUseful({ name, needs, takes, oneOf }: Option, command: CommandName): boolean {
  if (name === 'ipv6') return isUseful(SERVICE_ADDRESS, command)
  if (name === 'sort') return command === 'list'
  return [needs, takes, oneOf].some((commands) => commands?.includes(command))
}

const SERVICE_ADDRESS = OPTIONS.find(({ name }) => name === 'service-address') as Option

const flagOf = ({ long, short, argument, argumentOptional, help }: Spelling): Flag => ({
  names: short === undefined ? [`--${long}`] : [`-${short}`, `--${long}`],
  help,
  value:
    argument === undefined
      ? null
      : {
          ...namedValue(argument),
          isOptional: argumentOptional === true,
          choices: CHOICES[long as LongOption] ?? namedValue(argument).choices,
        },
})

/** The grammar writes short lists of alternatives in place of a name. */
const namedValue = (argument: string): Value => ({
  name: argument,
  isOptional: false,
  choices: argument.includes('|') ? argument.split('|') : [],
  isPath: false,
})

/** Longer lists, by the option whose argument they are. */
const CHOICES: Partial<Record<LongOption, readonly string[]>> = {
  scheduler: [...Object.keys(SCHEDULERS), 'none'],
  pe: Object.keys(ENGINES),
  'sched-flags': SCHEDULER_FLAG_WORDS,
}
