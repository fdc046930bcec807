/** From the configuration to how this daemon takes packets in and lets them out. */

import { monotonicMs } from './clock.ts'
import type { DaemonConfig } from './config.ts'
import type { DataplaneSettings } from './dataplane/messages.ts'
import { openRouteEgress } from './egress/route.ts'
import { ROUTING_RANGE } from './host/routing.ts'
import type { RuleOptions } from './host/rules.ts'
import type { Arrangement } from './registry.ts'

export function arrange({ firstQueue, egressDriver, markMask }: DaemonConfig): Arrangement {
  return {
    superQueue: firstQueue,
    plainQueue: firstQueue + 1,
    routesByMark: egressDriver === 'route',
    markMask,
    markOf: openRouteEgress({ markMask, nowMs: monotonicMs }).markOf,
  }
}

export function dataplaneSettings(
  { queueDriver, egressDriver, markMask, connectionLimit, queueLength, answersEcho }: DaemonConfig,
  { superQueue, plainQueue }: Arrangement,
): DataplaneSettings {
  const queue = { copyBytes: 0xffff, lengthPackets: queueLength }
  return {
    queueDriver,
    egressDriver,
    markMask,
    connectionLimit,
    answersEcho,
    queues: [
      { ...queue, number: superQueue, gso: true },
      { ...queue, number: plainQueue, gso: false },
    ],
  }
}

/** Which packets besides those of services go to the queues. */
export const ruleOptions = ({ answersEcho }: DaemonConfig): Partial<RuleOptions> => ({
  icmpErrors: true,
  laterFragments: true,
  echoRequests: answersEcho,
})

/** How many real servers a mark mask can tell apart, slot 0 being none; and each needs a routing table. */
export const slotsWithin = (markMask: number): number =>
  Math.min(ROUTING_RANGE.tableCount, Math.floor(markMask / ((markMask & -markMask) >>> 0)))
