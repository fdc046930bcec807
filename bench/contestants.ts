/** Who competes: the ways of getting a client's packets to a real server, each set up on a fresh laboratory. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { endpoint, realServerAddresses, VIP } from '../test/support/lab/addresses.ts'
import { compile } from '../test/support/lab/compile.ts'
import type { Lab } from '../test/support/lab/lab.ts'
import { listening } from '../test/support/lab/listening.ts'
import { startUipvs } from '../test/support/lab/uipvs.ts'

export interface Contestant {
  readonly name: string
  readonly label: string
  readonly transports: readonly Transport[]
  /** Where the client sends to. */
  readonly target: { readonly address: string; readonly port: number }
  /** Sets it up on the director, and returns what takes it down before the laboratory goes. */
  start(lab: Lab): Promise<() => Promise<unknown>>
}

export type Transport = 'udp' | 'tcp'

/** Where the real server listens, and the virtual service in front of it; other ports, so that both are rewritten. */
export const REAL = { address: realServerAddresses('rs1').back.v4, port: 5201 } as const
const VIRTUAL = { address: VIP.local.v4, port: 5001 } as const

const QUEUE = 9

const BOTH: readonly Transport[] = ['udp', 'tcp']
const virtual = endpoint(VIRTUAL.address, VIRTUAL.port)
const real = endpoint(REAL.address, REAL.port)

/** In the order in which they take turns; ratios are taken to the first, and to `c-gso`. */
export const CONTESTANTS: readonly Contestant[] = [
  {
    name: 'plain',
    label: 'plain kernel forwarding',
    transports: BOTH,
    target: REAL,
    start: async () => nothing,
  },
  {
    name: 'dnat',
    label: 'kernel DNAT (conntrack)',
    transports: BOTH,
    target: VIRTUAL,
    start: startDnat,
  },
  {
    name: 'c',
    label: 'C on NFQUEUE, no GSO',
    transports: BOTH,
    target: VIRTUAL,
    start: (lab) => startC(lab, []),
  },
  {
    name: 'c-gso',
    label: 'C on NFQUEUE, GSO',
    transports: BOTH,
    target: VIRTUAL,
    start: (lab) => startC(lab, ['-g']),
  },
  {
    name: 'uipvs',
    label: 'uipvs, netlink driver',
    transports: BOTH,
    target: VIRTUAL,
    start: (lab) => startDaemon(lab, 'netlink'),
  },
  {
    name: 'uipvs-npm',
    label: 'uipvs, nfqueue npm driver',
    transports: BOTH,
    target: VIRTUAL,
    start: (lab) => startDaemon(lab, 'nfqueue'),
  },
  {
    name: 'haproxy',
    label: 'HAProxy, TCP mode, one thread',
    transports: ['tcp'],
    target: VIRTUAL,
    start: startHaproxy,
  },
]

const nothing = async (): Promise<void> => {}

async function startDnat(lab: Lab): Promise<() => Promise<void>> {
  for (const transport of BOTH) {
    const match = ['-d', VIRTUAL.address, '-p', transport, '--dport', String(VIRTUAL.port)]
    const rule = ['-t', 'nat', '-A', 'PREROUTING', ...match, '-j', 'DNAT', '--to-destination', real]
    await lab.exec('director', ['iptables', ...rule])
  }
  return nothing
}

async function startC(lab: Lab, flags: readonly string[]): Promise<() => Promise<number | null>> {
  const binary = await compile('bench/c/nfq-rewrite.c')
  const program = lab.spawn('director', [binary, ...flags, String(QUEUE), virtual, real])
  await program.until('ready', () => program.stdout.includes('ready\n'))
  for (const transport of BOTH) {
    const request = ['PREROUTING', '-d', VIRTUAL.address, '-p', transport, '--dport', String(VIRTUAL.port)]
    const reply = ['FORWARD', '-s', REAL.address, '-p', transport, '--sport', String(REAL.port)]
    for (const match of [request, reply]) {
      const target = ['-j', 'NFQUEUE', '--queue-num', String(QUEUE)]
      await lab.exec('director', ['iptables', '-t', 'mangle', '-A', ...match, ...target])
    }
  }
  return () => program.stop()
}

async function startDaemon(
  lab: Lab,
  queueDriver: 'netlink' | 'nfqueue',
): Promise<() => Promise<number | null>> {
  const services = BOTH.map((protocol) => ({
    protocol,
    ...VIRTUAL,
    scheduler: 'rr',
    destinations: [{ ...REAL, method: 'masquerading' }],
  }))
  const daemon = await startUipvs(lab, { config: { queueDriver, logLevel: 'warn', services } })
  return () => daemon.stop()
}

async function startHaproxy(lab: Lab): Promise<() => Promise<number | null>> {
  const file = join(lab.directory, 'haproxy.cfg')
  await writeFile(
    file,
    `
global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen bench
  bind ${virtual}
  server rs1 ${real}
`,
  )
  const program = lab.spawn('director', ['haproxy', '-db', '-f', file])
  await listening(program, { protocol: 'tcp', port: VIRTUAL.port })
  return () => program.stop()
}
