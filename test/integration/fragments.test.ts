/**
 * Datagrams in fragments, where no connection tracking puts them together: a host whose iptables has no CT target. The
 * director does it, and what it forwards is cut again.
 */

import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { endpoint, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const PORT = 53
const SERVER_PORT = 5300
const TEXT = 'many words '.repeat(300)

/** Programs of the names of iptables' that know no CT target, as on a kernel without connection tracking. */
async function iptablesWithoutTracking(folder: string): Promise<string> {
  await mkdir(folder)
  for (const name of ['iptables-restore', 'ip6tables-restore']) {
    const script = `#!/bin/sh
input=$(cat)
case $input in *"-j CT"*) echo "$0: no CT target" >&2; exit 2;; esac
printf '%s\\n' "$input" | exec /usr/sbin/${name} "$@"
`
    await writeFile(join(folder, name), script)
    await chmod(join(folder, name), 0o755)
  }
  return `${folder}:${process.env['PATH']}`
}

describe.skipIf(obstacle !== null)('a datagram in fragments, without connection tracking', () => {
  let lab: Lab
  let uipvs: Uipvs

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'frag' })
    const PATH = await iptablesWithoutTracking(join(lab.directory, 'bin'))
    await lab.udpEcho('rs1', SERVER_PORT)
    await lab.udpEcho('rs2', PORT)
    uipvs = await lab.uipvs({ env: { PATH } })
    for (const family of ['v4', 'v6'] as const) {
      const masqueraded = endpoint(VIP.routed[family], PORT)
      await uipvs.adm(['-A', '-u', masqueraded, '-s', 'rr'])
      const server = endpoint(realServerAddresses('rs1').back[family], SERVER_PORT)
      await uipvs.adm(['-a', '-u', masqueraded, '-r', server, '-m'])
      const direct = endpoint(VIP.local[family], PORT)
      await uipvs.adm(['-A', '-u', direct, '-s', 'rr'])
      await uipvs.adm([
        '-a',
        '-u',
        direct,
        '-r',
        endpoint(realServerAddresses('rs2').back[family], PORT),
        '-g',
      ])
    }
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(['v4', 'v6'] as const)(
    'is answered through masquerading, in fragments both ways: IP%s',
    async (family) => {
      const captured = await lab.capture('rs1', 'back', FRAGMENTS[family])
      const answer = await lab.udpRequest('client', { address: VIP.routed[family], port: PORT, text: TEXT })
      expect(answer).toBe(`rs1:${TEXT}`)
      const frames = await captured.wait(() => true, { count: 6 })
      await captured.stop()
      expect(frames.length).toBeGreaterThanOrEqual(6)
    },
  )

  it.each(['v4', 'v6'] as const)('is answered through gatewaying: IP%s', async (family) => {
    const answer = await lab.udpRequest('client', { address: VIP.local[family], port: PORT, text: TEXT })
    expect(answer).toBe(`rs2:${TEXT}`)
  })

  it('is counted as one packet, and nothing is lost', async () => {
    const { totals, dropped } = await new ControlClient(uipvs.socketPath).info()
    expect(Object.entries(dropped).filter(([, count]) => count > 0)).toEqual([])
    expect(totals.inPackets).toBeLessThanOrEqual(4)
  })
})

const FRAGMENTS = { v4: 'ip[6:2] & 0x3fff != 0', v6: 'ip6[6] == 44' } as const
