/** Scripts that nobody would write by hand: every option with every command, every odd text for every argument. */

import { type Line, type Script, wordsOf } from './script.ts'

export const generatedScripts = (): Script[] => [
  ...COMMAND_LINES.map(everyOptionWith),
  pairsOfListOptions(),
  ...Object.keys(NUMERIC).map((option) => oddNumbersFor(option as NumericOption)),
  oddAddressesForServices(),
  oddAddressesForServers(),
  endsOfLines(),
]

/** What most of these scripts begin with. */
const TABLE = ['-A -t 10.0.0.1:80 -s rr', '-a -t 10.0.0.1:80 -r 192.168.1.1 -m -w 3'] as const

/** Each command as it is legal on that table. */
const COMMAND_LINES = [
  '-A -t 10.0.0.1:81',
  '-E -t 10.0.0.1:80',
  '-D -t 10.0.0.1:80',
  '-a -t 10.0.0.1:80 -r 192.168.1.2',
  '-e -t 10.0.0.1:80 -r 192.168.1.1',
  '-d -t 10.0.0.1:80 -r 192.168.1.1',
  '-C',
  '-L',
  '-Z',
  '-S',
  '--set 900 120 300',
  '--stop-daemon master',
] as const

/** Every option of ipvsadm 1.31, with an argument where it takes one. */
const EVERY_OPTION = [
  ...['--tcp-service 10.0.0.1:80', '--udp-service 10.0.0.1:53', '--sctp-service 10.0.0.1:80'],
  ...[
    '--fwmark-service 5',
    '--ipv6',
    '--scheduler rr',
    '--persistent 300',
    '--netmask 255.255.255.0',
    '--ops',
  ],
  ...[
    '--pe sip',
    '--sched-flags flag-1',
    '--real-server 192.168.1.1',
    '--gatewaying',
    '--ipip',
    '--masquerading',
  ],
  ...[
    '--weight 2',
    '--u-threshold 9',
    '--l-threshold 3',
    '--tun-type gre',
    '--tun-port 6080',
    '--tun-nocsum',
  ],
  ...[
    '--tun-csum',
    '--tun-remcsum',
    '--numeric',
    '--connection',
    '--timeout',
    '--daemon',
    '--stats',
    '--rate',
  ],
  ...['--thresholds', '--persistent-conn', '--nosort', '--sort', '--tun-info', '--exact', '--syncid 5'],
  ...[
    '--mcast-interface lo',
    '--mcast-group 224.0.0.81',
    '--mcast-port 8848',
    '--mcast-ttl 1',
    '--sync-maxlen 1000',
  ],
] as const

function everyOptionWith(command: string): Script {
  const withOptions = EVERY_OPTION.map((option) => `${command} ${option}`)
  return scriptOf(`every option with ${command}`, [...TABLE, ...withOptions, '-Ln'])
}

/** Options of a listing that may be combined with each other, or may not. */
const LIST_OPTIONS = [
  '-c',
  '--timeout',
  '--daemon',
  '--stats',
  '--rate',
  '--thresholds',
  '--persistent-conn',
  '--tun-info',
  '--exact',
  '--nosort',
  '--sort',
  '-t 10.0.0.1:80',
  '-f 5',
  '--syncid 3',
] as const

function pairsOfListOptions(): Script {
  const pairs = LIST_OPTIONS.flatMap((first, index) =>
    LIST_OPTIONS.slice(index).map((second) => `-Ln ${first} ${second}`),
  )
  return scriptOf('every pair of options of a listing', [...TABLE, ...pairs])
}

/** Texts for a number, a line for each kind of oddity. */
const NUMBERS = wordsOf(`
  '' 0 1 -1 +1 ' 1' '1 ' 01 0x10 1e3 1.5 abc 1abc - --
  255 256 65507 65508 65535 65536
  2147483647 2147483648 4294967295 4294967296 -2147483648
  9223372036854775807 9223372036854775808 99999999999999999999 -99999999999999999999
`)

