/** `uipvs proc` against the files of a kernel that has IPVS. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  formatApplicationFile,
  formatConnectionFile,
  formatServiceFile,
  formatSyncFile,
} from '../../cli/format-proc.ts'
import { formatTotals, formatTotalsByCpu } from '../../cli/format-totals.ts'
import { umlObstacle } from '../../conformance/uml/kit.ts'
import { Uml } from '../../conformance/uml/uml.ts'
import type { Connection, Counters, Rates } from '../../control/index.ts'
import { FakeControl } from '../support/fake-control.ts'
import { runCli } from '../support/run-cli.ts'

const obstacle = await umlObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

/** Of each kind of service and server one, and those that are printed otherwise; no address of a server twice. */
const COMMANDS = [
  '-A -t 10.0.0.1:80 -s rr -p 10',
  '-a -t 10.0.0.1:80 -r 192.168.1.1:8080 -m',
  '-a -t 10.0.0.1:80 -r 192.168.1.2 -g -w 2147483647',
  '-a -t 10.0.0.1:80 -r 192.168.1.3 -i -w 0',
  '-A -t 10.0.0.1:81 -s wlc -p 2678400 -M 255.255.255.0',
  '-A -t 10.0.0.1:82 -s sh -b sh-port',
  '-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip',
  '-a -u 10.0.0.1:5060 -r 192.168.1.5:5060 -m',
  '-A -u 10.0.0.1:84 -s rr -o',
  '-A -u 10.0.0.1:85 -s rr -p 5 -o',
  '-A --sctp-service 10.0.0.1:80 -s mh',
  '-A -t [fd00::1]:80 -s rr',
  '-a -t [fd00::1]:80 -r [fd01::4]:8080 -m',
  '-a -t [fd00::1]:80 -r 192.168.1.4 -i',
  '-A -t [fd00::1]:81 -p 300 -M 64',
  '-A -u [fd00::1]:82 -p -o',
  '-A -f 9 -s rr -p 300',
  '-a -f 9 -r 192.168.1.6:0 -g',
  '-A -f 10 -6 -s rr -p 300 -M 96',
  '-A -f 11 -o',
  '-A -f 4294967295',
]

/** What the guest sends to its own services: no server is there, but connections are made. */
const TRAFFIC = [
  "printf 'OPTIONS sip:x SIP/2.0\\r\\nCall-ID: abc@1\\r\\n\\r\\n' | timeout 5 socat -u - UDP:10.0.0.1:5060",
  'timeout 5 socat -u /dev/null TCP:10.0.0.1:80',
  "timeout 5 socat -u /dev/null 'TCP:[fd00::1]:80'",
]

const FILES = [
  'ip_vs',
  'ip_vs_conn',
  'ip_vs_conn_sync',
  'ip_vs_app',
  'ip_vs_stats',
  'ip_vs_stats_percpu',
] as const
const SHOWN_SEC = 3

