/**
 * The command line of ipvsadm 1.31 as data: its commands, its options, and which option goes with which command.
 * Parsing, the legality checks, every message that names an option or command, and the help text are read off
 * these tables, and so are completion and manual page. The order of OPTIONS and of its rows' uses is ipvsadm's
 * order of checking: the first fault found is the one reported.
 */

interface CommandRow {
  /** As messages call it. */
  readonly name: string
  readonly long: string
  readonly shorts?: readonly string[]
  /** A word that belongs to the command itself. */
  readonly argument?: string
  /** What follows in the usage line. */
  readonly usage?: string
  readonly help: string
}

export const COMMANDS = [
  {
    name: 'add-service',
    long: 'add-service',
    shorts: ['A'],
    usage: 'virtual-service [-s scheduler] [-b flags] [-p [seconds]] [-M netmask] [--pe engine] [-o]',
    help: 'add a virtual service',
  },
  {
    name: 'edit-service',
    long: 'edit-service',
    shorts: ['E'],
    usage: 'virtual-service [the options of -A]',
    help: 'replace all settings of a virtual service',
  },
  {
    name: 'delete-service',
    long: 'delete-service',
    shorts: ['D'],
    usage: 'virtual-service',
    help: 'delete a virtual service and its real servers',
  },
  { name: 'flush', long: 'clear', shorts: ['C'], help: 'delete every virtual service' },
  {
    name: 'restore',
    long: 'restore',
    shorts: ['R'],
    help: 'run the commands on standard input, one a line, as -S writes them',
  },
  {
    name: 'save',
    long: 'save',
    shorts: ['S'],
    usage: '[-n]',
    help: 'print the services as commands for -R; timeouts are not saved',
  },
  {
    name: 'add-server',
    long: 'add-server',
    shorts: ['a'],
    usage: 'virtual-service -r server-address [-g|-i|-m] [-w weight] [-x count] [-y count] [tunnel options]',
    help: 'add a real server to a virtual service',
  },
  {
    name: 'edit-server',
    long: 'edit-server',
    shorts: ['e'],
    usage: 'virtual-service -r server-address [the options of -a]',
    help: 'replace all settings of a real server',
  },
  {
    name: 'delete-server',
    long: 'delete-server',
    shorts: ['d'],
    usage: 'virtual-service -r server-address',
    help: 'delete a real server',
  },
  {
    name: 'list',
    long: 'list',
    shorts: ['L', 'l'],
    usage: '[virtual-service] [-n] [-c|--timeout|--daemon] [--stats|--rate|--thresholds|...]',
    help: 'list services, connections or timeouts; what happens without a command',
  },
  {
    name: 'zero',
    long: 'zero',
    shorts: ['Z'],
    usage: '[virtual-service]',
    help: 'zero the counters of one service, or all',
  },
  {
    name: 'set',
    long: 'set',
    usage: 'tcp tcpfin udp',
    help: 'set timeouts in seconds; 0 leaves one as it is',
  },
  {
    name: 'start-daemon',
    long: 'start-daemon',
    argument: 'master|backup',
    usage: '[daemon options]',
    help: 'start a connection sync daemon, of which uipvs has none yet',
  },
  {
    name: 'stop-daemon',
    long: 'stop-daemon',
    argument: 'master|backup',
    usage: '[--syncid id]',
    help: 'stop a connection sync daemon',
  },
  { name: 'help', long: 'help', shorts: ['h'], help: 'print this text' },
  { name: 'version', long: 'version', shorts: ['v'], help: 'print the version' },
] as const satisfies readonly CommandRow[]

export type CommandName = (typeof COMMANDS)[number]['name']
export interface Command extends CommandRow {
  readonly name: CommandName
}

/** One of the ways to write an option. */
export interface Spelling {
  readonly long: string
  readonly short?: string
  readonly argument?: string
  /** The argument may be missing, and is when the next word begins with `-`. */
  readonly argumentOptional?: true
  readonly help: string
}

interface OptionRow {
  /** As messages call it. All spellings count as one option: two of them on a line are one given twice. */
  readonly name: string
  readonly needs?: readonly CommandName[]
  readonly takes?: readonly CommandName[]
  /** Of the options that list a command here, that command takes at most one. */
  readonly oneOf?: readonly CommandName[]
  /** Never checked: may stand with any command, and repeatedly. */
  readonly unchecked?: true
  /** Not ipvsadm's, but uipvsadm's own. */
  readonly extension?: true
  readonly spellings: readonly Spelling[]
}

const ANY_SERVICE = ['add-service', 'edit-service'] as const
const ANY_SERVER = ['add-server', 'edit-server'] as const

