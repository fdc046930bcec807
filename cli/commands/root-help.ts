/** `uipvs --help`: every command on a line of its own, all of it on one screen of 24 lines by 80 columns. */

import type { Command } from 'commander'

/** The help of the program that has the commands; theirs is commander's. */
export function rootHelp(program: Command): string {
  const commands = commandsOf(program)
  const width = Math.max(...commands.map((command) => command.name().length))
  return [
    `Usage: ${program.name()} COMMAND [options]`,
    '',
    program.description(),
    '',
    ...commands.map((command) => `  ${command.name().padEnd(width)}  ${summaryOf(command)}`),
    '',
    `  -V, --version   -h, --help   ${program.name()} COMMAND --help says more of each`,
    '',
  ].join('\n')
}

/** The program's commands, without the one that prints this. */
export const commandsOf = (program: Command): Command[] =>
  program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== 'help')

/** The command's summary, or else its description up to the first colon, semicolon or comma. */
export const summaryOf = (command: Command): string =>
  command.summary() || (command.description().split(/[:;,] /, 1)[0] as string)
