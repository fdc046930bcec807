/** What a legal command line asks for. */

import type { DestinationSettings, ServiceSettings, Timeouts } from '../control/index.ts'
import type { DestinationKey, ServiceKey } from '../lib/service/key.ts'

/** The tables of services that `-L` can print. */
export type Table = 'plain' | 'stats' | 'rate' | 'thresholds' | 'persistent-conn' | 'tun-info'

export interface ListRequest {
  readonly command: 'list'
  readonly what: 'services' | 'connections' | 'timeouts' | 'daemons' | 'totals'
  /** The one service to list, or null for all. */
  readonly service: ServiceKey | null
  readonly table: Table
  /** Whether the listing of connections has the columns of persistence engines. */
  readonly engineColumns: boolean
  readonly numeric: boolean
  /** Large numbers in full rather than with K, M, G and T. */
  readonly exact: boolean
  readonly sorted: boolean
  readonly json: boolean
}

export type Request =
  | {
      readonly command: 'add-service' | 'edit-service'
      readonly service: ServiceKey
      readonly settings: ServiceSettings
    }
  | { readonly command: 'delete-service'; readonly service: ServiceKey }
  | {
      readonly command: 'add-server' | 'edit-server'
      readonly service: ServiceKey
      readonly server: DestinationKey
      readonly settings: DestinationSettings
    }
  | { readonly command: 'delete-server'; readonly service: ServiceKey; readonly server: DestinationKey }
  | ListRequest
  | { readonly command: 'save'; readonly numeric: boolean }
  | { readonly command: 'zero'; readonly service: ServiceKey | null }
  | { readonly command: 'set'; readonly timeouts: Timeouts }
  | { readonly command: 'flush' | 'start-daemon' | 'stop-daemon' | 'help' | 'version' }
  | { readonly command: 'restore' }