export const OPTIONS = [
  {
    name: 'numeric',
    takes: ['list', 'save'],
    spellings: [{ short: 'n', long: 'numeric', help: 'addresses and ports as numbers' }],
  },
  {
    name: 'connection',
    oneOf: ['list'],
    spellings: [{ short: 'c', long: 'connection', help: 'list the connections' }],
  },
  {
    name: 'service-address',
    needs: [...ANY_SERVICE, 'delete-service', ...ANY_SERVER, 'delete-server'],
    takes: ['zero'],
    oneOf: ['list'],
    spellings: [
      { short: 't', long: 'tcp-service', argument: 'address[:port]', help: 'a TCP service' },
      { short: 'u', long: 'udp-service', argument: 'address[:port]', help: 'a UDP service' },
      { long: 'sctp-service', argument: 'address[:port]', help: 'an SCTP service' },
      {
        short: 'f',
        long: 'fwmark-service',
        argument: 'mark',
        help: 'packets with this firewall mark, above 0',
      },
    ],
  },
  {
    name: 'ipv6',
    unchecked: true,
    spellings: [{ short: '6', long: 'ipv6', help: 'after -f: the IPv6 packets with that mark' }],
  },
  {
    name: 'scheduler',
    takes: ANY_SERVICE,
    spellings: [
      {
        short: 's',
        long: 'scheduler',
        argument: 'name',
        help: 'how to choose the real server; wlc unless given',
      },
    ],
  },
  {
    name: 'persistent',
    takes: ANY_SERVICE,
    spellings: [
      {
        short: 'p',
        long: 'persistent',
        argument: 'seconds',
        argumentOptional: true,
        help: 'a client stays with its real server; 360 unless given',
      },
    ],
  },
  {
    name: 'netmask',
    takes: ANY_SERVICE,
    spellings: [
      { short: 'M', long: 'netmask', argument: 'mask', help: 'clients alike under this mask stay together' },
    ],
  },
  {
    name: 'real-server',
    needs: [...ANY_SERVER, 'delete-server'],
    spellings: [
      {
        short: 'r',
        long: 'real-server',
        argument: 'address[:port]',
        help: 'after the service, whose port it has unless given',
      },
    ],
  },
  {
    name: 'forwarding-method',
    takes: ANY_SERVER,
    spellings: [
      { short: 'g', long: 'gatewaying', help: 'direct routing; this unless given' },
      { short: 'i', long: 'ipip', help: 'tunnelling' },
      { short: 'm', long: 'masquerading', help: 'network address translation' },
    ],
  },
  {
    name: 'weight',
    takes: ANY_SERVER,
    spellings: [
      {
        short: 'w',
        long: 'weight',
        argument: 'number',
        help: 'its share; 1 unless given, 0 gets nothing new',
      },
    ],
  },
  {
    name: 'u-threshold',
    takes: ANY_SERVER,
    spellings: [
      { short: 'x', long: 'u-threshold', argument: 'count', help: 'connections at which it is overloaded' },
    ],
  },
  {
    name: 'l-threshold',
    takes: ANY_SERVER,
    spellings: [
      { short: 'y', long: 'l-threshold', argument: 'count', help: 'connections below which it no longer is' },
    ],
  },
  {
    name: 'mcast-interface',
    takes: ['start-daemon'],
    spellings: [{ long: 'mcast-interface', argument: 'name', help: 'interface to send or listen on' }],
  },
  {
    name: 'timeout',
    oneOf: ['list'],
    spellings: [{ long: 'timeout', help: 'list the timeouts' }],
  },
  {
    name: 'daemon',
    oneOf: ['list'],
    spellings: [{ long: 'daemon', help: 'list the sync daemons' }],
  },
  {
    name: 'stats',
    takes: ['list'],
    spellings: [{ long: 'stats', help: 'list packets and bytes since the last -Z' }],
  },
  {
    name: 'rate',
    takes: ['list'],
    spellings: [{ long: 'rate', help: 'list packets and bytes a second' }],
  },
  {
    name: 'thresholds',
    takes: ['list'],
    spellings: [{ long: 'thresholds', help: 'list the thresholds' }],
  },
  {
    name: 'persistent-conn',
    takes: ['list'],
    spellings: [{ long: 'persistent-conn', help: 'list the numbers of persistent connections' }],
  },
  {
    name: 'nosort',
    takes: ['list'],
    spellings: [{ long: 'nosort', help: "list in the director's own order" }],
  },
  {
    name: 'sort',
    unchecked: true,
    spellings: [{ long: 'sort', help: 'changes nothing' }],
  },
  {
    name: 'syncid',
    takes: ['list', 'start-daemon', 'stop-daemon'],
    spellings: [{ long: 'syncid', argument: 'id', help: '0 to 255; 0 unless given' }],
  },
  {
    name: 'exact',
    takes: ['list'],
    spellings: [{ short: 'X', long: 'exact', help: 'large numbers in full' }],
  },
  {
    name: 'ops',
    takes: ANY_SERVICE,
    spellings: [{ short: 'o', long: 'ops', help: 'every UDP packet is scheduled anew' }],
  },
  {
    name: 'pe',
    takes: ANY_SERVICE,
    spellings: [{ long: 'pe', argument: 'engine', help: 'persistence by what the packets say' }],
  },
  {
    name: 'sched-flags',
    takes: ANY_SERVICE,
    spellings: [
      {
        short: 'b',
        long: 'sched-flags',
        argument: 'flag,...',
        help: 'sh-fallback, sh-port, mh-fallback, mh-port',
      },
    ],
  },
  {
    name: 'mcast-group',
    takes: ['start-daemon'],
    spellings: [{ long: 'mcast-group', argument: 'address', help: 'IPv4 or IPv6 multicast group' }],
  },
  {
    name: 'mcast-port',
    takes: ['start-daemon'],
    spellings: [{ long: 'mcast-port', argument: 'port', help: 'UDP port' }],
  },
  {
    name: 'mcast-ttl',
    takes: ['start-daemon'],
    spellings: [{ long: 'mcast-ttl', argument: 'ttl', help: 'multicast TTL' }],
  },
  {
    name: 'sync-maxlen',
    takes: ['start-daemon'],
    spellings: [{ long: 'sync-maxlen', argument: 'bytes', help: 'longest message' }],
  },
  {
    name: 'tun-info',
    takes: ['list'],
    spellings: [{ long: 'tun-info', help: 'list the kinds of tunnels' }],
  },
  {
    name: 'tun-type',
    takes: ANY_SERVER,
    spellings: [{ long: 'tun-type', argument: 'ipip|gue|gre', help: 'with -i; ipip unless given' }],
  },
  {
    name: 'tun-port',
    takes: ANY_SERVER,
    spellings: [{ long: 'tun-port', argument: 'port', help: "the tunnel's UDP port (gue)" }],
  },
  {
    name: 'tun-nocsum',
    takes: ANY_SERVER,
    spellings: [{ long: 'tun-nocsum', help: 'no checksum in the tunnel (gue, gre)' }],
  },
  {
    name: 'tun-csum',
    takes: ANY_SERVER,
    spellings: [{ long: 'tun-csum', help: 'a checksum in the tunnel (gue, gre)' }],
  },
  {
    name: 'tun-remcsum',
    takes: ANY_SERVER,
    spellings: [{ long: 'tun-remcsum', help: 'remote checksum offload in the tunnel (gue)' }],
  },
  {
    name: 'tot-stats',
    takes: ['list'],
    extension: true,
    spellings: [{ long: 'tot-stats', help: 'list what all services have counted together, and its rates' }],
  },
  {
    name: 'json',
    takes: ['list'],
    extension: true,
    spellings: [{ long: 'json', help: "whatever -L lists, as JSON of the control API's shapes" }],
  },
] as const satisfies readonly OptionRow[]

