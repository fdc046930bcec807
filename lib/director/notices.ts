/** What kernel IPVS says in its log when a scheduler finds nobody: the same words, and no more often. */

import { formatEndpoint } from '../service/key.ts'
import type { VirtualService } from '../service/virtual-service.ts'

/** As `net_ratelimit`: so many in a period, and then silence until it is over. */
const PERIOD_MS = 5000
const BURST = 10

export class Notices {
  readonly #tell: (notice: string) => void
  #periodEndMs = 0
  #told = 0

  constructor(tell: (notice: string) => void) {
    this.#tell = tell
  }

  noDestination(service: VirtualService, nowMs: number): void {
    this.#say(() => `${service.settings.scheduler}: ${nameOf(service)} - ${complaintOf(service)}`, nowMs)
  }

  portZero(nowMs: number): void {
    this.#say(() => PORT_ZERO, nowMs)
  }

  #say(notice: () => string, nowMs: number): void {
    if (nowMs >= this.#periodEndMs) {
      this.#periodEndMs = nowMs + PERIOD_MS
      this.#told = 0
    }
    if (this.#told === BURST) return
    this.#told++
    this.#tell(notice())
  }
}

const PORT_ZERO = 'Schedule: port zero only supported in persistent services, check your ipvs configuration'

function nameOf({ key }: VirtualService): string {
  if (key.kind === 'address') return `${key.transport.toUpperCase()} ${formatEndpoint(key)}`
  const mark = key.fwmark >>> 0
  return `FWM ${mark} 0x${mark.toString(16).toUpperCase().padStart(8, '0')}`
}

/** wrr alone tells full servers from none. */
function complaintOf({ settings, pool }: VirtualService): string {
  const isFull = settings.scheduler === 'wrr' && pool.some(({ weight }) => weight > 0)
  return `no destination available${isFull ? ': all destinations are overloaded' : ''}`
}
