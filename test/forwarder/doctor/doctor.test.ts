import { describe, expect, it } from 'vitest'
import { doctor, formatReport } from '../../../forwarder/doctor/index.ts'
import { judgeConntrack, judgeVariant } from '../../../forwarder/doctor/netfilter-probes.ts'
import { judgeQueue } from '../../../forwarder/doctor/sockets.ts'
import {
  describeMtus,
  judgeCapabilities,
  judgeForwarding,
  judgeSocketBuffers,
} from '../../../forwarder/doctor/system-probes.ts'
import type { IptablesVariant } from '../../../forwarder/host/iptables.ts'

const NET_ADMIN = 1n << 12n
const NET_RAW = 1n << 13n
const variant: IptablesVariant = {
  family: 4,
  program: 'iptables',
  backend: 'nft',
  notrack: true,
  fragments: true,
}

describe('doctor', () => {
  it('reports what a probe threw as missing', async () => {
    const { findings, isReady } = await doctor({
      probes: [
        {
          name: 'nfqueue',
          run: () => {
            throw new Error('no such queue\nand a stack')
          },
        },
        { name: 'tools', run: () => ({ status: 'ok', found: 'ip 6.1' }) },
      ],
    })
    expect(findings).toEqual([
      { name: 'nfqueue', status: 'missing', found: 'no such queue' },
      { name: 'tools', status: 'ok', found: 'ip 6.1' },
    ])
    expect(isReady).toBe(false)
  })

  it('is ready when every method works', async () => {
    expect(
      (await doctor({ probes: [{ name: 'tools', run: () => ({ status: 'ok', found: '' }) }] })).isReady,
    ).toBe(true)
  })
})

describe('formatReport', () => {
  it('aligns, breaks long lines, and shows remedies only where something is wrong', async () => {
    const report = await doctor({
      probes: [
        { name: 'tools', run: () => ({ status: 'ok', found: 'ip 6.1', remedy: 'never shown' }) },
        {
          name: 'nfqueue',
          run: () => ({ status: 'missing', found: 'no word '.repeat(20).trim(), remedy: 'do this' }),
        },
      ],
    })
    expect(formatReport(report)).toBe(`ok        tools         ip 6.1
missing   nfqueue       no word no word no word no word no word no word no word no word no word no word no
                        word no word no word no word no word no word no word no word no word no word
                        -> do this

fails     masquerading  queue, rewritten packet in the verdict, forwarded by the kernel; missing: nfqueue
fails     gatewaying    queue, mark in the verdict, policy routing (egressDriver route); missing: nfqueue
fails     ipip          queue, outer header in front, raw socket; missing: nfqueue

Not all forwarding methods work here.
`)
  })
})

describe('the judgements', () => {
  it('names the capabilities that are missing', () => {
    expect(judgeCapabilities(NET_ADMIN | NET_RAW, 0).status).toBe('ok')
    expect(judgeCapabilities(NET_ADMIN, 1000)).toMatchObject({
      status: 'missing',
      found: 'user 1000 has no CAP_NET_RAW',
      remedy: expect.stringContaining('AmbientCapabilities=CAP_NET_RAW'),
    })
  })

  it('tells an iptables that is not installed from one that does not work', () => {
    expect(judgeVariant(4, { variant, problems: [] }).status).toBe('ok')
    expect(judgeVariant(4, { variant: { ...variant, notrack: false }, problems: [] }).status).toBe('degraded')
    const absent = ['ip6tables', 'ip6tables-nft'].map((program) => ({ program, problem: 'not installed' }))
    expect(judgeVariant(6, { variant: null, problems: absent })).toMatchObject({
      found: 'ip6tables: not installed; IPv6 services are refused',
      remedy: expect.stringContaining('apt-get install iptables'),
    })
    const broken = [...absent, { program: 'ip6tables-legacy', problem: 'no table' }]
    expect(judgeVariant(6, { variant: null, problems: broken })).toMatchObject({
      found: 'ip6tables-legacy: no table; IPv6 services are refused',
      remedy: expect.stringContaining('CONFIG_NETFILTER_XT_TARGET_NFQUEUE and IPv6'),
    })
  })

  it('minds connection tracking only where it is active and cannot be avoided', () => {
    expect(judgeConntrack(null, { variant, problems: [] }).status).toBe('ok')
    expect(judgeConntrack(0, { variant: { ...variant, notrack: false }, problems: [] }).status).toBe('ok')
    expect(judgeConntrack(7, { variant, problems: [] })).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('7 conn'),
    })
    expect(judgeConntrack(7, { variant: { ...variant, notrack: false }, problems: [] }).status).toBe(
      'degraded',
    )
  })

  it('calls a queue without super-packets degraded, and none missing', () => {
    const all = { queue: null, gso: null, rawSocket: null, packetSocket: null }
    expect(judgeQueue(all).status).toBe('ok')
    expect(judgeQueue({ ...all, gso: 'EOPNOTSUPP' }).status).toBe('degraded')
    expect(judgeQueue({ ...all, queue: 'EPERM', gso: 'EPERM' })).toMatchObject({
      status: 'missing',
      found: 'EPERM',
    })
  })

  it('minds forwarding only where it is off and cannot be switched on', () => {
    expect(judgeForwarding('net/ipv4/ip_forward', '1', false).status).toBe('ok')
    expect(judgeForwarding('net/ipv4/ip_forward', '0', true).status).toBe('ok')
    expect(judgeForwarding('net/ipv4/ip_forward', '0', false)).toMatchObject({
      status: 'missing',
      remedy: expect.stringContaining('net.ipv4.ip_forward=1'),
    })
    expect(judgeForwarding('net/ipv6/conf/all/forwarding', null, false).status).toBe('missing')
  })

  it('minds the limits of socket buffers only where they bind', () => {
    expect(judgeSocketBuffers([4_194_304, 4_194_304], true).status).toBe('ok')
    expect(judgeSocketBuffers([212_992, 212_992], false).status).toBe('ok')
    expect(judgeSocketBuffers([4_194_304, 212_992], true)).toMatchObject({
      status: 'degraded',
      remedy: expect.stringContaining('net.core.wmem_max=4194304'),
    })
  })

  it('says what a tunnel leaves of each MTU', () => {
    const devices = ['lo', 'a', 'b', 'c', 'd', 'e'].map((name) => ({ name, mtuBytes: 1500 }))
    expect(describeMtus(devices).found).toMatch(/^a 1500 \(ipip 1480, over IPv6 1460\), b .*, d .*, 1 more$/)
    expect(describeMtus([{ name: 'lo', mtuBytes: 65_536 }]).status).toBe('degraded')
  })
})
