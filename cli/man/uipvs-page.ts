/** uipvs(8): its commands are described by themselves. */

import type { Command, Option } from 'commander'
import { commandsOf } from '../commands/root-help.ts'
import type { Block, Page } from './roff.ts'

export const uipvsPage = (program: Command): Page => ({
  name: program.name(),
  summary: 'the Linux Virtual Server’s layer-4 load balancer in userspace',
  sections: [
    {
      title: 'SYNOPSIS',
      blocks: [
        {
          lines: commandsOf(program).map((command) =>
            `\`${program.name()} ${command.name()}\` ${usageOf(command)}`.trimEnd(),
          ),
        },
      ],
    },
    {
      title: 'DESCRIPTION',
      blocks: [
        '`uipvs` balances TCP, UDP and SCTP connections over real servers as the kernel’s IPVS does, where there is no ip_vs module: packets come to it by netfilter queues. Virtual services are administered with `uipvsadm`, on the command line of ipvsadm.',
        'Whatever it changes on the host, which is rules, routes and settings, it takes back when it ends; what a daemon that was killed has left behind, the next one to start repairs.',
      ],
    },
    { title: 'COMMANDS', blocks: commandsOf(program).flatMap(blocksOf) },
    {
      title: 'EXIT STATUS',
      blocks: [
        { term: '`0`', text: 'Done.' },
        { term: '`1`', text: 'It failed, or something is missing.' },
        { term: '`2`', text: 'The command line or the configuration is at fault, or no daemon is running.' },
      ],
    },
    {
      title: 'ENVIRONMENT',
      blocks: [{ term: '`UIPVS_SOCKET`', text: 'The control socket, where `--socket` does not name one.' }],
    },
    {
      title: 'FILES',
      blocks: [
        {
          term: '`/run/uipvs/control.sock`',
          text: 'The control socket: HTTP with JSON, for the same user and root. Beside it lies the journal of what is to be taken back.',
        },
      ],
    },
    { title: 'SEE ALSO', blocks: ['`uipvsadm`(8), `uipvsadm-save`(8), `uipvsadm-restore`(8)'] },
  ],
})

const usageOf = (command: Command): string =>
  [
    ...optionsOf(command).map(({ flags }) => `[${flagsOf(flags)}]`),
    ...command.registeredArguments.map((argument) =>
      argument.required ? `<${argument.name()}>` : `[<${argument.name()}>]`,
    ),
  ].join(' ')

const blocksOf = (command: Command): Block[] => [
  {
    heading: [
      `\`${command.name()}\``,
      ...command.registeredArguments.map((argument) => `<${argument.name()}>`),
    ].join(' '),
  },
  [sentence(command.description()), ...command.registeredArguments.map(choicesOf)]
    .filter((part) => part !== '')
    .join(' '),
  ...optionsOf(command).map((option) => ({
    term: flagsOf(option.flags),
    text: sentence(`${option.description}${defaultOf(option)}`),
  })),
]

const choicesOf = (argument: Command['registeredArguments'][number]): string =>
  argument.argChoices === undefined
    ? ''
    : `The ${argument.name()} is one of: ${argument.argChoices.join(', ')}.`

/** Every command has `--help`, which goes without saying. */
const optionsOf = (command: Command): Option[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help')

const defaultOf = ({ defaultValue }: Option): string =>
  defaultValue === undefined || typeof defaultValue === 'boolean' ? '' : `; ${defaultValue} unless given`

/** `-c, --config <file>`, the names as what is typed. */
const flagsOf = (flags: string): string => flags.replace(/--?[\w-]+/g, '`$&`')

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
