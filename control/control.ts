/** What can be asked of a running uipvs, and the two ways in which asking fails. */

import type * as z from 'zod'
import type { DestinationKey, ServiceKey } from '../lib/service/key.ts'
import type { ChangeEvent, Configuration, Replacement, WantedConfiguration } from './configuration.ts'
import type {
  Connection,
  Destination,
  DestinationConfig,
  DestinationSettings,
  ErrorBody,
  Info,
  KnobChanges,
  Knobs,
  Service,
  ServiceConfig,
  ServiceSettings,
  Timeouts,
} from './schema.ts'

/**
 * One method for each request that ipvsadm has a command for. Settings that are left out take their defaults.
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

/** What deals with the whole configuration; methods reject as those of {@link Control} do. */
export interface ConfigurationControl {
  /** The whole configuration, and the revision that it is. */
  configuration(): Promise<RevisedConfiguration>
  /**
   * Makes the configuration what is wanted, all of it or nothing, where that revision is in force still (`*` for any);
   * refused with the code `stale-revision` otherwise.
   */
  replaceConfiguration(wanted: z.input<typeof WantedConfiguration>, ifRevision: string): Promise<Replacement>
  /** Every change from now on, until the daemon ends or the reader returns; the first event says what is in force. */
  events(): AsyncIterable<ChangeEvent>
}

export interface RevisedConfiguration {
  readonly revision: string
  readonly configuration: Configuration
}

/** The daemon refused a request. `code` is stable; `errno` is kernel IPVS's name for the same refusal. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: string
  readonly errno: string
  /** The HTTP status that carried it. */
  readonly status: number
  /** Where in the request's body the fault is, where it can be said: `['services', 2, 'port']`. */
  readonly path: readonly (string | number)[] | undefined

  constructor(status: number, { code, errno, message, path }: ErrorBody['error']) {
    super(message)
    this.code = code
    this.errno = errno
    this.status = status
    this.path = path
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
