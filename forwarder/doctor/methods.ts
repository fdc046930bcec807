/** Which way each forwarding method would take on this host. Pure. */

import { forwardingMethods } from '../../control/schema.ts'
import type { Finding, ProbeName } from './probe.ts'

export type ForwardingMethod = (typeof forwardingMethods)[number]

export interface MethodFinding {
  readonly method: ForwardingMethod
  readonly works: boolean
  /** The way that packets take; where the method does not work, the way that is nearest. */
  readonly path: string
  /** What is missing on that way. */
  readonly missing: readonly ProbeName[]
}

const QUEUE: readonly ProbeName[] = ['capabilities', 'tools', 'native-addon', 'iptables-ipv4', 'nfqueue']

/** The ways of each method, the best first; the first on which nothing is missing is taken. */
const WAYS: Readonly<
  Record<ForwardingMethod, readonly { readonly path: string; readonly needs: readonly ProbeName[] }[]>
> = {
  masquerading: [
    {
      path: 'queue, rewritten packet in the verdict, forwarded by the kernel',
      needs: [...QUEUE, 'ipv4-forwarding'],
    },
  ],
  gatewaying: [
    {
      path: 'queue, mark in the verdict, policy routing (egressDriver route)',
      needs: [...QUEUE, 'ipv4-forwarding', 'policy-routing'],
    },
    { path: 'queue, frame through a packet socket (egressDriver frame)', needs: [...QUEUE, 'packet-socket'] },
    { path: 'queue, frame through libpcap (egressDriver cap)', needs: [...QUEUE, 'npm-cap'] },
  ],
  ipip: [{ path: 'queue, outer header in front, raw socket', needs: [...QUEUE, 'raw-socket'] }],
}

export function judgeMethods(findings: readonly Finding[]): readonly MethodFinding[] {
  const absent = new Set(findings.filter(({ status }) => status === 'missing').map(({ name }) => name))
  return forwardingMethods.map((method) => {
    const ways = WAYS[method].map(({ path, needs }) => ({
      path,
      missing: needs.filter((name) => absent.has(name)),
    }))
    const best = ways.reduce((a, b) => (b.missing.length < a.missing.length ? b : a))
    return { method, works: best.missing.length === 0, ...best }
  })
}
