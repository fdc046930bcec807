/** What the report says of the host, looked up. */

import type { DaemonConfig } from '../config.ts'
import { trackedConnections } from '../doctor/netfilter-probes.ts'
import type { Host } from '../host/host.ts'
import type { HostFacts } from './report.ts'

export const factsOf = (
  { netfilter }: Pick<Host, 'netfilter'>,
  { queueDriver, egressDriver }: DaemonConfig,
): HostFacts => ({
  variants: { 4: netfilter.variant(4), 6: netfilter.variant(6) },
  notrack: netfilter.notrack,
  trackedConnections: trackedConnections(),
  queueDriver,
  egressDriver,
})
