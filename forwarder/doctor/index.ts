/** `uipvs doctor`: what this kernel and these privileges can do, and what to do about what is missing. */

import { judgeMethods, type MethodFinding } from './methods.ts'
import { netfilterProbes } from './netfilter-probes.ts'
import { type Finding, findingOf, PROBE_NAMES, type Probe } from './probe.ts'
import { socketProbes } from './sockets.ts'
import { systemProbes } from './system-probes.ts'

export { formatReport } from './format.ts'
export type { ForwardingMethod, MethodFinding } from './methods.ts'
export type { Finding, Probe, ProbeName, Status } from './probe.ts'

export interface Report {
  /** Every forwarding method works, for IPv4 services. */
  readonly isReady: boolean
  readonly findings: readonly Finding[]
  readonly methods: readonly MethodFinding[]
}

export interface DoctorOptions {
  /** Other probes than the real ones. */
  readonly probes?: readonly Probe[]
}

/**
 * Examines the host and leaves it as it is: what has to be tried out is tried in a network namespace that ends
 * with the trial. Never throws for what it finds.
 */
export async function doctor({ probes = allProbes() }: DoctorOptions = {}): Promise<Report> {
  const findings = await Promise.all(probes.map(findingOf))
  const methods = judgeMethods(findings)
  return { isReady: methods.every(({ works }) => works), findings, methods }
}

/** Every probe, in the order of {@link PROBE_NAMES}. */
function allProbes(): readonly Probe[] {
  const probes = new Map(
    [...systemProbes(), ...netfilterProbes(), ...socketProbes()].map((probe) => [probe.name, probe]),
  )
  return PROBE_NAMES.flatMap((name) => probes.get(name) ?? [])
}
