/** Completion for fish(1): one `complete` a word. */

import type { Flag, Mode, ProgramGrammar, Value } from './program-grammar.ts'

/** The script, to be sourced or put into fish's completions. */
export const fishCompletion = (programs: readonly ProgramGrammar[]): string =>
  `# fish completion for ${programs.map(({ name }) => name).join(', ')}

# Whether the command is one of these; the first option of a cluster is the command.
function __uipvs_mode
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return 1
    contains -- (string replace -r -- '^(-[^-]).+' '$1' $words[2]) $argv
end

${programs.map(completionOf).join('\n')}`

function completionOf({ name, modes, options }: ProgramGrammar): string {
  const complete = `complete -c ${name}`
  const first = `${complete} -n 'test (count (commandline -opc)) -eq 1'`
  return [
    `${complete} -f`,
    ...modes.map(({ names, help }) => `${first} ${namesOf(names)} -d ${quote(help)}`),
    ...options.map((flag) => `${modes.length === 0 ? complete : first} ${flagOf(flag)}`),
    ...modes.flatMap((mode) =>
      wordsOf(mode, `${complete} -n ${quote(`__uipvs_mode ${mode.names.join(' ')}`)}`),
    ),
    '',
  ].join('\n')
}

const wordsOf = ({ words, options }: Mode, complete: string): string[] => [
  ...words
    .filter(({ choices, isPath }) => choices.length > 0 || isPath)
    .map(({ choices, isPath }) => `${complete} ${isPath ? '-F' : `-a ${quote(choices.join(' '))}`}`),
  ...options.map((flag) => `${complete} ${flagOf(flag)}`),
]

const flagOf = ({ names, help, value }: Flag): string =>
  [namesOf(names), value === null ? '' : argumentOf(value), `-d ${quote(help)}`]
    .filter((part) => part !== '')
    .join(' ')

/** Files, a choice, or a word that only the operator knows; one that may be missing asks for nothing. */
function argumentOf({ isOptional, choices, isPath }: Value): string {
  if (isPath) return '-r -F'
  const offered = choices.length === 0 ? '' : `-a ${quote(choices.join(' '))}`
  return isOptional ? offered : `-x ${offered}`.trimEnd()
}

const namesOf = (names: readonly string[]): string =>
  names
    .map((name) => {
      if (name.startsWith('--')) return `-l ${name.slice(2)}`
      return name.startsWith('-') ? `-s ${name.slice(1)}` : `-a ${name}`
    })
    .join(' ')

const quote = (text: string): string => `'${text.replace(/['\\]/g, '\\$&')}'`
