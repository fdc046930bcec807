/** The daemon's configuration file, spoiled in every way: accepted, or refused in one line that names the file. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DaemonConfig, readConfig, UsageError } from '../forwarder/config.ts'
import { checkConfiguration } from '../forwarder/life/check.ts'
import { spoiled } from './arbitraries/json.ts'

const GOOD = {
  firstQueue: 7000,
  queueLength: 1024,
  markMask: 0x00ff_0000,
  connectionLimit: 4096,
  answersEcho: true,
  logLevel: 'warn',
  timeouts: { tcp: 900, tcpFin: 120, udp: 300 },
  knobs: { conn_reuse_mode: 0, sync_threshold: '3 50' },
  services: [
    {
      protocol: 'tcp',
      address: '10.0.0.1',
      port: 80,
      scheduler: 'wlc',
      persistentSeconds: 300,
      netmask: '255.255.255.0',
      destinations: [
        { address: '192.168.1.1', port: 8080, method: 'masquerading', weight: 2, upperThreshold: 9 },
        {
          address: 'fd01::1',
          port: 80,
          method: 'ipip',
          tunnel: { type: 'gue', port: 6080, checksum: 'remote' },
        },
      ],
    },
    { fwmark: 7, family: 'ipv6', scheduler: 'mh', schedulerFlags: ['flag-1'], destinations: [] },
  ],
}

let folder: string
let path: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'uipvs-config-'))
  path = join(folder, 'uipvs.json')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The flaw as the operator is told it; null where the file is taken. */
function refusalOf(text: string): string | null {
  writeFileSync(path, text)
  try {
    readConfig(path)
    checkConfiguration(path)
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return (error as Error).message
  }
}

function expectOneLine(refusal: string | null): void {
  if (refusal === null) return
  expect(refusal).toContain(path)
  expect(refusal.split('\n')).toHaveLength(1)
  expect(refusal).not.toMatch(/ at .*\.[jt]s:\d/)
}

describe('a configuration file', () => {
  it('that is in order is taken', () => {
    expect(refusalOf(JSON.stringify(GOOD))).toBeNull()
  })

  it('with one thing wrong in it is refused in one line, or means something after all', () => {
    let refused = 0
    fc.assert(
      fc.property(spoiled(GOOD), (value) => {
        const refusal = refusalOf(JSON.stringify(value))
        expectOneLine(refusal)
        if (refusal !== null) refused++
        else expect(DaemonConfig.safeParse(value).success).toBe(true)
      }),
      { numRuns: 300 },
    )
    expect(refused).toBeGreaterThan(100)
  })

  it('that is cut off, or overwritten somewhere, is refused in one line or still JSON', () => {
    const text = JSON.stringify(GOOD)
    fc.assert(
      fc.property(fc.nat(text.length), fc.string({ maxLength: 4 }), fc.boolean(), (at, other, isCut) => {
        const spoiltText = isCut
          ? text.slice(0, at)
          : text.slice(0, at) + other + text.slice(at + other.length)
        expectOneLine(refusalOf(spoiltText))
      }),
      { numRuns: 300 },
    )
  })
})
