/** FTP through masquerading: a real client in every mode and family, whose data connections nobody configured. */

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endpoint, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { listening } from '../support/lab/listening.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { Program } from '../support/lab/process.ts'
import { builtProgram, type Uipvs } from '../support/lab/uipvs.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const SERVER = join(import.meta.dirname, '../support/lab/ftp-server.mjs')
const TEXT = 'a file as it is\n'.repeat(1000)

/** How curl is told to open data connections: PASV, EPSV, PORT, EPRT. */
const MODES = [
  ['v4', 'passive', ['--disable-epsv']],
  ['v4', 'extended passive', []],
  ['v4', 'active', ['--ftp-port', '-', '--disable-eprt']],
  ['v4', 'extended active', ['--ftp-port', '-']],
  ['v6', 'extended passive', []],
  ['v6', 'extended active', ['--ftp-port', '-']],
] as const

describe.skipIf(obstacle !== null)('FTP through masquerading', () => {
  let lab: Lab
  let uipvs: Uipvs
  const servers: Program[] = []

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'ftp' })
    for (const host of ['rs1', 'rs2'] as const) {
      const server = lab.spawn(host, [process.execPath, SERVER, '21', TEXT])
      await listening(server, { protocol: 'tcp', port: 21 })
      servers.push(server)
    }
    uipvs = await lab.uipvs()
    for (const family of ['v4', 'v6'] as const) {
      const service = endpoint(VIP.routed[family], 21)
      await uipvs.adm(['-A', '-t', service, '-s', 'rr'])
      for (const host of ['rs1', 'rs2'] as const) {
        const server = endpoint(realServerAddresses(host).back[family], 21)
        await uipvs.adm(['-a', '-t', service, '-r', server, '-m'])
      }
    }
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(MODES)('a file comes: IP%s, %s', async (family, _mode, argv) => {
    const url = `ftp://${endpoint(VIP.routed[family], 21)}/file`
    const answer = await lab.curl('client', url, { argv: [...argv], timeoutMs: 8000 })
    expect(answer).toMatchObject({ status: 226, exitCode: 0 })
    expect(answer.body).toBe(TEXT)
  })

  it.each(MODES)('a file goes: IP%s, %s', async (family, _mode, argv) => {
    const url = `ftp://${endpoint(VIP.routed[family], 21)}/file`
    const upload = ['curl', '--silent', '--max-time', '8', ...argv, '--upload-file', '-', url]
    await lab.exec('client', upload, { input: TEXT })
    expect(servers.some(({ stdout }) => stdout.endsWith(`STORED ${TEXT.length}\n`))).toBe(true)
  })

  it('is counted, as the kernel’s file of helpers has it', async () => {
    const { stdout } = await lab.exec('director', [
      process.execPath,
      builtProgram('uipvs'),
      'proc',
      'ip_vs_app',
      '--socket',
      uipvs.socketPath,
    ])
    expect(stdout).toMatch(/^prot port {4}usecnt name\nTCP {2}21 {6}[1-9]\d* +ftp {14}\n$/)
  })

  it('shows the data connections with their control connection', async () => {
    const { stdout } = await uipvs.adm(['-Lnc'])
    const lines = stdout.split('\n').filter((line) => line.includes(':21 '))
    expect(lines.length).toBeGreaterThanOrEqual(MODES.length)
    const { stdout: listing } = await uipvs.adm(['-Ln', '--stats'])
    expect(listing).toContain(endpoint(VIP.routed.v4, 21))
  })
})