describe.skipIf(obstacle !== null)('the files are byte for byte those of the kernel', () => {
  let uml: Uml
  let files: Readonly<Record<(typeof FILES)[number], string>>
  let listed: string

  beforeAll(async () => {
    uml = await Uml.boot()
    const inside = (line: string) => ({ argv: ['sh', '-c', line] })
    const results = await uml.runAll([
      inside('ip link set lo up && ip link add d0 type dummy && ip link set d0 up'),
      inside('for a in 10.0.0.1/24 192.168.1.254/24; do ip address add $a dev d0; done'),
      inside('for a in fd00::1/64 fd01::fe/64; do ip address add $a dev d0 nodad; done'),
      ...COMMANDS.map((command) => inside(`ipvsadm ${command}`)),
    ])
    expect(results.map(({ stderr }) => stderr).join('')).toBe('')
    // Side by side; what is counted is shown two seconds later.
    await uml.runAll([inside(`${TRAFFIC.join(' & ')} & wait; sleep ${SHOWN_SEC}`)])
    const [listing, ...texts] = await uml.runAll([
      { argv: ['ipvsadm', '-Lnc', '--persistent-conn'] },
      ...FILES.map((name) => ({ argv: ['cat', `/proc/net/${name}`] })),
    ])
    listed = listing?.stdout ?? ''
    files = Object.fromEntries(FILES.map((name, index) => [name, texts[index]?.stdout])) as typeof files
  })

  afterAll(async () => {
    await uml?.close()
  })

  it('ip_vs, but for the order of services', async () => {
    const client = new FakeControl(['10.0.0.1/24', '192.168.1.254/24'])
    for (const command of COMMANDS) expect(await runCli(command, { client })).toMatchObject({ status: 0 })
    const services = (await client.services()).map((service) => ({
      ...service,
      destinations: service.destinations.map((each) => ({ ...each, ...countsOf(files.ip_vs, each.address) })),
    }))
    const info = { ipvsVersion: '1.2.1', connectionTableSize: 4096 }
    const ours = formatServiceFile(services, info, { hz: 100 })
    expect(blocksOf(ours)).toEqual(blocksOf(files.ip_vs))
    expect(files.ip_vs).toContain('FWM  0000000A rr persistent 30000 ')
  })

  it('ip_vs_conn and ip_vs_conn_sync', () => {
    const connections = connectionsOf(listed)
    expect(connections.length).toBeGreaterThanOrEqual(5)
    expect(connections).toContainEqual(expect.objectContaining({ engine: 'sip', engineData: 'abc@1' }))
    expect(connections).toContainEqual(expect.objectContaining({ virtual: '[fd00::1]:80' }))
    expect(timeless(formatConnectionFile(connections))).toBe(timeless(files.ip_vs_conn))
    expect(timeless(formatSyncFile(connections))).toBe(timeless(files.ip_vs_conn_sync))
  })

  it('ip_vs_app', () => {
    const ftp = { name: 'ftp', transport: 'tcp', port: 21, connections: 0 } as const
    expect(formatApplicationFile({ applications: [ftp] })).toBe(files.ip_vs_app)
  })

  it('ip_vs_stats and ip_vs_stats_percpu', () => {
    const lines = files.ip_vs_stats.split('\n')
    const [totals, rates] = [countersOf(lines[2]), ratesOf(lines[5])]
    expect(totals.connections).toBeGreaterThan(0)
    expect(formatTotals({ totals, rates }, 16)).toBe(files.ip_vs_stats)
    const counted = countersOf(files.ip_vs_stats_percpu.split('\n')[2]?.slice(4))
    expect(formatTotalsByCpu({ ...NO_INFO, totals, rates, counted })).toBe(files.ip_vs_stats_percpu)
  })
})

const NO_INFO = {
  applications: [],
  version: '',
  ipvsVersion: '',
  connectionTableSize: 0,
  connectionLimit: 0,
  connections: 0,
  pid: 0,
  uptimeSeconds: 0,
  dropped: {},
  passed: {},
  queues: [],
}

/** Each service with its servers, sorted, behind the heading. */
function blocksOf(file: string): string[] {
  const [heading, ...blocks] = file.split(/\n(?=[A-Z]+ {2})/)
  return [heading as string, ...blocks.map((block) => block.replace(/\n$/, '')).sort()]
}

/** The connections that the kernel counts for the server, wherever it is one. */
function countsOf(file: string, address: string) {
  const digits = address.includes(':')
    ? address
    : address
        .split('.')
        .map((part) => Number(part).toString(16).padStart(2, '0'))
        .join('')
        .toUpperCase()
  const found = new RegExp(`-> ${digits}:.* (\\d+) +(\\d+) *$`, 'm').exec(file)
  return { activeConnections: Number(found?.[1] ?? 0), inactiveConnections: Number(found?.[2] ?? 0) }
}

/** Without the seconds left, between the reading of which and of another file some go by. */
const timeless = (file: string): string =>
  file.replace(/ {2,}\d+(?= |$)/gm, (blanksAndDigits) => ' '.repeat(blanksAndDigits.length))

/** What `ipvsadm -Lnc --persistent-conn` lists, in its order, which is that of the kernel's file. */
function connectionsOf(listing: string): Connection[] {
  return listing
    .split('\n')
    .slice(2, -1)
    .map((line) => {
      const [protocol, expires, state, client, virtual, destination, engine, engineData] = line.split(/ +/)
      const [minutes, seconds] = expires!.split(':').map(Number)
      return {
        protocol: protocol!,
        client: client!,
        virtual: virtual!,
        destination: destination!,
        state: state!,
        expiresSeconds: minutes! * 60 + seconds!,
        ...(engine ? { engine, engineData: engineData! } : {}),
      }
    })
}

const numbersOf = (line = ''): number[] =>
  line
    .trim()
    .split(/ +/)
    .map((digits) => Number.parseInt(digits, 16))

function countersOf(line?: string): Counters {
  const [connections, inPackets, outPackets, inBytes, outBytes] = numbersOf(line) as [
    number,
    number,
    number,
    number,
    number,
  ]
  return { connections, inPackets, outPackets, inBytes, outBytes }
}

function ratesOf(line?: string): Rates {
  const { connections, inPackets, outPackets, inBytes, outBytes } = countersOf(line)
  return {
    connectionsPerSec: connections,
    inPacketsPerSec: inPackets,
    outPacketsPerSec: outPackets,
    inBytesPerSec: inBytes,
    outBytesPerSec: outBytes,
  }
}
