/** The daemon's life: opens everything in order, serves, and undoes it all in reverse on every way out. */

import { mkdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { DEFAULT_SOCKET_PATH } from '../control/schema.ts'
import { Administration } from './administration.ts'
import { monotonicMs } from './clock.ts'
import { type DaemonConfig, readConfig, UsageError } from './config.ts'
import { listen } from './control/server.ts'
import { startDataplane } from './dataplane/host.ts'
import { openRouteEgress } from './egress/route.ts'
import { Host } from './host/host.ts'
import { ROUTING_RANGE } from './host/routing.ts'
import { openLog } from './log.ts'
import { RouteSocket } from './netlink/route-socket.ts'
import { effectiveCapabilities, missingCapabilities } from './privileges.ts'
import type { Arrangement } from './registry.ts'
import { Ways } from './ways.ts'

/** How often the ways to real servers are compared with the host's routes, and what lingers with the connections. */
const REFRESH_PERIOD_MS = 5_000

export interface RunOptions {
  readonly configPath?: string | undefined
  readonly socketPath?: string | undefined
  readonly version: string
}

/**
 * Runs until SIGTERM or SIGINT. Resolves once everything is undone; throws {@link UsageError} for what the operator can
 * mend, and whatever ended the data path otherwise. Nothing is left behind either way.
 */
export async function run({
  configPath,
  socketPath = DEFAULT_SOCKET_PATH,
  version,
}: RunOptions): Promise<void> {
  const config = readConfig(configPath)
  const missing = missingCapabilities(effectiveCapabilities())
  if (missing.length > 0) {
    throw new UsageError(`${missing.join(' and ')} missing: run as root, or grant them to the process`)
  }
  const log = openLog(config.logLevel)
  /** In the order in which to undo. */
  const undo: { readonly what: string; act(): Promise<void> | void }[] = []
  const stopped = stopSignal()
  process.on('SIGHUP', () => log.warn('SIGHUP is ignored: the configuration file is only read at the start'))
  try {
    const host = await orUsageError(openHost(socketPath, log))
    undo.push({ what: 'the host', act: () => host.close() })
    if (host.repaired !== 'nothing')
      log.warn({ repaired: host.repaired }, 'an earlier daemon left things behind')

    const arrangement = arrange(config)
    const dataplane = await orUsageError(
      startDataplane({
        queueDriver: config.queueDriver,
        egressDriver: config.egressDriver,
        markMask: config.markMask,
        connectionLimit: config.connectionLimit,
        queues: [
          { number: arrangement.superQueue, gso: true, copyBytes: 0xffff, lengthPackets: config.queueLength },
          {
            number: arrangement.plainQueue,
            gso: false,
            copyBytes: 0xffff,
            lengthPackets: config.queueLength,
          },
        ],
      }),
    )
    // The host stays before it: rules must be gone before the queues that they lead to.
    undo.push({ what: 'the data path', act: () => dataplane.stop() })

    const routes = new RouteSocket()
    undo.push({ what: 'the route socket', act: () => routes.close() })
    const ways = new Ways(routes, {
      inUse: () => administration.addresses(),
      slotsMax: slotsWithin(config.markMask),
    })
    const administration = new Administration({ dataplane, host, ways, arrangement, version })
    await load(administration, config, configPath)

    const server = await listen(socketPath, administration, log)
    undo.unshift({
      what: 'the control socket',
      act: () => {
        server.close()
        server.closeAllConnections()
        rmSync(socketPath, { force: true })
      },
    })
    log.info(
      {
        version,
        socketPath,
        queues: [arrangement.superQueue, arrangement.plainQueue],
        services: config.services.length,
      },
      'ready',
    )
    const refreshing = setInterval(() => {
      administration
        .refresh()
        .catch((error: Error) => log.error({ err: error }, 'routes and connections could not be followed'))
    }, REFRESH_PERIOD_MS)
    undo.unshift({ what: 'the watch on routes', act: () => clearInterval(refreshing) })
    const signal = await Promise.race([stopped, dataplane.failed])
    log.info({ signal }, 'stopping')
  } finally {
    for (const { what, act } of undo) {
      try {
        await act()
      } catch (error) {
        log.error({ err: error }, `could not undo ${what}`)
        process.exitCode = 1
      }
    }
  }
  log.info('stopped')
}

/** How many real servers a mark mask can tell apart, slot 0 being none; and each needs a routing table. */
const slotsWithin = (markMask: number): number =>
  Math.min(ROUTING_RANGE.tableCount, Math.floor(markMask / ((markMask & -markMask) >>> 0)))

/** The journal and the control socket share a directory, which only root may look into where it is made here. */
async function openHost(socketPath: string, log: Logger): Promise<Host> {
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 })
  return await Host.open({
    journalPath: journalPathOf(socketPath),
    warn: (message) => log.warn(message),
    rules: { icmpErrors: true },
  })
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
export const journalPathOf = (socketPath: string): string =>
  join(dirname(socketPath), `${basename(socketPath, '.sock')}.journal.json`)

function arrange({ firstQueue, egressDriver, markMask }: DaemonConfig): Arrangement {
  return {
    superQueue: firstQueue,
    plainQueue: firstQueue + 1,
    routesByMark: egressDriver === 'route',
    markMask,
    markOf: openRouteEgress({ markMask, nowMs: monotonicMs }).markOf,
  }
}

async function load(
  administration: Administration,
  { timeouts, knobs, services }: DaemonConfig,
  configPath: string | undefined,
): Promise<void> {
  try {
    await administration.setTimeouts(timeouts)
    await administration.setKnobs(knobs)
    await administration.load(services)
  } catch (error) {
    const reason = (error as Error).message
    throw new UsageError(`the configuration file ${configPath} cannot be put in force: ${reason}`, {
      cause: error,
    })
  }
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
