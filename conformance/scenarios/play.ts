/** Plays scenarios in user-mode-linux, on the kernel's IPVS or on uipvs: the same kernel, the same driver, another director. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../test/support/lab/compile.ts'
import type { StepResult, Uml } from '../uml/uml.ts'
import type { Scenario } from './scenario.ts'

export type Side = 'kernel' | 'uipvs'

/** What was seen of a step: of a command its outcome, of traffic who answered, of anything else that it is over. */
export type Seen = StepResult | readonly string[] | string

const SCENARIO_MS = 240_000
const TRAFFIC = join(PACKAGE_ROOT, 'conformance/traffic')
const DIST = join(PACKAGE_ROOT, 'dist')
/** A few connections are played, and the emulated machine has little memory. */
const DAEMON_CONFIG = { connectionLimit: 65_536 }
const SERVERS = [1, 2, 3, 4]

/** Plays the scenario in namespaces of its own; resolves to what was seen, a step each. */
export async function play(uml: Uml, scenario: Scenario, side: Side): Promise<Seen[]> {
  const name = `${side}-${++plays}`
  const hosts = { client: `${name}-c`, director: `${name}-d`, servers: `${name}-s` }
  await build(uml, hosts)
  const shared = join(uml.exchange, name)
  const inside = `${uml.exchangeInside}/${name}`
  await mkdir(shared)
  const socketPath = `/run/${name}/uipvs.sock`
  const job = {
    steps: scenario.steps,
    servers: within(hosts.servers, [process.execPath, join(TRAFFIC, 'servers.mjs'), JSON.stringify(SERVED)]),
    enter: within(hosts.director, []),
    daemon: side === 'kernel' ? null : { distFolder: DIST, socketPath },
  }
  await writeFile(join(shared, 'job.json'), JSON.stringify(job))
  await writeFile(join(shared, 'uipvs.json'), JSON.stringify(DAEMON_CONFIG))
  const daemon =
    side === 'kernel'
      ? null
      : startDaemon(uml, hosts.director, { socketPath, configPath: `${inside}/uipvs.json` })
  try {
    const driver = uml.run([process.execPath, join(TRAFFIC, 'driver.mjs'), `${inside}/job.json`], {
      namespace: hosts.client,
      timeoutMs: SCENARIO_MS,
    })
    const { stdout, stderr, status } = await Promise.race([driver, ...(daemon === null ? [] : [daemon])])
    if (status !== 0) throw new Error(`'${scenario.name}' on ${side}: ${stderr}`)
    return JSON.parse(stdout) as Seen[]
  } finally {
    await remove(uml, Object.values(hosts))
  }
}

let plays = 0

const SERVED = {
  addresses: SERVERS.flatMap((number) => [`192.168.1.${number}`, `fd01::${number}`]),
  tcpPorts: [80, 8080],
  udpPorts: [53, 5060],
}

/** Rejects when the daemon ends; resolves never. */
async function startDaemon(
  uml: Uml,
  namespace: string,
  { socketPath, configPath }: { socketPath: string; configPath: string },
): Promise<never> {
  const daemon = join(DIST, 'bin/uipvs.js')
  const argv = [process.execPath, daemon, 'run', '--socket', socketPath, '--config', configPath]
  const { stderr, status } = await uml.run(argv, { namespace, timeoutMs: SCENARIO_MS })
  throw new Error(`uipvs ended with ${status}: ${stderr}`)
}

interface Hosts {
  readonly client: string
  readonly director: string
  readonly servers: string
}

async function build(uml: Uml, { client, director, servers }: Hosts): Promise<void> {
  const batch = [
    ...[client, director, servers].map((each) => `netns add ${each}`),
    `link add name front netns ${client} type veth peer name front netns ${director}`,
    `link add name back netns ${servers} type veth peer name back netns ${director}`,
  ]
  await succeeds(uml, ['ip', '-batch', '-'], `${batch.join('\n')}\n`)
  await on(uml, client, 'front', ['10.9.0.2/16', 'fd09::2/64'], ['10.9.0.1', 'fd09::1'])
  await succeeds(uml, ['ip', '-n', client, 'route', 'add', 'local', '10.9.1.0/24', 'dev', 'lo'])
  await on(uml, director, 'front', ['10.9.0.1/16', 'fd09::1/64', '10.0.0.1/32', 'fd00::1/128'])
  await on(uml, director, 'back', ['192.168.1.254/24', 'fd01::254/64'])
  await succeeds(uml, within(director, ['sh', '-c', FORWARDING]))
  const addresses = SERVERS.flatMap((number) => [`192.168.1.${number}/24`, `fd01::${number}/64`])
  await on(uml, servers, 'back', addresses, ['192.168.1.254', 'fd01::254'])
}

const FORWARDING = 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'

/** Sets up a device, with default routes through the gateways. */
async function on(
  uml: Uml,
  namespace: string,
  device: string,
  addresses: readonly string[],
  gateways: readonly string[] = [],
): Promise<void> {
  const batch = [
    'link set lo up',
    `link set ${device} up`,
    ...addresses.map((each) => `address add ${each} dev ${device}${each.includes(':') ? ' nodad' : ''}`),
    ...gateways.map((gateway) => `route add default via ${gateway}`),
  ]
  await succeeds(uml, ['ip', '-n', namespace, '-batch', '-'], `${batch.join('\n')}\n`)
}

/** Kills whatever runs in the namespaces, and deletes them. */
async function remove(uml: Uml, namespaces: readonly string[]): Promise<void> {
  for (const namespace of namespaces) {
    const { stdout } = await uml.run(['ip', 'netns', 'pids', namespace])
    const pids = stdout.split('\n').filter((pid) => pid !== '')
    if (pids.length > 0) await uml.run(['kill', '-9', ...pids])
    await uml.run(['ip', 'netns', 'delete', namespace])
  }
}

async function succeeds(uml: Uml, argv: readonly string[], stdin = ''): Promise<void> {
  const { stderr, status } = await uml.run(argv, { stdin })
  if (status !== 0) throw new Error(`in user-mode-linux: ${argv.join(' ')}: ${stderr}`)
}

const within = (namespace: string, argv: readonly string[]): string[] => [
  'ip',
  'netns',
  'exec',
  namespace,
  ...argv,
]
