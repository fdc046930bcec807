/** What scripts read and run beside uipvsadm, against a daemon that has forwarded something. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { Connection, Service } from '../../control/index.ts'
import { VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import { builtProgram, type Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const SAVED = '-A -t 10.79.0.100:80 -s rr -p 300\n-a -t 10.79.0.100:80 -r 10.78.0.11:80 -m -w 1 -x 9\n'

describe.skipIf(obstacle !== null)('with a daemon that has forwarded something', () => {
  let lab: Lab
  let uipvs: Uipvs

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'admg1', realServers: 1 })
    await lab.web('rs1')
    uipvs = await lab.uipvs()
    expect(await restore(SAVED)).toBe('')
    for (let time = 0; time < 3; time++)
      expect((await lab.curl('client', `http://${VIP.routed.v4}/`)).body).toBe('rs1\n')
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it('uipvs proc ip_vs_conn prints the connections and their template as the kernel would', async () => {
    const [header, ...lines] = (await run('uipvs', 'proc', 'ip_vs_conn')).split('\n').slice(0, -1)
    expect(header).toBe('Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData')
    const ends = '0A4F0064 0050 0A4E000B 0050'
    const templates = lines.filter((line) => line.startsWith(`TCP 0A4D000A 0000 ${ends} ASSURED     `))
    const connections = lines.filter((line) =>
      new RegExp(`^TCP 0A4D000A [0-9A-F]{4} ${ends} TIME_WAIT    +1?\\d{2}$`).test(line),
    )
    expect(templates).toHaveLength(1)
    expect(connections).toHaveLength(3)
    expect(lines).toHaveLength(4)
  })

  it('uipvs proc ip_vs prints the services as the kernel would', async () => {
    const file = await run('uipvs', 'proc', 'ip_vs', '--hz', '250')
    expect(file.replace(/size=\d+/, 'size=4096')).toBe(
      'IP Virtual Server version 1.2.1 (size=4096)\n' +
        'Prot LocalAddress:Port Scheduler Flags\n' +
        '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n' +
        'TCP  0A4F0064:0050 rr  persistent 75000 FFFFFFFF\n' +
        '  -> 0A4E000B:0050      Masq    1      0          3         \n',
    )
  })

  it('uipvs proc ip_vs_stats and --tot-stats agree with what the services have counted', async () => {
    const statsOf = async () => (await run('uipvs', 'proc', 'ip_vs_stats')).split('\n')[2]!.trim().split(/ +/)
    await expect.poll(async () => (await statsOf())[0], { timeout: 8000, interval: 200 }).toBe('3')
    const shown = (await statsOf()).map((digits) => Number.parseInt(digits, 16))
    const { services } = z.object({ services: z.array(Service) }).parse(await json('-L'))
    const { connections, inPackets, outPackets, inBytes, outBytes } = services[0]!.counters
    expect(shown).toEqual([connections, inPackets, outPackets, inBytes, outBytes])
    expect(inPackets).toBeGreaterThanOrEqual(3 * 4)
    expect(await json('-L', '--tot-stats')).toMatchObject({ counters: services[0]!.counters })
    const byCpu = (await run('uipvs', 'proc', 'ip_vs_stats_percpu')).split('\n')
    expect(byCpu[2]!.slice(4)).toBe(byCpu[3]!.slice(4))
    await run('uipvsadm', '-Z')
    expect(await statsOf()).toEqual(['0', '0', '0', '0', '0'])
    const zeroed = (await run('uipvs', 'proc', 'ip_vs_stats_percpu')).split('\n')
    expect(zeroed[2]).toBe(byCpu[2])
    expect(zeroed[3]).toBe('  ~        0        0        0                0                0')
  })

  it('uipvsadm prints every listing as JSON', async () => {
    const { connections } = z.object({ connections: z.array(Connection) }).parse(await json('-Lc'))
    expect(connections).toHaveLength(4)
    expect(await json('-L', '--timeout')).toEqual({ tcp: 900, tcpFin: 120, udp: 300 })
    expect(await json('-L', '-t', '10.79.0.100:80')).toMatchObject({
      id: 'tcp:10.79.0.100:80',
      destinations: [{ address: '10.78.0.11', upperThreshold: 9, inactiveConnections: 3 }],
    })
  })

  it('uipvsadm-restore makes what uipvsadm-save printed, thresholds and all, and connections go on', async () => {
    expect(await run('uipvsadm-save', '-n')).toBe(SAVED)
    expect(await restore(`# of last night\n-A -f 7\n${SAVED}`)).toBe('')
    expect(await run('uipvsadm-save', '-n')).toBe(`${SAVED}-A -f 7 -s wlc\n`)
    expect((await lab.curl('client', `http://${VIP.routed.v4}/`)).body).toBe('rs1\n')
  })

  type ProgramName = Parameters<typeof builtProgram>[0]

  /** Runs a program of ours on the director and returns what it printed; it must end well, and complain of nothing. */
  async function run(name: ProgramName, ...words: string[]): Promise<string> {
    return await runWith({}, name, ...words)
  }

  async function runWith(
    options: { input?: string },
    name: ProgramName,
    ...words: string[]
  ): Promise<string> {
    const argv = [process.execPath, builtProgram(name), ...words]
    const ran = await lab.exec('director', argv, { ...options, env: { UIPVS_SOCKET: uipvs.socketPath } })
    expect(ran).toMatchObject({ status: 0, stderr: '' })
    return ran.stdout
  }

  const restore = (input: string): Promise<string> => runWith({ input }, 'uipvsadm-restore')

  const json = async (...words: string[]): Promise<unknown> =>
    JSON.parse(await run('uipvsadm', ...words, '--json'))
})
