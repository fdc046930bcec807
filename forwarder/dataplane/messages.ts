/** What the daemon's control side asks of its data path. Plain data: it crosses a thread boundary. */

import type {
  Connection,
  Counters,
  DestinationSettings,
  Info,
  KnobChanges,
  Knobs,
  Rates,
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
  /** The real server is this host. */
  readonly isLocal?: boolean
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
  /** All of the steps, and then the removals, which must not be refusable; or nothing. No packet comes in between. */
  | Transaction
  | { readonly kind: 'statistics' }
  /** Packets wait in their queues, until 'resume'. A data path begins so, and has what it needs before the first. */
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  /** A piece of the connections, from the bucket `first` on. */
  | { readonly kind: 'save-connections'; readonly first: number }
  /** A piece that was saved `elapsedMs` ago. The answer is whether it was one. */
  | ({ readonly kind: 'restore-connections'; readonly elapsedMs: number } & Omit<SavedPiece, 'next'>)
  /** After the last piece. */
  | { readonly kind: 'end-restoring' }
  | { readonly kind: 'restore-counters'; readonly counters: KeptCounters }

/** The requests that change the configuration. */
export type ChangeRequest = Extract<
  Request,
  { readonly kind: `${string}-${'service' | 'destination'}` | 'set-timeouts' | 'set-knobs' }
>

export interface Transaction {
  readonly kind: 'all-or-nothing'
  readonly steps: readonly Step[]
  readonly removals: readonly ChangeRequest[]
}

/** A change, and the one that undoes it. */
export interface Step {
  readonly make: ChangeRequest
  readonly takeBack: ChangeRequest
}

/** A destination, in its service or removed from it. */
export interface DestinationName {
  readonly service: string
  readonly endpoint: string
}

/** Connections as words; see `lib/conn/snapshot.ts`. */
export interface SavedPiece {
  readonly words: Int32Array
  /** The destinations that they are bound to. */
  readonly destinations: readonly SavedDestination[]
  /** The bucket that the next piece begins with; null after the last. */
  readonly next: number | null
}

/** What a destination's id stood for; both are null for nobody, whose connections go where they are addressed. */
export type SavedDestination =
  | { readonly id: number; readonly service: string; readonly endpoint: string }
  | { readonly id: number; readonly service: null; readonly endpoint: null }

export interface RestoreCounts {
  readonly restored: number
  /** Those that had run out, led to nobody, or found the table full. */
  readonly leftOut: number
}

/** Counters, as shown. */
export interface KeptCounters {
  readonly totals: Counters
  readonly services: readonly {
    readonly id: string
    readonly counters: Counters
    readonly destinations: readonly { readonly endpoint: string; readonly counters: Counters }[]
  }[]
}

/** What the data path has counted. */
export interface Statistics {
  readonly connections: number
  readonly connectionLimit: number
  readonly connectionTableSize: number
  readonly totals: Counters
  readonly rates: Rates
  /** Since the start, whatever has been zeroed. */
  readonly counted: Counters
  readonly applications: Info['applications']
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
  'save-connections': SavedPiece
  'restore-connections': boolean
  'end-restoring': RestoreCounts
}
export type AnswerTo<K extends Request['kind']> = K extends keyof Answers ? Answers[K] : undefined

export interface Numbered {
  readonly id: number
  readonly request: Request | { readonly kind: 'stop' }
}

export type Reply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly refusal: { readonly refused: RefusalCode; readonly message: string } }
  /** Nobody asked: a line for the log. */
  | { readonly notice: string }

/** What a data path is started with. */
export interface DataplaneSettings {
  readonly queueDriver: 'netlink' | 'nfqueue'
  readonly queues: readonly QueueSettings[]
  readonly egressDriver: 'route' | 'frame' | 'cap'
  /** The bits of packet marks that direct routing may use. */
  readonly markMask: number
  readonly connectionLimit: number
  /** Pings of virtual addresses are answered. */
  readonly answersEcho: boolean
}
