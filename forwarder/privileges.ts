/** What this process may do. */

import { readFileSync } from 'node:fs'

/** Bit numbers of linux/capability.h. */
export const CAPABILITY = { netAdmin: 12, netRaw: 13 } as const

/** The effective capabilities' bits, from /proc/self/status. */
export function effectiveCapabilities(): bigint {
  const status = readFileSync('/proc/self/status', 'utf8')
  return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
}

/** The names of those that the daemon needs and has not. */
export function missingCapabilities(effective: bigint): string[] {
  const names = { CAP_NET_ADMIN: CAPABILITY.netAdmin, CAP_NET_RAW: CAPABILITY.netRaw }
  return Object.entries(names)
    .filter(([, bit]) => (effective & (1n << BigInt(bit))) === 0n)
    .map(([name]) => name)
}
