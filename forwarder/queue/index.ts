import { openNetlinkQueue } from './netlink-queue.ts'
import { openNpmQueue } from './npm-nfqueue.ts'
import type { OpenQueue } from './packet-queue.ts'

/** Every queue driver there is, by the name an operator chooses it by; the first is the default. */
export const QUEUE_DRIVERS = {
  netlink: openNetlinkQueue,
  nfqueue: openNpmQueue,
} satisfies Record<string, OpenQueue>

export type QueueDriverName = keyof typeof QUEUE_DRIVERS
