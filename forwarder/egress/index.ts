import { openCapEgress } from './cap.ts'
import type { Egress, EgressOptions } from './egress.ts'
import { openFrameEgress } from './frame.ts'
import { openRouteEgress } from './route.ts'

/** Every egress driver there is, by the name an operator chooses it by; the first is the default. */
export const EGRESS_DRIVERS = {
  route: openRouteEgress,
  frame: openFrameEgress,
  cap: openCapEgress,
} satisfies Record<Egress['name'], (options: EgressOptions) => Egress>
