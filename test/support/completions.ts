/** What the shells themselves offer for a line, given a completion script. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const LIMIT_MS = 10_000

/** Why the program cannot be asked here, or null. */
export const shellObstacle = (program: 'zsh' | 'fish' | 'mandoc'): string | null =>
  spawnSync(program, ['--version']).error === undefined ? null : `${program} is not installed`

/** The words that bash offers for the last of `words`. */
export function bashOffers(scriptPath: string, words: readonly string[]): string[] {
  const program = `
    source "$1"; shift
    COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
    spec=$(complete -p "$1"); function_=\${spec#*-F }; \${function_%% *}
    printf '%s\\n' "\${COMPREPLY[@]}"
  `
  return linesOf(outputOf('bash', ['--norc', '-c', program, 'bash', scriptPath, ...words]))
}

/** The words that fish offers at the end of the line. */
export const fishOffers = (scriptPath: string, line: string): string[] =>
  linesOf(
    outputOf('fish', ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', scriptPath, line]),
  ).map((each) => each.split('\t')[0] as string)

/** The line that zsh makes of it when Tab is pressed once. */
export function zshCompletes(scriptPath: string, line: string): string {
  const driver = fileURLToPath(new URL('./complete.zsh', import.meta.url))
  const output = outputOf('zsh', ['-f', driver, scriptPath, line])
  const shown = /\[LINE:(.*):END\]/.exec(output)?.[1]
  if (shown === undefined) throw new Error(`zsh said ${JSON.stringify(output)}`)
  return shown
}

/** Standard output of a program that must end well and complain about nothing. */
export function outputOf(program: string, argv: readonly string[]): string {
  const { stdout, stderr, status, error } = spawnSync(program, argv, { encoding: 'utf8', timeout: LIMIT_MS })
  if (error !== undefined) throw error
  if (status !== 0 || stderr !== '') throw new Error(`${program} ended with ${status}: ${stderr}`)
  return stdout
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '')

/** What mandoc finds wrong with a manual page, but for the date that ours do not bear. */
export function mandocFindings(path: string): string[] {
  const { stdout, error } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', path], { encoding: 'utf8' })
  if (error !== undefined) throw error
  return linesOf(stdout).filter((line) => !line.includes('missing date'))
}
