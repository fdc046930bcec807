/**
 * What is played on both sides: commands, traffic, time, and what is seen of it. A scenario knows its topology and nothing
 * of the side that it runs on.
 *
 *     # the name
 *     ipvsadm -A -t 10.0.0.1:80 -s rr
 *     tcp 60 from 10.9.0.2:30000 to 10.0.0.1:80
 *     tcp 5 from 10.9.1.1:30000 by address to 10.0.0.1:80 keep
 *     udp 9 from 10.9.0.2:40000 to 10.0.0.1:53
 *     wait 3
 *     close
 *     sysctl expire_nodest_conn=1
 *     proc ip_vs_conn
 *     mark 7 tcp 10.0.0.1:80
 *
 * The client is 10.9.0.2 and fd09::2, and also 10.9.1.1 to 10.9.1.254. The director has the virtual addresses 10.0.0.1 and
 * fd00::1. Real servers are 192.168.1.1 to .4 and fd01::1 to ::4; on TCP ports 80 and 8080 and UDP ports 53 and 5060 they
 * answer with their own address. Everything behind the director comes back through it.
 */

/** Opens connections, or sends datagrams, one after the other, from ports that count up, or addresses that do. */
export interface TrafficStep {
  readonly kind: 'tcp' | 'udp'
  readonly count: number
  readonly from: Endpoint
  readonly counts: 'ports' | 'addresses'
  readonly to: Endpoint
  /** Connections stay open until `close`; otherwise each is closed before the next. */
  readonly isKept: boolean
}

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export type ScenarioStep =
  | { readonly kind: 'ipvsadm'; readonly argv: readonly string[] }
  | TrafficStep
  /** Closes the connections that were kept, in the order in which they were opened. */
  | { readonly kind: 'close' }
  | { readonly kind: 'wait'; readonly seconds: number }
  /** A knob below net.ipv4.vs, `name=value`. */
  | { readonly kind: 'sysctl'; readonly setting: string }
  /** A file in /proc/net. */
  | { readonly kind: 'proc'; readonly file: string }
  /** Gives the packets to an address a firewall mark. */
  | {
      readonly kind: 'mark'
      readonly mark: number
      readonly transport: 'tcp' | 'udp'
      readonly to: Endpoint
    }

export interface Scenario {
  readonly name: string
  /** With the text that each was written as. */
  readonly steps: readonly (ScenarioStep & { readonly text: string })[]
}

/** At most so many connections in one step: ports must not run out. */
const COUNT_MAX = 1000
const WAIT_SECONDS_MAX = 120

/** Reads a scenario; throws an Error that quotes the line that is none. */
export function parseScenario(text: string): Scenario {
  const [title = '', ...lines] = text.trimEnd().split('\n')
  if (!title.startsWith('# ')) throw new Error(`a scenario's first line is '# <name>', not '${title}'`)
  const steps = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ ...stepOf(line), text: line }))
  return { name: title.slice(2), steps }
}

function stepOf(line: string): ScenarioStep {
  const [verb = '', ...words] = line.split(' ')
  const step = Object.hasOwn(READERS, verb) ? READERS[verb]?.(words, line) : null
  if (step === null || step === undefined) throw new Error(`no step of a scenario: ${line}`)
  return step
}

/** By its first word: reads a step from the words that follow, or the whole line; null where it is none. */
const READERS: Readonly<Record<string, (words: readonly string[], line: string) => ScenarioStep | null>> = {
  ipvsadm: (argv) => ({ kind: 'ipvsadm', argv }),
  close: (words) => (words.length === 0 ? { kind: 'close' } : null),
  wait: ([text = '', ...more]) => {
    const seconds = Number(text)
    const isSound = seconds > 0 && seconds <= WAIT_SECONDS_MAX && more.length === 0
    return isSound ? { kind: 'wait', seconds } : null
  },
  sysctl: ([setting = '', ...more]) =>
    /^\w+=\S+$/.test(setting) && more.length === 0 ? { kind: 'sysctl', setting } : null,
  proc: ([file = '', ...more]) =>
    /^ip_vs\w*$/.test(file) && more.length === 0 ? { kind: 'proc', file } : null,
  mark: (_words, line) => {
    const [, mark, transport, at] = /^mark (\d{1,9}) (tcp|udp) (\S+)$/.exec(line) ?? []
    const to = endpointOf(at)
    return to === null
      ? null
      : { kind: 'mark', mark: Number(mark), transport: transport as 'tcp' | 'udp', to }
  },
  tcp: (_words, line) => trafficOf(line),
  udp: (_words, line) => trafficOf(line),
}

function trafficOf(line: string): TrafficStep | null {
  const pattern = /^(tcp|udp) (\d+) from (\S+)( by address)? to (\S+)( keep)?$/
  const [, kind, count, from, byAddress, to, keep] = pattern.exec(line) ?? []
  const [source, destination] = [endpointOf(from), endpointOf(to)]
  if (source === null || destination === null || Number(count) < 1 || Number(count) > COUNT_MAX) return null
  return {
    kind: kind as 'tcp' | 'udp',
    count: Number(count),
    from: source,
    counts: byAddress === undefined ? 'ports' : 'addresses',
    to: destination,
    isKept: keep !== undefined,
  }
}

/** `10.0.0.1:80` or `[fd00::1]:80`. */
function endpointOf(text = ''): Endpoint | null {
  const [, bracketed, plain, port] = /^(?:\[([\da-f:]+)\]|([\d.]+)):(\d+)$/.exec(text) ?? []
  const address = bracketed ?? plain
  return address === undefined || Number(port) > 65_535 ? null : { address, port: Number(port) }
}
