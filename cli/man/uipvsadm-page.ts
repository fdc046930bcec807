/** uipvsadm(8): what is typed comes from the grammar, and what it means there is more to say about from here. */

import {
  COMMANDS,
  type Command,
  type CommandName,
  type LongOption,
  OPTIONS,
  type Option,
  type Spelling,
} from '../grammar.ts'
import type { Block, Page, Section } from './roff.ts'

export const uipvsadmPage = (): Page => ({
  name: 'uipvsadm',
  summary: 'administration of the virtual services of uipvs, on the command line of ipvsadm',
  sections: [
    { title: 'SYNOPSIS', blocks: [{ lines: COMMANDS.map(usageOf) }] },
    DESCRIPTION,
    { title: 'COMMANDS', blocks: ['The first option must be one of these.', ...COMMANDS.map(commandBlock)] },
    { title: 'OPTIONS', blocks: OPTIONS.flatMap(optionBlocks) },
    ...CLOSING,
  ],
})

const usageOf = ({ long, shorts, argument, usage }: Command): string => {
  const command = shorts === undefined ? `--${long}` : `-${shorts.join('|')}`
  return [`\`uipvsadm ${command}\``, argument, usage].filter((part) => part !== undefined).join(' ')
}

const commandBlock = ({ long, shorts = [], argument, help }: Command): Block => ({
  term:
    [...shorts.map((short) => `\`-${short}\``), `\`--${long}\``].join(', ') +
    (argument === undefined ? '' : ` ${argument}`),
  text: sentence(help),
})

const optionBlocks = (option: Option): Block[] =>
  option.spellings.map((spelling) => ({
    term: termOf(spelling),
    text: [
      sentence(spelling.help),
      MORE[spelling.long as LongOption],
      placeOf(option),
      option.extension ? 'This is not an option of ipvsadm.' : undefined,
    ]
      .filter((part) => part !== undefined)
      .join(' '),
  }))

function termOf({ short, long, argument, argumentOptional }: Spelling): string {
  const names = short === undefined ? `\`--${long}\`` : `\`-${short}\`, \`--${long}\``
  if (argument === undefined) return names
  return `${names} ${argumentOptional ? `[<${argument}>]` : `<${argument}>`}`
}

/** The commands that the option goes with. */
function placeOf({ needs = [], takes = [], oneOf = [], unchecked }: Option): string | undefined {
  if (unchecked) return undefined
  const optional = [...takes, ...oneOf]
  const parts = [
    needs.length === 0 ? '' : `Needed by ${lettersOf(needs)}`,
    optional.length === 0 ? '' : `${needs.length === 0 ? 'Goes' : 'goes'} with ${lettersOf(optional)}`,
  ]
  return `${parts.filter((part) => part !== '').join('; ')}.`
}

const lettersOf = (names: readonly CommandName[]): string =>
  (COMMANDS as readonly Command[])
    .filter(({ name }) => names.includes(name))
    .map(({ shorts, long }) => (shorts === undefined ? `\`--${long}\`` : `\`-${shorts[0]}\``))
    .join(', ')

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** What a line of help has no room for. */
const MORE: Partial<Record<LongOption, string>> = {
  'tcp-service':
    'The address is numeric or a name, IPv6 in brackets before a port; the port is a number or a service’s name.',
  'fwmark-service': 'With `-6` after it, that of IPv6 packets; both may be there with one mark.',
  scheduler: 'One of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos and none.',
  persistent: 'From 1 to 2678400 seconds after its last new connection.',
  netmask: 'An IPv4 mask as dotted quad, or the bits of an IPv6 prefix, which must come after the service.',
  'real-server': 'One that is not masqueraded has it always.',
  weight: 'From 0 to 2147483647.',
  'u-threshold': '0, the default, is none.',
  'l-threshold': '0, the default, is none; above the upper threshold it is refused.',
  'tun-port': 'Needed by gue.',
  exact: 'Otherwise they end with K, M, G or T.',
  connection: 'They come in the order of their age.',
  'tot-stats': 'The two lines are those of the kernel’s ip_vs_stats, in decimal.',
  json: 'See JSON below.',
}

const DESCRIPTION: Section = {
  title: 'DESCRIPTION',
  blocks: [
    '`uipvsadm` does for a running `uipvs` what `ipvsadm` 1.31 does for the kernel’s IPVS: the same commands, options, listings, messages and exit statuses. Scripts, saved commands and tools that run `ipvsadm` can run it in its place.',
    'Short options may be written as one word (`-Ln`), the last of them with its argument; long ones take theirs as the next word or behind an equals sign. Without arguments, it lists.',
  ],
}

const CLOSING: readonly Section[] = [
  {
    title: 'JSON',
    blocks: [
      'With `--json`, a listing is one JSON text in the shapes of the control API, always in numbers:',
      {
        term: '`-L --json`',
        text: 'An object whose member services has them all, with servers, counters and rates, sorted as listings are unless `--nosort` is given.',
      },
      { term: '`-L` <virtual-service> `--json`', text: 'The one service.' },
      { term: '`-L -c --json`', text: 'An object whose member connections has them all.' },
      { term: '`-L --timeout --json`', text: 'The three timeouts: tcp, tcpFin and udp, in seconds.' },
      { term: '`-L --tot-stats --json`', text: 'The counters and rates of everything together.' },
      { term: '`-L --daemon --json`', text: 'An object whose member daemons is empty.' },
    ],
  },
  {
    title: 'EXIT STATUS',
    blocks: [
      { term: '`0`', text: 'Done.' },
      { term: '`1`', text: 'A listing failed.' },
      { term: '`2`', text: 'The command line is at fault, or no daemon is running.' },
      { term: '`255`', text: 'The daemon refused, or the command line cannot be read.' },
    ],
  },
  {
    title: 'DIFFERENCES FROM IPVSADM',
    blocks: [
      'Firewall marks from 2147483648 up are printed as they are given, and services are sorted by unsigned value. Saved commands have thresholds where there are any, and every scheduler flag. There are no sync daemons yet. `--json` and `--tot-stats` are new.',
    ],
  },
  {
    title: 'ENVIRONMENT',
    blocks: [{ term: '`UIPVS_SOCKET`', text: 'The control socket of the daemon.' }],
  },
  {
    title: 'FILES',
    blocks: [
      { term: '`/run/uipvs/control.sock`', text: 'The control socket, unless `UIPVS_SOCKET` names another.' },
    ],
  },
  {
    title: 'EXAMPLES',
    blocks: [
      'A web service of two real servers, the second of which gets twice as much:',
      {
        lines: [
          'uipvsadm -A -t 203.0.113.80:80 -s wrr',
          'uipvsadm -a -t 203.0.113.80:80 -r 192.168.1.1:80 -m',
          'uipvsadm -a -t 203.0.113.80:80 -r 192.168.1.2:80 -m -w 2',
        ],
      },
      'The real servers that get nothing new, for a script:',
      { lines: ["uipvsadm -L --json | jq -r '.services[].destinations[] | select(.weight == 0).address'"] },
    ],
  },
  {
    title: 'SEE ALSO',
    blocks: ['`uipvs`(8), `uipvsadm-save`(8), `uipvsadm-restore`(8), `ipvsadm`(8)'],
  },
]
