/** ICMP errors that real kernels send about masqueraded connections: each reaches the other side, in its own words. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectPacket } from '../support/expect-packet.ts'
import { inject } from '../support/frames.ts'
import { CLIENT, endpoint, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'
import { udp4, udp6 } from '../support/packets.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const ECHO_PORT = 5300
const CLOSED_PORT = 5399
const FAMILIES = ['v4', 'v6'] as const

describe.skipIf(obstacle !== null)('an ICMP error about a masqueraded connection', () => {
  let lab: Lab
  const rs1 = realServerAddresses('rs1')

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'icmp' })
    await lab.udpEcho('rs1', ECHO_PORT)
    const uipvs = await lab.uipvs()
    for (const family of FAMILIES) {
      const ways = [
        [53, ECHO_PORT],
        [54, CLOSED_PORT],
      ] as const
      for (const [port, serverPort] of ways) {
        const service = endpoint(VIP.routed[family], port)
        await uipvs.adm(['-A', '-u', service, '-s', 'rr'])
        await uipvs.adm(['-a', '-u', service, '-r', endpoint(rs1.back[family], serverPort), '-m'])
      }
    }
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(FAMILIES)('from the client reaches the real server, about its own answer: IP%s', async (family) => {
    const capture = await lab.capture('rs1', 'back', 'icmp or (icmp6 and ip6[40] == 1)')
    const source = endpoint(CLIENT[family], 4777)
    const destination = endpoint(VIP.routed[family], 53)
    // Nobody listens on the client's port: its kernel refuses the answer.
    await inject(lab, [(family === 'v4' ? udp4 : udp6)({ source, destination, payload: 'for nobody' })])
    const [error] = await capture.wait(() => true)
    await capture.stop()
    const server = rs1.back[family]
    const seen = expectPacket(error!.packet)
    if (family === 'v4') {
      seen.ipv4({ source: CLIENT.v4, destination: server }).icmp({ type: 3, code: 3 }).checksumsAreValid()
      seen
        .quoted()
        .ipv4({ source: server, destination: CLIENT.v4 })
        .udp({ sourcePort: ECHO_PORT, destinationPort: 4777 })
    } else {
      seen.ipv6({ source: CLIENT.v6, destination: server }).icmpv6({ type: 1, code: 4 }).checksumsAreValid()
      seen
        .quoted()
        .ipv6({ source: server, destination: CLIENT.v6 })
        .udp({ sourcePort: ECHO_PORT, destinationPort: 4777 })
    }
  })

  it.each(FAMILIES)(
    'from the real server reaches the client, about its own request: IP%s',
    async (family) => {
      const capture = await lab.capture('client', 'front', 'icmp or (icmp6 and ip6[40] == 1)')
      const source = endpoint(CLIENT[family], 4888)
      const destination = endpoint(VIP.routed[family], 54)
      await inject(lab, [(family === 'v4' ? udp4 : udp6)({ source, destination, payload: 'anybody?' })])
      const [error] = await capture.wait(() => true)
      await capture.stop()
      const vip = VIP.routed[family]
      const seen = expectPacket(error!.packet)
      if (family === 'v4') {
        seen.ipv4({ source: vip, destination: CLIENT.v4 }).icmp({ type: 3, code: 3 }).checksumsAreValid()
        seen
          .quoted()
          .ipv4({ source: CLIENT.v4, destination: vip })
          .udp({ sourcePort: 4888, destinationPort: 54 })
      } else {
        seen.ipv6({ source: vip, destination: CLIENT.v6 }).icmpv6({ type: 1, code: 4 }).checksumsAreValid()
        seen
          .quoted()
          .ipv6({ source: CLIENT.v6, destination: vip })
          .udp({ sourcePort: 4888, destinationPort: 54 })
      }
    },
  )
})

describe.skipIf(obstacle !== null)('a director that is asked to answer pings', () => {
  let lab: Lab
  let uipvs: Uipvs

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'ping', realServers: 1 })
    uipvs = await lab.uipvs({ config: { answersEcho: true } })
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(FAMILIES)(
    'answers those of virtual addresses that nobody has, whole and in pieces: IP%s',
    async (family) => {
      const ping = (...argv: string[]) =>
        lab.exec('client', ['ping', '-i', '0.2', '-W', '1', ...argv, VIP.routed[family]], { mayFail: true })
      expect((await ping('-c', '1')).status).not.toBe(0)
      await uipvs.adm(['-A', '-u', endpoint(VIP.routed[family], 53), '-s', 'rr'])
      for (const bytes of ['56', '3000'])
        expect((await ping('-c', '2', '-s', bytes)).stdout).toContain('2 received')
    },
  )

  it('logs, as the kernel would, that a scheduler finds nobody', async () => {
    const service = endpoint(VIP.routed.v4, 80)
    await uipvs.adm(['-A', '-t', service, '-s', 'wlc'])
    expect((await lab.curl('client', `http://${service}/`)).exitCode).not.toBe(0)
    const told = () => uipvs.program.stdout + uipvs.program.stderr
    const notice = `wlc: TCP ${service} - no destination available`
    await uipvs.program.until('the notice', () => told().includes(notice))
  })
})
