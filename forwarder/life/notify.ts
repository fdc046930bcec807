/** What a service manager is told of the daemon's life, by the protocol of sd_notify(3): datagrams of `NAME=value` lines. */

import { AF_UNIX, SOCK_DGRAM } from '../native/constants.ts'
import { attempt, type Seam, SystemError } from '../native/seam.ts'

/** Octets of sockaddr_un's path, unix(7). */
const PATH_MAX_BYTES = 108
const FAMILY_BYTES = 2

export interface Notifier {
  /** Everything is in force, after a start or a reload. */
  ready(status: string): void
  /** The configuration is being read again; {@link ready} follows, whatever comes of it. */
  reloading(): void
  stopping(status: string): void
  /** The data path has answered: all is well. */
  alive(): void
  close(): void
}

export interface NotifierOptions {
  /** `NOTIFY_SOCKET`: a path, or a name behind `@`. */
  readonly socket: string
  readonly seam: Pick<Seam, 'open' | 'sendEach' | 'close'>
  /** Told once that nobody could be told. */
  readonly warn: (message: string) => void
}

/** Opens the way to the service manager; throws where the address cannot be one. */
export function openNotifier({ socket, seam, warn }: NotifierOptions): Notifier {
  const address = addressOf(socket)
  const fd = attempt('open a socket to the service manager', seam.open(AF_UNIX, SOCK_DGRAM, 0))
  let hasWarned = false

  const tell = (lines: Readonly<Record<string, string | number>>): void => {
    const text = Buffer.from(
      Object.entries(lines)
        .map(([name, value]) => `${name}=${value}`)
        .join('\n'),
    )
    const results = new Int32Array(1)
    seam.sendEach(fd, text, Int32Array.of(0, text.length), address, address.length, results, 1)
    const error = -(results[0] as number)
    if (error === 0 || hasWarned) return
    hasWarned = true
    warn(new SystemError(`tell the service manager at ${socket}`, error).message)
  }

  return {
    ready: (status) => tell({ READY: 1, STATUS: status }),
    reloading: () =>
      tell({ RELOADING: 1, MONOTONIC_USEC: `${process.hrtime.bigint() / 1000n}`, STATUS: 'reloading' }),
    stopping: (status) => tell({ STOPPING: 1, STATUS: status }),
    alive: () => tell({ WATCHDOG: 1 }),
    close: () => void seam.close(fd),
  }
}

/** For a daemon that nobody has to be told of. */
export const SILENT: Notifier = {
  ready() {},
  reloading() {},
  stopping() {},
  alive() {},
  close() {},
}

/**
 * How often to say that all is well: twice in what `WATCHDOG_USEC` allows. Null where nobody waits for it, or for it from
 * another process; sd_watchdog_enabled(3).
 */
export function watchdogPeriodMs(
  { WATCHDOG_USEC: usec, WATCHDOG_PID: pid }: Readonly<Record<string, string | undefined>>,
  ownPid: number,
): number | null {
  if (usec === undefined || !/^[1-9]\d*$/.test(usec)) return null
  if (pid !== undefined && pid !== String(ownPid)) return null
  return Math.max(1, Math.floor(Number(usec) / 1000 / 2))
}

/** A sockaddr_un: the address's length tells a name that begins with NUL, an abstract one, from a path. */
function addressOf(socket: string): Uint8Array {
  const isAbstract = socket.startsWith('@')
  const name = Buffer.from(isAbstract ? `\0${socket.slice(1)}` : `${socket}\0`)
  if (!isAbstract && !socket.startsWith('/'))
    throw new Error(`NOTIFY_SOCKET is '${socket}', where a path or a name behind @ was expected`)
  if (name.length > PATH_MAX_BYTES) throw new Error(`NOTIFY_SOCKET is too long: '${socket}'`)
  const address = Buffer.alloc(FAMILY_BYTES + name.length)
  address.writeUInt16LE(AF_UNIX, 0)
  name.copy(address, FAMILY_BYTES)
  return address
}
