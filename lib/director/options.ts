/** What a director is made with. */

import type { IpAddress } from '../bytes/address.ts'
import type { SchedulerFactory } from '../service/scheduler.ts'
import type { Arrival } from './verdict.ts'

export interface DirectorOptions {
  /** Now, on the clock that every {@link Arrival.nowMs} is read from. */
  readonly nowMs: number
  /** Numbers in [0, 1): seeds the connection table's hash, and is handed to schedulers. */
  readonly random: () => number
  /** The most connections there can be; the default takes 128 MiB of address space, and memory as they come. */
  readonly connectionLimit?: number
  readonly schedulers?: Readonly<Record<string, SchedulerFactory>>
  /** Methods whose packets the kernel forwards after the verdict, and so takes one off their hop limit itself. */
  readonly kernelForwards?: { readonly masquerading: boolean; readonly gatewaying: boolean }
  /** Free memory in pages, for the automatic defence modes; left out, it is never short. */
  readonly availablePages?: () => number
  /** The ports of services whose masqueraded connections speak FTP; 21 unless given, none where empty. */
  readonly ftpPorts?: readonly number[]
  /** Whether an address is the host's own, which `cache_bypass` asks; left out, none is. */
  readonly isLocal?: (address: IpAddress) => boolean
  /** Whether the director answers pings of virtual addresses, which its host may not have; not unless asked. */
  readonly answersEcho?: boolean
  /** Is told what kernel IPVS would write to its log when a scheduler finds nobody; at most ten in five seconds. */
  readonly notice?: (text: string) => void
}

export const DEFAULT_CONNECTION_LIMIT = 1_048_576
