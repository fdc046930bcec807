/**
 * The lock of iptables-legacy, which keeps two of them from overwriting each other's tables. It is in a file that only
 * root may open; other users need one of their own. iptables-nft takes no lock, nor needs one.
 */

import { closeSync, openSync } from 'node:fs'

/** Tells iptables-legacy which file to use; iptables(8). */
export const XTABLES_LOCKFILE = 'XTABLES_LOCKFILE'

const DEFAULT_LOCK = '/run/xtables.lock'

/**
 * `own`, where this process cannot use the lock that all others do, and the environment names no other; else null.
 * `canOpen` is tried on the common lock.
 */
export function ownXtablesLock(
  environment: Readonly<Record<string, string | undefined>>,
  own: string,
  canOpen: (path: string) => boolean = canBeLocked,
): string | null {
  return environment[XTABLES_LOCKFILE] === undefined && !canOpen(DEFAULT_LOCK) ? own : null
}

/** Opened as iptables does: made where it is not there yet. */
function canBeLocked(path: string): boolean {
  try {
    closeSync(openSync(path, 'a', 0o600))
    return true
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return false
    throw error
  }
}
