import { describe, expect, it } from 'vitest'
import { judgeMethods } from '../../../forwarder/doctor/methods.ts'
import { type Finding, PROBE_NAMES, type ProbeName } from '../../../forwarder/doctor/probe.ts'

const findings = (...missing: ProbeName[]): Finding[] =>
  PROBE_NAMES.map((name) => ({ name, status: missing.includes(name) ? 'missing' : 'ok', found: 'as it is' }))

const judged = (...missing: ProbeName[]) =>
  Object.fromEntries(judgeMethods(findings(...missing)).map((method) => [method.method, method]))

describe('judgeMethods', () => {
  it('takes the best way of each method where nothing is missing', () => {
    const { masquerading, gatewaying, ipip } = judged()
    expect([masquerading?.works, gatewaying?.works, ipip?.works]).toEqual([true, true, true])
    expect(gatewaying?.path).toContain('egressDriver route')
  })

  it('falls back to frames, then to libpcap, for gatewaying', () => {
    expect(judged('policy-routing')['gatewaying']).toMatchObject({
      works: true,
      path: expect.stringContaining('frame'),
    })
    expect(judged('policy-routing', 'packet-socket')['gatewaying']).toMatchObject({
      works: true,
      path: expect.stringContaining('cap'),
    })
    expect(judged('policy-routing', 'packet-socket', 'npm-cap')['gatewaying']).toMatchObject({
      works: false,
      missing: ['policy-routing'],
    })
  })

  it('needs forwarding by the kernel for masquerading, but neither for frames nor for tunnels', () => {
    const { masquerading, gatewaying, ipip } = judged('ipv4-forwarding')
    expect(masquerading).toMatchObject({ works: false, missing: ['ipv4-forwarding'] })
    expect(gatewaying).toMatchObject({ works: true, path: expect.stringContaining('frame') })
    expect(ipip?.works).toBe(true)
  })

  it.each(['capabilities', 'native-addon', 'iptables-ipv4', 'nfqueue'] as const)(
    'works nowhere without %s',
    (name) => {
      for (const method of judgeMethods(findings(name)))
        expect(method).toMatchObject({ works: false, missing: [name] })
    },
  )

  it.each(['iptables-ipv6', 'nft-queue', 'npm-nfqueue', 'kernel-ipvs'] as const)(
    'does without %s',
    (name) => {
      for (const method of judgeMethods(findings(name))) expect(method.works).toBe(true)
    },
  )

  it('does not count what is only degraded as missing', () => {
    const degraded = findings().map((finding): Finding => ({ ...finding, status: 'degraded' }))
    for (const method of judgeMethods(degraded)) expect(method.works).toBe(true)
  })
})
