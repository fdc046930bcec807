/** Completion for bash(1): a function a program. */

import type { Flag, Mode, ProgramGrammar, Value } from './program-grammar.ts'

/** The script, to be sourced or put where bash-completion finds it. */
export const bashCompletion = (programs: readonly ProgramGrammar[]): string =>
  `# bash completion for ${programs.map(({ name }) => name).join(', ')}\n${programs.map(completionOf).join('')}`

function completionOf({ name, modes, options }: ProgramGrammar): string {
  const function_ = `_${name.replaceAll('-', '_')}`
  return `
${function_}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} mode=\${COMP_WORDS[1]} words=
  COMPREPLY=()
  # bash makes three words of --name=value, and the first option of a cluster is the command.
  if [[ $cur == '=' ]]; then cur=; elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  if [[ $mode == -[!-]* ]]; then mode=\${mode:0:2}; fi
  if (( COMP_CWORD == 1 )); then
    words=${quoted([...modes.flatMap(({ names }) => names), ...namesOf(options)])}
${modes.length === 0 ? `  else\n    words=${quoted(namesOf(options))}\n  fi` : `  else\n    case $mode in\n${modes.map(branchOf).join('')}    esac\n  fi`}
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F ${function_} ${name}
`
}

function branchOf({ names, words, options }: Mode): string {
  const cases = Array.from(
    offersOf(options),
    ([offer, flags]) => `          ${namesOf(flags).join('|')}) ${offer} ;;\n`,
  )
  const choices = words.flatMap((word) => word.choices)
  const paths = words.some(({ isPath }) => isPath) ? `[[ $cur != -* ]] && { ${PATHS}; }\n        ` : ''
  return `      ${names.join('|')})
${cases.length === 0 ? '' : `        case $prev in\n${cases.join('')}        esac\n`}        ${paths}words=${quoted([...choices, ...namesOf(options)])} ;;
`
}

/** What may follow an option, and the options that it may follow; one whose argument may be missing is none of them. */
function offersOf(options: readonly Flag[]): Map<string, Flag[]> {
  const offers = new Map<string, Flag[]>()
  for (const flag of options) {
    if (flag.value === null || (flag.value.isOptional && flag.value.choices.length === 0)) continue
    const offer = offerOf(flag.value)
    offers.set(offer, [...(offers.get(offer) ?? []), flag])
  }
  return offers
}

/** Choices, files, or a word that only the operator knows. */
function offerOf({ isPath, choices }: Value): string {
  if (isPath) return PATHS
  return choices.length === 0
    ? 'return'
    : `mapfile -t COMPREPLY < <(compgen -W ${quoted(choices)} -- "$cur"); return`
}

/** File names are to be quoted as such, which can be said only while bash is completing. */
const PATHS = 'compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return'

const namesOf = (options: readonly Flag[]): string[] => options.flatMap(({ names }) => names)

const quoted = (words: readonly string[]): string => `'${words.join(' ')}'`
