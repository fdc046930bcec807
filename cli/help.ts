/** The help text, read off the grammar, and the version. */

import { COMMANDS, type Command, OPTIONS, type Option, type Spelling } from './grammar.ts'

/** ipvsadm's own line first, for scripts that look at it; then who is really answering. */
export const VERSION_TEXT =
  'ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n' +
  'This is uipvsadm: the same command line for uipvs, IPVS in userspace.\n'

export function helpText(): string {
  const commands: readonly Command[] = COMMANDS
  const services = OPTIONS.filter(({ name }) => name === 'service-address')
  const rest = OPTIONS.filter(({ name }) => name !== 'service-address')
  return [
    VERSION_TEXT.trimEnd(),
    'Usage:',
    ...commands.map(usageOf),
    '',
    'Commands, of which the first option must be one:',
    ...commands.map((command) => entry(nameOf(command), command.help)),
    '',
    'virtual-service, one of:',
    ...services.flatMap(spellingsOf),
    '',
    'Options:',
    ...rest.flatMap(spellingsOf),
    '',
  ].join('\n')
}

const usageOf = ({ long, shorts, argument, usage }: Command): string =>
  ['  uipvsadm', shorts === undefined ? `--${long}` : `-${shorts.join('|-')}`, argument, usage]
    .filter((part) => part !== undefined)
    .join(' ')

const nameOf = ({ long, shorts = [], argument }: Command): string =>
  [...shorts.map((short) => `-${short}`), `--${long}`].join(', ') +
  (argument === undefined ? '' : ` ${argument}`)

const spellingsOf = (option: Option): string[] =>
  option.spellings.map((spelling) =>
    entry(spellingOf(spelling), option.extension ? `${spelling.help} (uipvsadm only)` : spelling.help),
  )

function spellingOf({ long, short, argument, argumentOptional }: Spelling): string {
  const names = short === undefined ? `    --${long}` : `-${short}, --${long}`
  if (argument === undefined) return names
  return `${names} ${argumentOptional ? `[${argument}]` : argument}`
}

const entry = (name: string, help: string): string => `  ${name.padEnd(36)} ${help}`
