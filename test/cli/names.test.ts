import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { namedLabels, parseHosts, parseServices, type ReverseDns, systemNames } from '../../cli/names.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'uipvsadm-names-'))
  await writeFile(
    join(directory, 'hosts'),
    '127.0.0.1 localhost vm\n127.0.0.1 other\nfd00:0:0::1 six # note\n',
  )
  await writeFile(join(directory, 'services'), 'http 80/tcp www # web\nhttp2 80/tcp\ndomain 53/udp\n')
})
afterAll(() => rm(directory, { recursive: true }))

const silent: ReverseDns = { reverse: () => Promise.reject(new Error('no name')), cancel: () => {} }
const namesWith = (dns: ReverseDns, totalMs = 1000) =>
  systemNames({
    hostsFile: join(directory, 'hosts'),
    servicesFile: join(directory, 'services'),
    dns,
    totalMs,
  })

describe('systemNames', () => {
  it('knows services by name and alias, for their transport only', async () => {
    const names = namesWith(silent)
    expect(await names.portOf('http', 'tcp')).toBe(80)
    expect(await names.portOf('www', 'tcp')).toBe(80)
    expect(await names.portOf('http', 'udp')).toBeNull()
    expect(await names.portOf('constructor', 'tcp')).toBeNull()
  })

  it('asks DNS only for what the hosts file does not name', async () => {
    const asked: string[] = []
    const dns: ReverseDns = {
      ...silent,
      reverse: async (address) => {
        asked.push(address)
        return [`host-${address}`, 'second']
      },
    }
    const hosts = await namesWith(dns).hosts(new Set(['127.0.0.1', 'fd00::1', '10.0.0.1']))
    expect(asked).toEqual(['10.0.0.1'])
    expect(Object.fromEntries(hosts)).toEqual({
      '127.0.0.1': 'localhost',
      'fd00::1': 'six',
      '10.0.0.1': 'host-10.0.0.1',
    })
  })

  it('does without the names that DNS does not give in time', async () => {
    let giveUp: (reason: Error) => void = () => {}
    let questions = 0
    const dns: ReverseDns = {
      reverse: (address) => {
        questions++
        if (address === '10.0.0.1') return Promise.resolve(['quick'])
        return new Promise((_, reject) => {
          const previous = giveUp
          giveUp = (reason) => {
            previous(reason)
            reject(reason)
          }
        })
      },
      cancel: () => giveUp(new Error('cancelled')),
    }
    const addresses = new Set(Array.from({ length: 100 }, (_, index) => `10.0.0.${index + 1}`))
    const hosts = await namesWith(dns, 30).hosts(addresses)
    expect(Object.fromEntries(hosts)).toEqual({ '10.0.0.1': 'quick' })
    expect(questions).toBeLessThan(20)
  })

  it('does without files that are not there', async () => {
    const names = systemNames({ hostsFile: '/nonexistent', servicesFile: '/nonexistent', dns: silent })
    expect(await names.portOf('http', 'tcp')).toBeNull()
    expect((await names.hosts(new Set(['127.0.0.1']))).size).toBe(0)
  })

  it.each(['', 'a b', ':', 'ü', '\0'])('knows no address of %j', async (host) => {
    expect(await namesWith(silent).addressOf(host)).toBeNull()
  })
})

describe('namedLabels', () => {
  it('leaves numbers where there is no name', async () => {
    const labels = await namedLabels(namesWith(silent), new Set(['127.0.0.1', '10.0.0.1']))
    expect([labels.host('127.0.0.1'), labels.host('10.0.0.1')]).toEqual(['localhost', '10.0.0.1'])
    expect([
      labels.port(80, 'tcp'),
      labels.port(80, 'sctp'),
      labels.port(80, null),
      labels.port(0, 'tcp'),
    ]).toEqual(['http', '80', '80', '0'])
  })
})

describe('parseServices', () => {
  it('takes the first name of a port and ignores lines that are none', () => {
    const { names, ports } = parseServices(
      'http 80/tcp www\nhttp2 80/tcp\nbad\nworse 99999/tcp\n# x 1/tcp\n\n',
    )
    expect([...names]).toEqual([['80/tcp', 'http']])
    expect([...ports.keys()]).toEqual(['http/tcp', 'www/tcp', 'http2/tcp'])
  })
})

describe('parseHosts', () => {
  it('takes the first name of an address, whatever way the address is written', () => {
    expect([...parseHosts('fd00:0::1 six\nfd00::1 again\nnonsense x\n10.0.0.1\n')]).toEqual([
      ['fd00::1', 'six'],
    ])
  })
})
