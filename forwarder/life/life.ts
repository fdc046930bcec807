/** What the daemon can be told about itself while it runs: to read its configuration again, what to log, to report. */

import { isDeepStrictEqual } from 'node:util'
import type { Replacement, WantedConfiguration } from '../../control/configuration.ts'
import { type LogLevel, LogSettings, type Reload, type Report } from '../../control/life.ts'
import type { Knobs, Timeouts } from '../../control/schema.ts'
import { type DaemonConfig, readConfig, UsageError } from '../config.ts'
import { RequestError } from '../control/request-error.ts'
import type { Ledger } from '../ledger.ts'
import type { Notifier } from './notify.ts'

export interface LifeParts {
  readonly configPath: string | undefined
  /** As it was read at the start. */
  readonly config: DaemonConfig
  readonly ledger: Pick<Ledger, 'configuration'>
  readonly replace: (wanted: WantedConfiguration) => Promise<Replacement>
  readonly log: LifeLog
  readonly notifier: Pick<Notifier, 'reloading' | 'ready'>
  readonly report: () => Report
}

interface LifeLog {
  level: string
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/** Settings that only a start puts in force. */
const START_ONLY = [
  'firstQueue',
  'queueDriver',
  'queueLength',
  'egressDriver',
  'markMask',
  'connectionLimit',
  'answersEcho',
  'stateEverySeconds',
] as const satisfies readonly (keyof DaemonConfig)[]

export class Life {
  readonly #parts: LifeParts
  /** What a file that leaves them out means. */
  readonly #initial: { readonly timeouts: Timeouts; readonly knobs: Knobs }

  /** To be made before anything but the defaults is in force. */
  constructor(parts: LifeParts) {
    this.#parts = parts
    const { timeouts, knobs } = parts.ledger.configuration
    this.#initial = { timeouts, knobs }
  }

  get logSettings(): LogSettings {
    return LogSettings.parse({ level: this.#parts.log.level })
  }

  set logSettings({ level }: LogSettings) {
    const { log } = this.#parts
    // Said while it can be heard: before the log falls silent, or after it has found its voice.
    const say = () => log.info({ level }, 'the log level is changed')
    const isQuieter = ORDER.indexOf(level) < ORDER.indexOf(log.level as LogLevel)
    if (isQuieter) say()
    log.level = level
    if (!isQuieter) say()
  }

  report(): Report {
    return this.#parts.report()
  }

  /** What the file says, timeouts and knobs that it leaves out being the defaults, as after a start with it. */
  wanted({ services, timeouts, knobs }: DaemonConfig): Required<WantedConfiguration> {
    const initial = this.#initial
    return {
      services,
      timeouts: {
        tcp: timeouts.tcp || initial.timeouts.tcp,
        tcpFin: timeouts.tcpFin || initial.timeouts.tcpFin,
        udp: timeouts.udp || initial.timeouts.udp,
      },
      knobs: { ...initial.knobs, ...knobs },
    }
  }

  /**
   * Brings everything to what the file says now, by the smallest difference; connections are not touched.
   * @throws {RequestError} for a file that cannot be put in force, with nothing changed; both are logged
   */
  async reload(): Promise<Reload> {
    const { configPath, log, notifier, ledger, replace } = this.#parts
    notifier.reloading()
    try {
      const config = this.#readAgain()
      const { revision, changes } = await replace(this.wanted(config))
      const needsRestart = START_ONLY.filter(
        (name) => !isDeepStrictEqual(config[name], this.#parts.config[name]),
      )
      if (config.logLevel !== log.level) this.logSettings = { level: config.logLevel }
      log.info({ configPath, changes: changes.length, revision }, 'the configuration is read again')
      if (needsRestart.length > 0)
        log.warn({ needsRestart }, `these settings are only read at the start: ${needsRestart.join(', ')}`)
      return { revision, changes, needsRestart }
    } catch (error) {
      log.error({ configPath }, `nothing is changed: ${(error as Error).message}`)
      throw error
    } finally {
      notifier.ready(`balancing ${ledger.configuration.services.length} services`)
    }
  }

  #readAgain(): DaemonConfig {
    const { configPath } = this.#parts
    if (configPath === undefined)
      throw new RequestError('not-supported', 'the daemon was started without a configuration file')
    try {
      return readConfig(configPath)
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      throw new RequestError('invalid-value', error.message, { cause: error })
    }
  }
}

/** From the quietest. */
const ORDER: readonly LogLevel[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace']
