/** The daemon's life: opens everything in order, serves, and undoes it all in reverse on every way out. */

import { mkdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Logger } from 'pino'
import type { WantedConfiguration } from '../control/configuration.ts'
import { DEFAULT_SOCKET_PATH } from '../control/schema.ts'
import { Administration } from './administration.ts'
import { arrange, dataplaneSettings, ruleOptions, slotsWithin } from './arrangement.ts'
import { readConfig, UsageError } from './config.ts'
import { listen } from './control/server.ts'
import { startDataplane } from './dataplane/host.ts'
import { Host, type HostOptions, NOTHING_WANTED } from './host/host.ts'
import { repair } from './host/undo.ts'
import { ownXtablesLock, XTABLES_LOCKFILE } from './host/xtables-lock.ts'
import { Ledger } from './ledger.ts'
import { factsOf } from './life/facts.ts'
import { refuseSecond } from './life/instance.ts'
import { keepEvery, StateKeeper } from './life/keeping.ts'
import { Life } from './life/life.ts'
import { previousState, type RestoreOptions, restorePrevious } from './life/previous.ts'
import { lineOf, reportOf } from './life/report.ts'
import { type Environment, feedWatchdog, openServiceManager } from './life/service-manager.ts'
import { openLog } from './log.ts'
import { RouteSocket } from './netlink/route-socket.ts'
import { effectiveCapabilities, missingCapabilities } from './privileges.ts'
import { Ways } from './ways.ts'

/** How often the ways to real servers are compared with the host's routes, and what lingers with the connections. */
const REFRESH_PERIOD_MS = 5_000

/** Services that the log names at the start, one a line; `uipvs status` names all. */
const SERVICES_LOGGED = 100

/** What is undone at the end, in this order: rules must be gone before the queues that they lead to. */
const UNDONE = [
  'the watchdog',
  'the watch on routes',
  'the control socket',
  'the keeping of the state',
  'the host',
  'the lock of iptables',
  'the data path',
  'the route socket',
  'the socket of the service manager',
] as const

export interface RunOptions {
  readonly configPath?: string | undefined
  readonly socketPath?: string | undefined
  readonly version: string
  /** Where the state is kept, now and then and at the end; beside the socket unless said, where `restores`. */
  readonly statePath?: string | undefined
  /** Begin with the state of an earlier run, where there is one. */
  readonly restores?: boolean | undefined
  /** A state file that cannot be used is put aside, instead of being refused. */
  readonly discardsDamagedState?: boolean | undefined
  /** Ended by a signal, leave the host as it is: packets of services are dropped, and sent again, until the next run. */
  readonly holds?: boolean | undefined
  /** Where a service manager says what it wants to be told. */
  readonly environment?: Environment
}

/**
 * Runs until SIGTERM or SIGINT. Resolves once everything is undone; throws {@link UsageError} for what the operator can
 * mend, and whatever ended the data path otherwise. Nothing is left behind either way.
 */
export async function run(options: RunOptions): Promise<void> {
  const { configPath, socketPath = DEFAULT_SOCKET_PATH, version, environment = {} } = options
  const config = readConfig(configPath)
  const missing = missingCapabilities(effectiveCapabilities())
  if (missing.length > 0) {
    throw new UsageError(`${missing.join(' and ')} missing: run as root, or grant them to the process`)
  }
  const log = openLog(config.logLevel)
  const undo: { [what in (typeof UNDONE)[number]]?: () => Promise<void> | void } = {}
  const stopped = stopSignal()
  // Until there is something to reload, SIGHUP must not do what it does by itself: end the process.
  let reload: () => Promise<unknown> = () => Promise.resolve()
  process.on('SIGHUP', () => void reload().catch(() => {})) // what was wrong has been logged
  try {
    const manager = openServiceManager(environment, (message) => log.warn(message))
    undo['the socket of the service manager'] = () => manager.notifier.close()
    const kept = keptState(options, log)
    const previous = options.restores && kept !== null ? previousState(kept) : null

    const lock = ownXtablesLock(process.env, besideSocket(socketPath, 'xtables.lock'))
    if (lock !== null) process.env[XTABLES_LOCKFILE] = lock
    const host = await orUsageError(
      openHost(socketPath, log, { adopts: previous !== null, rules: ruleOptions(config) }),
    )
    undo['the host'] = () => host.close()
    if (lock !== null) undo['the lock of iptables'] = () => rmSync(lock, { force: true })
    if (lock !== null && host.netfilter.variant(4)?.backend === 'legacy')
      log.warn(
        { lock },
        "not root: iptables-legacy's own lock cannot be used, others must not run it at the same time",
      )
    if (host.repaired !== 'nothing')
      log.warn({ repaired: host.repaired }, 'an earlier daemon left things behind')
    await refuseSecond(socketPath)

    const arrangement = arrange(config)
    const dataplane = await orUsageError(
      startDataplane(dataplaneSettings(config, arrangement), (notice) => log.warn(notice)),
    )
    undo['the data path'] = () => dataplane.stop()
    const routes = new RouteSocket()
    undo['the route socket'] = () => routes.close()
    const ways = new Ways(routes, {
      inUse: () => ledger.addresses(),
      slotsMax: slotsWithin(config.markMask),
    })
    const ledger = await Ledger.of({ dataplane, host, ways, arrangement })
    const facts = factsOf(host, config)
    const life = new Life({
      configPath,
      config,
      ledger,
      replace: (wanted) => administration.replace(wanted),
      log,
      notifier: manager.notifier,
      report: () => reportOf(ledger.registry, arrangement, facts),
    })
    const administration = new Administration({ dataplane, ledger, life, version })
    if (previous === null || kept === null) await load(administration, life.wanted(config), configPath)
    else await restorePrevious(previous, { dataplane, ledger }, kept)
    // Rules that were taken over, of services that are not there any more.
    if (ledger.registry.size === 0) await host.agree(NOTHING_WANTED)
    // Everything is in place: only now does the first packet come in.
    await dataplane.ask({ kind: 'resume' })

    if (kept !== null) {
      const keeper = new StateKeeper(kept.statePath, { dataplane, ledger, version })
      const stop = keepEvery(config.stateEverySeconds * 1000, keeper, log)
      undo['the keeping of the state'] = async () => {
        stop()
        await dataplane.ask({ kind: 'pause' })
        await keeper.save()
      }
    }
    const server = await listen(socketPath, administration, log)
    undo['the control socket'] = () => {
      server.close()
      server.closeAllConnections()
      rmSync(socketPath, { force: true })
    }
    const { superQueue, plainQueue } = arrangement
    const services = ledger.registry.size
    logReport(life, log)
    log.info({ version, socketPath, queues: [superQueue, plainQueue], services }, 'ready')
    manager.notifier.ready(`balancing ${services} services`)
    reload = () => life.reload()
    undo['the watch on routes'] = watchRoutes(ledger, log)
    undo['the watchdog'] = feedWatchdog(manager, dataplane)
    const signal = await Promise.race([stopped, dataplane.failed])
    if (options.holds) delete undo['the host']
    const how = options.holds ? 'the host stays as it is, for the next run' : 'the host is put back as it was'
    log.info({ signal }, `stopping: ${how}`)
    manager.notifier.stopping(how)
  } finally {
    for (const what of UNDONE) {
      try {
        await undo[what]?.()
      } catch (error) {
        log.error({ err: error }, `could not undo ${what}`)
        process.exitCode = 1
      }
    }
  }
  log.info('stopped')
}