/** Where a number is asked for: the command that it is put behind. */
const NUMERIC = {
  weight: '-e -t 10.0.0.1:80 -r 192.168.1.1 -m',
  'u-threshold': '-e -t 10.0.0.1:80 -r 192.168.1.1 -m',
  'l-threshold': '-e -t 10.0.0.1:80 -r 192.168.1.1 -m -x 2147483647',
  'tun-port': '-e -t 10.0.0.1:80 -r 192.168.1.1 -i --tun-type gue',
  'fwmark-service': '-D',
  syncid: '--stop-daemon master',
  persistent: '-E -t 10.0.0.1:80',
} as const

type NumericOption = keyof typeof NUMERIC

function oddNumbersFor(option: NumericOption): Script {
  const numbered = NUMBERS.map((text) => [...wordsOf(NUMERIC[option]), `--${option}`, text])
  const attached = ['', '7', '-7', '=7'].map((text) => [...wordsOf(NUMERIC[option]), `--${option}=${text}`])
  const listings = ['-Ln --thresholds', '-Ln --tun-info', '-Sn']
  return scriptOf(`odd numbers for --${option}`, [...TABLE, ...numbered, ...attached, ...listings])
}

/** Texts for an address with or without a port, a line for each kind of oddity. */
const ENDPOINTS = [
  ...wordsOf(`
    '' 80 : :80 10.0.0.1: 10.0.0.1:0 10.0.0.1:65535 10.0.0.1:65536 10.0.0.1:-1 10.0.0.1:+5
    '10.0.0.1: 6' '10.0.0.1:7 ' ' 10.0.0.1:22' '10.0.0.1 :23' 10.0.0.1:0x10 10.0.0.1:010 10.0.0.1:80:81
    10.1:11 10:12 0x0a000001:13 012.0.0.1:14 10.0.1:15 167772161:16 255.255.255.255:44 0:45 0.0.0.0:46
    10.0.0.256:17 10.0.0:18 1.2.3.4.5:19 10.0.0.1.:20 .10.0.0.1:21 10.0.0.1x:24 10.0.0.1/24:41 -1:42
    [10.0.0.1]:25 [10.0.0.1] fd00::1 [fd00::1] [fd00::1]: [fd00::1]:26 [fd00::1]:0 [fd00::1]:65536
    [fd00::1]27 [fd00::1:28 fd00::1]:29 []:30 [:30 [fd00::g]:31 [fd00:0:0:0:0:0:0:1]:32
    [fd00:0:0:0:0:0:0:0:1]:33 [::ffff:10.0.0.1]:34 ::ffff:10.0.0.1 [::]:35 :: [FD00::1]:37
    [fd00::1]:http 10.0.0.1:http 10.0.0.1:https 10.0.0.1:nosuch localhost:38 localhost nosuch.example:39
    /etc/hosts:40 10.0.0.1:99999999999999999999
  `),
  'a'.repeat(300),
  `${'a'.repeat(60)}:43`,
]

function oddAddressesForServices(): Script {
  const adding = ENDPOINTS.map((text) => ['-A', '-p', '60', '-t', text])
  return scriptOf('odd addresses for services', [...adding, '-Ln', '-Sn'])
}

function oddAddressesForServers(): Script {
  const services = ['10.0.0.1:80', '[fd00::1]:80']
  const adding = services.flatMap((service) =>
    ENDPOINTS.map((text) => ['-a', '-t', service, '-m', '-r', text]),
  )
  const made = services.map((service) => `-A -t ${service}`)
  return scriptOf('odd addresses for servers', [...made, ...adding, '-Ln', '-Sn'])
}

/** What {@link parseScript} cannot say. */
function endsOfLines(): Script {
  const restored = [
    '-A -t 10.0.0.1:1',
    '-A -t 10.0.0.1:2\r\n-A -t 10.0.0.1:3\r\n',
    '\n\n-A -t 10.0.0.1:4\n\n',
    '-A -t 10.0.0.1:5\f-s\vrr\n',
    `-A -t 10.0.0.1:6${' '.repeat(300)}-s rr\n`,
  ]
  return {
    name: 'restore: ends of lines',
    lines: [...restored.map((stdin) => ({ argv: ['-R'], stdin })), lineOf('-Ln')],
  }
}

const scriptOf = (name: string, lines: readonly (string | readonly string[])[]): Script => ({
  name,
  lines: lines.map(lineOf),
})

const lineOf = (words: string | readonly string[]): Line => ({
  argv: typeof words === 'string' ? wordsOf(words) : words,
})
