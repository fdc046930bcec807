/** What can be asked of a running uipvs, and the two ways in which asking fails. */

import type * as z from 'zod'
import type { DestinationKey, ServiceKey } from '../lib/service/key.ts'
import type {
  Connection,
  Destination,
  DestinationConfig,
  DestinationSettings,
  Info,
  KnobChanges,
  Knobs,
  Service,
  ServiceConfig,
  ServiceSettings,
  Timeouts,
} from './schema.ts'

/**
 * One method for each request of the table in schema.ts. Settings that are left out take their defaults.
 * A method rejects with {@link ApiError} when the request is refused and with {@link NotRunningError} when
 * nobody is there to answer it.
 */
export interface Control {
  services(): Promise<Service[]>
  service(key: ServiceKey): Promise<Service>
  addService(config: z.input<typeof ServiceConfig>): Promise<Service>
  editService(key: ServiceKey, settings: z.input<typeof ServiceSettings>): Promise<Service>
  deleteService(key: ServiceKey): Promise<void>
  /** Deletes every service. */
  flush(): Promise<void>
  zeroService(key: ServiceKey): Promise<void>
  addDestination(key: ServiceKey, config: z.input<typeof DestinationConfig>): Promise<Destination>
  editDestination(
    key: ServiceKey,
    endpoint: DestinationKey,
    settings: z.input<typeof DestinationSettings>,
  ): Promise<Destination>
  deleteDestination(key: ServiceKey, endpoint: DestinationKey): Promise<void>
  /** Zeroes the counters of every service and the totals. */
  zeroAll(): Promise<void>
  connections(): Promise<Connection[]>
  timeouts(): Promise<Timeouts>
  /** Seconds; 0 leaves a value as it is. Answers with the values now in force. */
  setTimeouts(timeouts: Timeouts): Promise<Timeouts>
  knobs(): Promise<Knobs>
  /** All of them or none. Answers with every value now in force. */
  setKnobs(changes: KnobChanges): Promise<Knobs>
  info(): Promise<Info>
}

/** The daemon refused a request. `code` is stable; `errno` is kernel IPVS's name for the same refusal. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: string
  readonly errno: string
  /** The HTTP status that carried it. */
  readonly status: number

  constructor(status: number, { code, errno, message }: { code: string; errno: string; message: string }) {
    super(message)
    this.code = code
    this.errno = errno
    this.status = status
  }
}

/** Nobody answers at the control socket. The message names the socket, `remedy` asks what to check. */
export class NotRunningError extends Error {
  override readonly name = 'NotRunningError'
  readonly remedy: string

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options)
    this.remedy = remedy
  }
}
