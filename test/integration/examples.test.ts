/** The example on a tun device, between a client and servers that know nothing of it. */

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exampleArgv, runExample } from '../support/examples.ts'
import { endpoint, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Program } from '../support/lab/process.ts'
import { download, randomText, sha256 } from '../support/transfers.ts'

const obstacle = labObstacle(['ip', 'sysctl', 'nginx', 'curl', 'socat'])
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const EXAMPLE = 'tun-balancer.mjs'
const RS1 = realServerAddresses('rs1').back
const RS2 = realServerAddresses('rs2').back

/** The commands that the example's head says to give, word by word. */
function commandsOfHead(): string[][] {
  const head = readFileSync(exampleArgv(EXAMPLE)[1] as string, 'utf8')
  return Array.from(head.matchAll(/^ \* {5}((?:ip|sysctl) .*)$/gm), (match) =>
    (match[1] as string).split(' '),
  )
}

describe.skipIf(obstacle !== null)('the example on a tun device', () => {
  const text = randomText(2_000_000)
  let lab: Lab
  let balancer: Program

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'extun', realServers: 2 })
    await Promise.all(['rs1', 'rs2'].map((host) => lab.web(host as 'rs1' | 'rs2', { port: 8080 })))
    await Promise.all(['rs1', 'rs2'].map((host) => lab.udpEcho(host as 'rs1' | 'rs2', 5353)))
    await lab.web('rs1', { port: 8081, body: text })
  })

  afterAll(() => lab?.destroy())

  async function start(service: string, ...servers: string[]): Promise<void> {
    balancer = lab.spawn('director', exampleArgv(EXAMPLE, ['lb0', service, ...servers]))
    await balancer.until('device', () => balancer.stdout.includes('balancing on lb0\n'))
  }

  /** Ends it as Ctrl-C does; what it then printed. */
  async function stop(): Promise<string[]> {
    balancer.kill('SIGINT')
    expect(await balancer.exited).toBe(0)
    return balancer.stdout.trimEnd().split('\n').slice(1)
  }

  it('balances web requests between two servers, with the routes that its head gives', async () => {
    await start(`tcp:${VIP.routed.v4}:80`, `${RS1.v4}:8080`, `${RS2.v4}:8080`)
    const commands = commandsOfHead()
    expect(commands).toHaveLength(5)
    for (const command of commands) await lab.exec('director', command)
    const { byBody, failed } = await lab.requests('client', `http://${VIP.routed.v4}/`, { count: 20 })
    expect(failed).toBe(0)
    expect([...byBody.keys()].sort()).toEqual(['rs1', 'rs2'])
    // The servers' other traffic comes through the device too, and is let through as it is.
    await lab.exec('client', ['ping', '-c', '2', '-i', '0.2', '-W', '2', RS1.v4])
    const lines = await stop()
    const counts = lines.map((line) =>
      /^(\S+) {2}(\d+) connections, (\d+) packets in, (\d+) out$/.exec(line)?.slice(1),
    )
    expect(counts.map((each) => each?.[0]).sort()).toEqual([`${RS1.v4}:8080`, `${RS2.v4}:8080`])
    expect(counts.reduce((sum, each) => sum + Number(each?.[1]), 0)).toBe(20)
    for (const each of counts) expect(Number(each?.[3])).toBeGreaterThan(Number(each?.[1]))
    await lab.exec('director', ['ip', 'rule', 'delete', 'lookup', '100'])
  })

  it('carries IPv6 datagrams and megabytes', async () => {
    const route = async () => {
      for (const command of [
        'link set lb0 up',
        `-6 route add ${VIP.routed.v6} dev lb0`,
        '-6 route add default dev lb0 table 100',
        '-6 rule add iif back from fd78::/64 lookup 100',
      ]) {
        await lab.exec('director', ['ip', ...command.split(' ')])
      }
    }
    await start(`udp:[${VIP.routed.v6}]:53`, `[${RS2.v6}]:5353`)
    await route()
    const to = { address: VIP.routed.v6, port: 53, text: 'who?' }
    expect(await lab.udpRequest('client', to)).toBe('rs2:who?')
    await stop()
    await lab.exec('director', ['ip', '-6', 'rule', 'delete', 'lookup', '100'])
    await start(`tcp:[${VIP.routed.v6}]:80`, `[${RS1.v6}]:8081`)
    await route()
    expect(await download(lab, 'client', `http://${endpoint(VIP.routed.v6, 80)}/`)).toBe(sha256(text))
    await stop()
  })

  it('leaves no device behind', async () => {
    expect((await lab.exec('director', ['ip', '-oneline', 'link'])).stdout).not.toContain('lb0')
  })
})

describe.skipIf(obstacle !== null)('the example on a tun device says in a line what is wrong', () => {
  it.each([
    [[], /^usage: tun-balancer\.mjs DEVICE SERVICE SERVER/],
    [['lb0', 'tcp:10.0.0.1:80'], /^usage: /],
    [['lb0', 'http', '192.168.1.1:80'], /^service 'http': expected tcp:10\.0\.0\.1:80/],
    [['lb0', 'tcp:10.0.0.1:80', 'nobody'], /^server 'nobody': expected 192\.168\.1\.1:80/],
    [['no/device', 'tcp:10.0.0.1:80', '192.168.1.1:80'], /^tun device name 'no\/device': expected 1 to 15/],
  ])('%j', async (argv, message) => {
    const { status, stdout, stderr } = await runExample(EXAMPLE, argv)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })
})