/** The journal and the control socket share a directory, which only root may look into where it is made here. */
async function openHost(
  socketPath: string,
  log: Logger,
  options: Pick<HostOptions, 'adopts' | 'rules'>,
): Promise<Host> {
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 })
  return await Host.open({
    journalPath: journalPathOf(socketPath),
    ...options,
    warn: (message) => log.warn(message),
  })
}

/** Puts back what a run that was killed, or has ended with `holds`, left on this host; says what that was. */
export async function undoLeftovers(socketPath: string = DEFAULT_SOCKET_PATH): Promise<string> {
  const found = await orUsageError(repair(journalPathOf(socketPath)))
  if (found === 'nothing') return 'there was nothing to undo'
  return found === 'repaired'
    ? 'the host is as it was'
    : 'what there was went away with its kernel or namespace'
}

/** What fails before anything is served is the host's or the operator's doing: told in one line, without a stack. */
async function orUsageError<T>(opening: Promise<T>): Promise<T> {
  try {
    return await opening
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

/** Beside the socket, so that each daemon has its own. */
const besideSocket = (socketPath: string, ending: string): string =>
  join(dirname(socketPath), `${basename(socketPath, '.sock')}.${ending}`)

const journalPathOf = (socketPath: string): string => besideSocket(socketPath, 'journal.json')

/** Where the state is kept, or null where nobody asked for it. */
function keptState(
  { statePath, socketPath = DEFAULT_SOCKET_PATH, restores, discardsDamagedState }: RunOptions,
  log: Logger,
): RestoreOptions | null {
  if (statePath === undefined && !restores) return null
  return {
    statePath: statePath ?? besideSocket(socketPath, 'state'),
    discardsDamaged: discardsDamagedState ?? false,
    log,
  }
}

async function load(
  administration: Administration,
  wanted: WantedConfiguration,
  configPath: string | undefined,
): Promise<void> {
  try {
    await administration.replace(wanted)
  } catch (error) {
    const reason = (error as Error).message
    throw new UsageError(`the configuration file ${configPath} cannot be put in force: ${reason}`, {
      cause: error,
    })
  }
}

function logReport(life: Life, log: Logger): void {
  const { host, services } = life.report()
  for (const sentence of host) log.info(sentence)
  for (const service of services.slice(0, SERVICES_LOGGED)) log.info(lineOf(service))
  const rest = services.length - SERVICES_LOGGED
  if (rest > 0) log.info(`and ${rest} services more: 'uipvs status' names them`)
}

/** Follows the host's routes; returns how to end that. */
function watchRoutes(ledger: Ledger, log: Logger): () => void {
  const refreshing = setInterval(() => {
    ledger
      .refresh()
      .catch((error: Error) => log.error({ err: error }, 'routes and connections could not be followed'))
  }, REFRESH_PERIOD_MS)
  return () => clearInterval(refreshing)
}

/** Resolves to the first signal that asks to stop; rejects with whatever nobody caught, so that it too is undone after. */
function stopSignal(): Promise<NodeJS.Signals> {
  const stopped = new Promise<NodeJS.Signals>((resolve, reject) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal))
    process.on('uncaughtException', reject)
  })
  stopped.catch(() => {}) // it may come before anybody waits
  return stopped
}
