/** Completion for zsh(1): one function for all programs, with a branch a program. */

import type { Flag, Mode, ProgramGrammar, Value } from './program-grammar.ts'

/** The script, to be put on the fpath as `_uipvs`, or sourced. */
export function zshCompletion(programs: readonly ProgramGrammar[]): string {
  const names = programs.map(({ name }) => name).join(' ')
  return `#compdef ${names}

_uipvs() {
  local -a modes
  local mode
  case $service in
${programs.map(branchOf).join('')}  esac
}

# On the fpath this file is the function itself; sourced, it only makes it known.
if [[ $funcstack[1] == _uipvs ]]; then _uipvs "$@"; else compdef _uipvs ${names}; fi
`
}

function branchOf({ name, modes, options }: ProgramGrammar): string {
  const own = `_arguments -s${specsOf(options)}`
  if (modes.length === 0) return `    ${name}) ${own} ;;\n`
  return `    ${name})
      if (( CURRENT == 2 )); then
        modes=(${modes.flatMap(modeWords).join('')}
        )
        _describe ${modes.some(({ names }) => names[0]?.startsWith('-')) ? '-o ' : ''}command modes
        ${options.length === 0 ? '' : `${own}\n        `}return
      fi
      mode=$words[2]
      # The first option of a cluster is the command.
      if [[ $mode == -[^-]?* ]]; then mode=$mode[1,2]; fi
      shift words
      (( CURRENT-- ))
      case $mode in
${modes.map(modeOf).join('')}      esac ;;
`
}

const modeWords = ({ names, help }: Mode): string[] =>
  names.map((name) => `\n          ${quote(`${name.replaceAll(':', '\\:')}:${help}`)}`)

const modeOf = ({ names, words, options }: Mode): string =>
  `        ${names.join('|')}) _arguments -s${specsOf(options)}${words.map(positionOf).join('')} ;;\n`

const specsOf = (options: readonly Flag[]): string =>
  options.map((flag) => ` \\\n          ${specOf(flag)}`).join('')

/** `'(-t --tcp-service)'{-t+,--tcp-service=}'[a TCP service]:address: '`. */
function specOf({ names, help, value }: Flag): string {
  const shapes = names.map((name) => {
    if (value === null) return name
    return name.startsWith('--') ? `${name}=` : `${name}+`
  })
  const text = quote(`[${help.replace(/[[\]\\]/g, '\\$&')}]${value === null ? '' : argumentOf(value)}`)
  return names.length === 1 ? `${shapes[0]}${text}` : `'(${names.join(' ')})'{${shapes.join(',')}}${text}`
}

const positionOf = (value: Value, index: number): string =>
  ` \\\n          ${quote(`${index + 1}${argumentOf(value)}`)}`

const argumentOf = ({ name, isOptional, choices, isPath }: Value): string =>
  `${isOptional ? '::' : ':'}${name.replaceAll(':', '\\:')}:${isPath ? '_files' : choices.length === 0 ? ' ' : `(${choices.join(' ')})`}`

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
