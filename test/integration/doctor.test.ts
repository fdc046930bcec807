/** `uipvs doctor` as built, on the real kernel: in a namespace as root, and without privileges. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Report } from '../../forwarder/doctor/index.ts'
import { joinedNamespaces, runIn } from '../support/namespaces.ts'

const HERE = 'uipvs-doctor-a'
const THERE = 'uipvs-doctor-b'
const PROGRAM = fileURLToPath(new URL('../../dist/bin/uipvs.js', import.meta.url))

let remove: () => void
beforeEach(() => {
  ;({ remove } = joinedNamespaces(
    { namespace: HERE, device: 'd0', addresses: ['10.9.0.1/24'] },
    { namespace: THERE, device: 'd1', addresses: ['10.9.0.2/24'] },
  ))
})
afterEach(() => remove())

function examine(...before: string[]): { report: Report; status: number | null } {
  const argv = ['netns', 'exec', HERE, ...before, process.execPath, PROGRAM, 'doctor', '--json']
  const { status, stdout } = spawnSync('ip', argv, { encoding: 'utf8', timeout: 30_000 })
  return { report: JSON.parse(stdout) as Report, status }
}

describe('uipvs doctor', () => {
  it('finds that every method works here, and leaves the host as it is', () => {
    const look = () =>
      [
        ['nft', 'list', 'ruleset'],
        ['iptables-legacy-save'],
        ['ip', 'rule'],
        ['ip', '-6', 'rule'],
        ['sysctl', '-a', '--ignore', '--pattern', '^net\\.ipv[46]\\.(conf|ip_forward)'],
      ].map(([command, ...args]) => runIn(HERE, command as string, ...args))
    const before = look()
    const { report, status } = examine()
    expect(report.methods.map(({ method, works }) => [method, works])).toEqual([
      ['masquerading', true],
      ['gatewaying', true],
      ['ipip', true],
    ])
    expect(report.isReady).toBe(true)
    expect(status).toBe(0)
    expect(report.findings.find(({ name }) => name === 'mtu')?.found).toBe(
      'd0 1500 (ipip 1480, over IPv6 1460)',
    )
    expect(look()).toEqual(before)
  })

  it('says without privileges what is missing and what to do', () => {
    const { report, status } = examine('setpriv', '--bounding-set=-net_admin,-net_raw,-sys_admin')
    expect(status).toBe(1)
    expect(report.isReady).toBe(false)
    expect(report.findings.find(({ name }) => name === 'capabilities')).toMatchObject({
      status: 'missing',
      found: 'user 0 has no CAP_NET_ADMIN and no CAP_NET_RAW',
      remedy: expect.stringContaining('AmbientCapabilities'),
    })
    for (const method of report.methods) expect(method.missing).toContain('capabilities')
  })
})
