import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkConfiguration } from '../../../forwarder/life/check.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'uipvs-check-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

function checked(config: unknown): string {
  const path = join(directory, 'config.json')
  writeFileSync(path, JSON.stringify(config))
  return checkConfiguration(path)
}

const SERVICE = { protocol: 'tcp', address: '10.0.0.1', port: 80 }
const SERVER = { address: '192.168.1.1', port: 8080, method: 'masquerading' }

describe('checking a configuration', () => {
  it('says what a start with it would do', () => {
    const text = checked({ firstQueue: 20, services: [{ ...SERVICE, destinations: [SERVER] }] })
    expect(text).toContain('the configuration is in order\nqueues 20 and 21 by the driver netlink')
    expect(text).toContain('tcp:10.0.0.1:80 by queue 20 (super-packets')
    expect(text).toContain(
      '-A UIPVS-REQUEST -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j NFQUEUE --queue-num 20\n',
    )
    expect(text).toContain(
      '-A UIPVS-REPLY -s 192.168.1.1/32 -p tcp -m tcp --sport 8080 -j NFQUEUE --queue-num 20\n',
    )
    expect(text).not.toContain('ip6tables')
  })

  it('does without a file: then that is what a start without one would do', () => {
    expect(checkConfiguration(undefined)).toMatch(
      /^the configuration is in order\nqueues 7000 and 7001 [^\n]+\n$/,
    )
  })

  it.each([
    [{ colour: 'red' }, 'is refused: '],
    [{ services: [SERVICE, SERVICE] }, 'service tcp:10.0.0.1:80 exists already'],
    [{ services: [{ ...SERVICE, scheduler: 'best' }] }, "scheduler 'best' is not one of: "],
    [
      { services: [{ ...SERVICE, destinations: [SERVER, SERVER] }] },
      'has a destination 192.168.1.1:8080 already',
    ],
    [{ services: [{ ...SERVICE, destinations: [{ address: 'fd00::1', port: 1 }] }] }, 'fd00::1 is not IPv4'],
    [{ timeouts: { tcp: 2_000_000_000, tcpFin: 0, udp: 0 } }, 'tcp timeout 2000000000 is above'],
    [{ knobs: { drop_entry: 4 } }, 'drop_entry is a whole number from 0 to 3'],
  ])('refuses what a start would refuse, by file and value: %j', (config, message) => {
    expect(() => checked(config)).toThrow(message)
    expect(() => checked(config)).toThrow(`the configuration file ${join(directory, 'config.json')} `)
  })
})
