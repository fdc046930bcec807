/** `uipvs completion`: what a shell needs to complete our programs' command lines. */

import { Argument, Command } from 'commander'
import { bashCompletion } from '../completion/bash.ts'
import { fishCompletion } from '../completion/fish.ts'
import { grammarsOf, type ProgramGrammar } from '../completion/program-grammar.ts'
import { zshCompletion } from '../completion/zsh.ts'

/** The command; it completes the program that it is added to, and uipvsadm. */
export const completionCommand = ({
  stdout,
}: {
  readonly stdout: { write(text: string): unknown }
}): Command =>
  new Command('completion')
    .description('print a completion script: source <(uipvs completion bash)')
    .addArgument(new Argument('<shell>', 'whose').choices(Object.keys(SHELLS)))
    .action((shell: keyof typeof SHELLS, _options: unknown, command: Command) => {
      stdout.write(SHELLS[shell](grammarsOf(command.parent as Command)))
    })

const SHELLS = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
} as const satisfies Record<string, (programs: readonly ProgramGrammar[]) => string>
