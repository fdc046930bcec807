/** A network namespace that lasts as long as one command: probes change the kernel there and nowhere else. */

import { CommandError, type CommandOptions, runCommand } from '../host/command.ts'

/** As root; and for everybody else as root of a user namespace, which tells what the kernel can do. */
const NAMESPACES = [['--net'], ['--map-root-user', '--net']] as const

/**
 * Runs a program in a network namespace of its own and gives its standard output.
 * @throws {CommandError} when the program fails, or when no such namespace is allowed
 */
export async function runInScratch(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  let refusal: CommandError | null = null
  for (const flags of NAMESPACES) {
    try {
      return await runCommand('unshare', [...flags, '--', program, ...args], options)
    } catch (error) {
      if (!(error instanceof CommandError) || !/^unshare: unshare failed/m.test(error.stderr)) throw error
      refusal = error
    }
  }
  throw refusal
}
