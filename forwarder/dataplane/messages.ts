/** What the daemon's control side asks of its data path. Plain data: it crosses a thread boundary. */

import type {
  Connection,
  Counters,
  DestinationSettings,
  KnobChanges,
  Knobs,
  Service,
  ServiceSettings,
  Timeouts,
} from '../../control/schema.ts'
import type { RefusalCode } from '../../lib/service/refusal.ts'
import type { Hop } from '../egress/egress.ts'
import type { QueueCounters, QueueSettings } from '../queue/packet-queue.ts'

/** How packets reach a real server, as the host's routes say; addresses as text. */
export interface Way {
  /** The director's own address towards it: the outer source of tunnel packets. */
  readonly sourceAddress: string
  readonly mtuBytes: number
  /** For direct routing; null where the server cannot be reached that way. */
  readonly hop: Hop | null
}

/** Services and destinations are named by the text of their keys: `tcp:10.0.0.1:80`, `192.168.1.1:80`. */
export type Request =
  | { readonly kind: 'add-service'; readonly service: string; readonly settings: ServiceSettings }
  | { readonly kind: 'edit-service'; readonly service: string; readonly settings: ServiceSettings }
  | { readonly kind: 'remove-service'; readonly service: string }
  | {
      readonly kind: 'add-destination' | 'edit-destination'
      readonly service: string
      readonly endpoint: string
      readonly settings: DestinationSettings
      readonly way: Way | null
    }
  | { readonly kind: 'remove-destination'; readonly service: string; readonly endpoint: string }
  | { readonly kind: 'zero'; readonly service: string | null }
  | { readonly kind: 'services' }
  | { readonly kind: 'bound'; readonly destinations: readonly DestinationName[] }
  | { readonly kind: 'connections' }
  | { readonly kind: 'timeouts' }
  | { readonly kind: 'set-timeouts'; readonly timeouts: Timeouts }
  | { readonly kind: 'knobs' }
  /** Validated: each names a knob and is in its range. */
  | { readonly kind: 'set-knobs'; readonly changes: KnobChanges }
  | { readonly kind: 'statistics' }

/** A destination, in its service or removed from it. */
export interface DestinationName {
  readonly service: string
  readonly endpoint: string
}

/** What the data path has counted. */
export interface Statistics {
  readonly connections: number
  readonly connectionLimit: number
  readonly connectionTableSize: number
  readonly totals: Counters
  readonly dropped: Record<string, number>
  readonly passed: Record<string, number>
  readonly queues: readonly ({ readonly number: number } & QueueCounters)[]
}

/** The answer to each kind of request; changes are answered with nothing. */
export interface Answers {
  services: readonly Service[]
  /** How many connections and templates each of the destinations has. */
  bound: readonly number[]
  connections: readonly Connection[]
  timeouts: Timeouts
  'set-timeouts': Timeouts
  knobs: Knobs
  'set-knobs': Knobs
  statistics: Statistics
}
export type AnswerTo<K extends Request['kind']> = K extends keyof Answers ? Answers[K] : undefined

export interface Numbered {
  readonly id: number
  readonly request: Request | { readonly kind: 'stop' }
}

export type Reply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly refusal: { readonly refused: RefusalCode; readonly message: string } }

/** What a data path is started with. */
export interface DataplaneSettings {
  readonly queueDriver: 'netlink' | 'nfqueue'
  readonly queues: readonly QueueSettings[]
  readonly egressDriver: 'route' | 'frame' | 'cap'
  /** The bits of packet marks that direct routing may use. */
  readonly markMask: number
  readonly connectionLimit: number
}
