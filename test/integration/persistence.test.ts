/** Clients that stay with their real server, and datagrams that never do, as an administrator sets them up. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ControlClient } from '../../control/client.ts'
import { defaultKnobs } from '../../lib/director/knobs.ts'
import { realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const SERVERS = ['rs1', 'rs2', 'rs3'] as const
const WEB_PORT = 80
const ECHO_PORT = 5060
const WEB = `${VIP.routed.v4}:${WEB_PORT}`
const ECHO = `${VIP.routed.v4}:${ECHO_PORT}`

describe.skipIf(obstacle !== null)('uipvsadm', () => {
  let lab: Lab
  let uipvs: Uipvs
  let control: ControlClient
  /** Up to 99: the next is a VIP. */
  let lastClient = 19

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'stay', vips: ['routed'] })
    await Promise.all(
      SERVERS.flatMap((server) => [lab.web(server, { port: WEB_PORT }), lab.udpEcho(server, ECHO_PORT)]),
    )
    uipvs = await lab.uipvs({ config: { knobs: { expire_quiescent_template: 1 } } })
    control = new ControlClient(uipvs.socketPath)
  })

  afterEach(async () => {
    await control.flush()
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it('-p keeps each client on one real server', async () => {
    await service(['-t', WEB], ['-s', 'rr', '-p', '300'])
    const clients = [await freshClient(), await freshClient(), await freshClient()]
    const servers: string[] = []
    for (const from of clients) servers.push(await onlyServerOf(from))
    // A client's first connection is scheduled: in turn.
    expect([...servers].sort()).toEqual([...SERVERS])
    expect(await onlyServerOf(clients[0] as string)).toBe(servers[0])

    expect(await adm('-Ln')).toContain(`TCP  ${WEB} rr persistent 300`)
    const templates = (await adm('-Lnc')).filter((line) => line.includes(' ASSURED '))
    expect(templates.map((line) => line.split(/ +/))).toEqual(
      expect.arrayContaining(
        clients.map((client, index) => {
          const server = realServerAddresses(servers[index] as 'rs1').back.v4
          const left = expect.stringMatching(/^0[45]:\d\d$/)
          return ['TCP', left, 'ASSURED', `${client}:0`, WEB, `${server}:${WEB_PORT}`]
        }),
      ),
    )
    expect(templates).toHaveLength(clients.length)
    const persistent = (await adm('-Ln', '--persistent-conn')).filter((line) => line.startsWith('  -> 10.'))
    expect(persistent.map((line) => line.trim().split(/ +/)[3])).toEqual(['1', '1', '1'])
  })

  it('-M keeps clients of one network together', async () => {
    await service(['-t', WEB], ['-s', 'rr', '-p', '300', '-M', '255.255.255.0'])
    const first = await onlyServerOf(await freshClient())
    expect(await onlyServerOf(await freshClient())).toBe(first)
    expect(await onlyServerOf(await freshClient())).toBe(first)
    expect(await adm('-Ln')).toContain(`TCP  ${WEB} rr persistent 300 mask 255.255.255.0`)
    expect((await adm('-Lnc')).filter((line) => line.includes('10.77.0.0:0'))).toHaveLength(1)
  })

  it('-p without a port keeps a client on one real server for every port', async () => {
    await service(['-t', VIP.routed.v4], ['-s', 'rr', '-p'])
    const from = await freshClient()
    const server = await onlyServerOf(from)
    expect(await adm('-Ln')).toContain(`TCP  ${VIP.routed.v4}:0 rr persistent 360`)
    const [template] = (await adm('-Lnc')).filter((line) => line.includes(` ${from}:0 `))
    const address = realServerAddresses(server as 'rs1').back.v4
    expect(template).toMatch(new RegExp(` ${VIP.routed.v4}:0 +${address}:0$`))
  })

  it('finds the knobs of the configuration file in force: a quiesced server keeps no client', async () => {
    expect(await control.knobs()).toMatchObject({ ...defaultKnobs(), expire_quiescent_template: 1 })
    await service(['-t', WEB], ['-s', 'rr', '-p', '300'])
    const from = await freshClient()
    const server = (await onlyServerOf(from)) as 'rs1'
    const quiesce = () => adm('-e', '-t', WEB, '-r', realServerAddresses(server).back.v4, '-m', '-w', '0')

    await control.setKnobs({ expire_quiescent_template: 0 })
    await quiesce()
    expect(await onlyServerOf(from)).toBe(server)
    expect(await control.setKnobs({ expire_quiescent_template: 1 })).toMatchObject({
      expire_quiescent_template: 1,
    })
    expect(await onlyServerOf(from)).not.toBe(server)
  })

  it('changes all knobs of a request or none', async () => {
    const before = await control.knobs()
    const flawed = { sloppy_tcp: 1, drop_entry: 4 }
    await expect(control.setKnobs(flawed)).rejects.toMatchObject({
      errno: 'EINVAL',
      message: 'drop_entry is a whole number from 0 to 3, not 4',
    })
    expect(await control.knobs()).toEqual(before)
  })

  it('-o schedules every datagram, whatever port it is from', async () => {
    await service(['-u', ECHO], ['-s', 'rr', '-o'], '-g')
    const answers: (string | undefined)[] = []
    for (let sent = 0; sent < 6; sent++) answers.push(await ask('who?', 4001))
    expect([...answers.slice(0, 3)].sort()).toEqual([...SERVERS])
    expect(answers.slice(3)).toEqual(answers.slice(0, 3))
    expect(await adm('-Ln')).toContain(`UDP  ${ECHO} rr ops`)
    expect((await adm('-Lnc')).filter((line) => line.startsWith('UDP'))).toEqual([])
  })

  it('--pe sip keeps a call on one real server, and tells calls of one client apart', async () => {
    await service(['-u', ECHO], ['-s', 'rr', '-p', '60', '--pe', 'sip'])
    const invite = (call: string) => `INVITE sip:bob@b.example SIP/2.0\r\nCall-ID: ${call}\r\n\r\n`
    const calls = ['one@a', 'two@a', 'three@a']
    const servers: (string | undefined)[] = []
    for (const [index, call] of calls.entries()) servers.push(await ask(invite(call), 4101 + index))
    expect([...servers].sort()).toEqual([...SERVERS])
    for (const [index, call] of calls.entries())
      expect(await ask(invite(call), 4201 + index)).toBe(servers[index])
    const listed = await adm('-Lnc', '--persistent-conn')
    for (const call of calls) expect(listed).toContainEqual(expect.stringMatching(` sip +${call}$`))

    const saved = await adm('-Sn')
    expect(saved[0]).toBe(`-A -u ${ECHO} -s rr -p 60 --pe sip`)
    await adm('-C')
    await uipvs.adm(['-R'], { input: `${saved.join('\n')}\n` })
    expect(await adm('-Sn')).toEqual(saved)
  })

  async function service(
    name: readonly [string, string],
    settings: readonly string[],
    method = '-m',
  ): Promise<void> {
    await adm('-A', ...name, ...settings)
    for (const server of SERVERS) await adm('-a', ...name, '-r', realServerAddresses(server).back.v4, method)
  }

  async function adm(...words: string[]): Promise<string[]> {
    return (await uipvs.adm(words)).stdout.trimEnd().split('\n')
  }

  /** The real server that all of twenty requests reach. */
  async function onlyServerOf(from: string): Promise<string> {
    const { byBody, failed } = await lab.requests('client', `http://${WEB}/`, { count: 20, from })
    expect({ failed, servers: byBody.size }).toEqual({ failed: 0, servers: 1 })
    return [...byBody.keys()][0] as string
  }

  async function ask(text: string, fromPort: number): Promise<string | undefined> {
    const [address, port] = [VIP.routed.v4, ECHO_PORT]
    return (await lab.udpRequest('client', { address, port, text, fromPort }))?.split(':')[0]
  }

  async function freshClient(): Promise<string> {
    const address = `10.77.0.${++lastClient}`
    await lab.exec('client', ['ip', 'address', 'add', `${address}/24`, 'dev', 'front'])
    return address
  }
})
