/** uipvsadm against a running daemon, end to end: what an administrator types, and what comes of it. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

/** The size is that of the connection table, which is not what is tested here. */
const TITLE = 'IP Virtual Server version 1.2.1 (size=N)'
const EMPTY = [
  TITLE,
  'Prot LocalAddress:Port Scheduler Flags',
  '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
]

describe.skipIf(obstacle !== null)('uipvsadm', () => {
  let lab: Lab
  let uipvs: Uipvs

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'adm', realServers: 2 })
    await lab.web('rs1')
    uipvs = await lab.uipvs()
  })

  afterEach(async () => {
    await new ControlClient(uipvs.socketPath).flush()
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it('adds, lists, changes and deletes services and real servers', async () => {
    await adm('-A', '-t', '10.77.0.100:80', '-s', 'wrr')
    await adm('-a', '-t', '10.77.0.100:80', '-r', '10.78.0.11', '-m', '-w', '3')
    await adm('-a', '-t', '10.77.0.100:80', '-r', '10.78.0.12:80', '-m')
    await adm('-A', '-u', '[fd77::100]:53', '-s', 'sh', '-b', 'sh-port')
    await adm('-a', '-u', '[fd77::100]:53', '-r', '[fd78::11]:53', '-i', '-w', '0')
    await adm('-A', '-f', '5')
    await adm('-a', '-f', '5', '-r', '10.78.0.12', '-g', '-x', '10', '-y', '5')
    expect(await adm('-Ln')).toEqual([
      ...EMPTY,
      'TCP  10.77.0.100:80 wrr',
      '  -> 10.78.0.11:80                Masq    3      0          0         ',
      '  -> 10.78.0.12:80                Masq    1      0          0         ',
      'UDP  [fd77::100]:53 sh (sh-port)',
      '  -> [fd78::11]:53                Tunnel  0      0          0         ',
      'FWM  5 wlc',
      '  -> 10.78.0.12:0                 Route   1      0          0         ',
    ])
    expect(await adm('-Ln', '--thresholds', '-f', '5')).toContainEqual(
      expect.stringMatching(/^ {2}-> 10\.78\.0\.12:0 +10 +5 +0 +0 *$/),
    )
    await adm('-E', '-t', '10.77.0.100:80', '-s', 'rr')
    await adm('-e', '-t', '10.77.0.100:80', '-r', '10.78.0.11', '-m', '-w', '7')
    await adm('-d', '-t', '10.77.0.100:80', '-r', '10.78.0.12')
    await adm('-D', '-f', '5')
    await adm('-D', '-u', '[fd77::100]:53')
    const left = '  -> 10.78.0.11:80                Masq    7      0          0         '
    expect(await adm('-Ln')).toEqual([...EMPTY, 'TCP  10.77.0.100:80 rr', left])
    await adm('-C')
    expect(await adm('-Ln')).toEqual(EMPTY)
  })

  it('shows connections, counters and rates, and zeroes the counters', async () => {
    await restore(['-A -t 10.79.0.100:80 -s rr', '-a -t 10.79.0.100:80 -r 10.78.0.11 -m'])
    for (let time = 0; time < 5; time++) {
      expect((await lab.curl('client', `http://${VIP.routed.v4}/`)).body).toBe('rs1\n')
    }
    const [title, columns, ...entries] = await adm('-Lnc')
    expect(title).toBe('IPVS connection entries')
    expect(columns).toBe('pro expire state       source             virtual            destination')
    expect(entries).toHaveLength(5)
    for (const entry of entries) {
      expect(entry).toMatch(
        /^TCP 01:\d\d {2}TIME_WAIT {3}10\.77\.0\.10:\d+ +10\.79\.0\.100:80 +10\.78\.0\.11:80$/,
      )
    }
    expect((await adm('-Ln')).at(-1)).toMatch(/^ {2}-> 10\.78\.0\.11:80 +Masq +1 +0 +5 *$/)

    // Counters are shown as of the last estimation, every two seconds.
    const numbers = async (kind: '--stats' | '--rate') => {
      const [, ...cells] = (await adm('-Ln', kind))
        .find((line) => line.startsWith('TCP'))!
        .split(/\s+/)
        .slice(1)
      return cells.map(Number)
    }
    await expect.poll(async () => (await numbers('--stats'))[0], { timeout: 8000, interval: 200 }).toBe(5)
    const [, inPackets = 0, outPackets = 0, inBytes = 0, outBytes = 0] = await numbers('--stats')
    // SYN, ACK, request and FIN of each, at the least, and what they weigh.
    expect(inPackets).toBeGreaterThanOrEqual(5 * 4)
    expect(outPackets).toBeGreaterThanOrEqual(5 * 3)
    expect(inBytes).toBeGreaterThan(inPackets * 40)
    expect(outBytes).toBeGreaterThan(outPackets * 40)
    for (const rate of (await numbers('--rate')).slice(1)) expect(rate).toBeGreaterThan(0)
    await adm('-Z')
    expect(await numbers('--stats')).toEqual([0, 0, 0, 0, 0])
  })

  it('restores what it saved', async () => {
    const lines = [
      '-A -t 10.77.0.100:80 -s wlc',
      '-a -t 10.77.0.100:80 -r 10.78.0.11:80 -m -w 3',
      '-a -t 10.77.0.100:80 -r 10.78.0.12:80 -g -w 0',
      '-A -f 7 -6 -s rr',
    ]
    await restore(lines)
    expect(await adm('-Sn')).toEqual(lines)
    const listed = await adm('-Ln')
    await adm('-C')
    await restore(lines)
    expect(await adm('-Ln')).toEqual(listed)
    expect((await lab.curl('client', `http://${VIP.local.v4}/`)).body).toBe('rs1\n')
  })

  it('sets timeouts, 0 leaving one as it is', async () => {
    await adm('--set', '100', '0', '30')
    expect(await adm('-L', '--timeout')).toEqual(['Timeout (tcp tcpfin udp): 100 120 30'])
    await adm('--set', '900', '0', '300')
    expect(await adm('-L', '--timeout')).toEqual(['Timeout (tcp tcpfin udp): 900 120 300'])
  })

  it('tells refusals in the words of ipvsadm', async () => {
    await adm('-A', '-t', '10.77.0.100:80')
    const refusal = async (...argv: string[]) => {
      const { status, stdout, stderr } = await uipvs.adm(argv, { mayFail: true })
      return { status, stdout, stderr }
    }
    const refused = (stderr: string) => ({ status: 255, stdout: '', stderr })
    expect(await refusal('-A', '-t', '10.77.0.100:80')).toEqual(refused('Service already exists\n'))
    expect(await refusal('-D', '-t', '10.77.0.100:81')).toEqual(refused('No such service\n'))
    expect(await refusal('-d', '-t', '10.77.0.100:80', '-r', '10.78.0.12')).toEqual(
      refused('No such destination\n'),
    )
    expect(await refusal('-E', '-t', '10.77.0.100:80', '-s', 'best')).toMatchObject({
      status: 255,
      stdout: '',
    })
  })

  it('says so when no daemon is running', async () => {
    const other = await lab.uipvs({ config: { firstQueue: 7100 } })
    expect(await other.stop()).toBe(0)
    const { status, stdout, stderr } = await other.adm(['-Ln'], { mayFail: true })
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain("Are you sure that 'uipvs run' is running?")
  })

  /** Runs each line, without the program's name, as a command. */
  async function restore(lines: readonly string[]): Promise<void> {
    await uipvs.adm(['-R'], { input: lines.map((line) => `${line}\n`).join('') })
  }

  /** Runs uipvsadm, which must succeed and complain of nothing; returns the lines that it prints. */
  async function adm(...argv: string[]): Promise<string[]> {
    const { stdout, stderr } = await uipvs.adm(argv)
    expect(stderr).toBe('')
    return stdout
      .replace(/\(size=\d+\)/, '(size=N)')
      .split('\n')
      .slice(0, -1)
  }
})
