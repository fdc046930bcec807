/** What a probe of the host finds, and what is the same for all of them. */

export type Status = 'ok' | 'degraded' | 'missing'

export interface Finding {
  readonly name: ProbeName
  readonly status: Status
  /** What is there, in a line. */
  readonly found: string
  /** What to do about it, where something can be done. */
  readonly remedy?: string
}

export type Result = Omit<Finding, 'name'>

/** Looks at one thing and leaves the host as it is. One that throws has found it missing. */
export interface Probe {
  readonly name: ProbeName
  run(): Promise<Result> | Result
}

/** Every probe there is, in the order of the report. */
export const PROBE_NAMES = [
  'capabilities',
  'tools',
  'native-addon',
  'iptables-ipv4',
  'iptables-ipv6',
  'nfqueue',
  'raw-socket',
  'packet-socket',
  'policy-routing',
  'ipv4-forwarding',
  'ipv6-forwarding',
  'source-checks',
  'conntrack',
  'socket-buffers',
  'mtu',
  'nft-queue',
  'npm-nfqueue',
  'npm-cap',
  'kernel-ipvs',
] as const

export type ProbeName = (typeof PROBE_NAMES)[number]

/** The same probe, run once however many ask for what it found. */
export function once<Value>(look: () => Promise<Value>): () => Promise<Value> {
  let found: Promise<Value> | null = null
  return () => (found ??= look())
}

/** Runs a probe, and takes whatever it throws for its answer. */
export async function findingOf({ name, run }: Probe): Promise<Finding> {
  try {
    return { name, ...(await run()) }
  } catch (error) {
    return { name, status: 'missing', found: (error as Error).message.split('\n')[0] as string }
  }
}