export type OptionName = (typeof OPTIONS)[number]['name']
export type LongOption = (typeof OPTIONS)[number]['spellings'][number]['long']
export interface Option extends OptionRow {
  readonly name: OptionName
}

/** Options of `-L` that do not go together: one of the first list with one of the second. */
export const LIST_CONFLICTS: readonly (readonly [readonly OptionName[], readonly OptionName[]])[] = [
  [
    ['connection', 'timeout', 'daemon'],
    ['stats', 'rate', 'thresholds', 'tot-stats'],
  ],
  [['timeout', 'daemon'], ['persistent-conn']],
  [['service-address'], ['tot-stats']],
]

export interface TunnelRow {
  readonly needs?: readonly OptionName[]
  /** At most one of these. */
  readonly oneOf?: readonly OptionName[]
}

/** Which of the tunnel options goes with which `--tun-type`. */
export const TUNNEL_TYPES = {
  ipip: {},
  gue: {
    needs: ['tun-port'],
    oneOf: ['tun-nocsum', 'tun-csum', 'tun-remcsum'],
  },
  gre: {
    oneOf: ['tun-nocsum', 'tun-csum'],
  },
} as const satisfies Record<string, TunnelRow>

export type TunnelType = keyof typeof TUNNEL_TYPES

/** The options that {@link TUNNEL_TYPES} decides on, in the order of checking. */
export const TUNNEL_OPTIONS = ['tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const
