/** Puts the host back as a journal says, whether the journal is our own at the end or one left by a killed daemon. */

import { readlinkSync } from 'node:fs'
import { applyRouting } from './iproute.ts'
import { Journal } from './journal.ts'
import { removeChains } from './netfilter.ts'
import { identifyThisProcess, isAlive } from './process-identity.ts'
import { restoreSysctls } from './sysctls.ts'

/**
 * What an earlier daemon left: nothing, something that was undone, a journal that is not about this kernel, or something
 * that was taken over as it is.
 */
export type RepairOutcome = 'nothing' | 'repaired' | 'from-elsewhere' | 'adopted'

/**
 * Undoes everything in `journal` and deletes it. Packets are let through to the kernel first, and last of all
 * settings return. Each part is tried even when another fails; what failed stays in the journal.
 * @throws AggregateError with what could not be undone
 */
export async function undo(journal: Journal): Promise<void> {
  const failures: unknown[] = []
  const attempt = async (part: () => Promise<void> | void) => {
    try {
      await part()
    } catch (error) {
      failures.push(error)
    }
  }
  for (const [family, name] of [
    [4, 'ipv4'],
    [6, 'ipv6'],
  ] as const) {
    const record = journal.content.netfilter[name]
    if (record === null) continue
    await attempt(async () => {
      await removeChains(family, record)
      journal.update({ netfilter: { ...journal.content.netfilter, [name]: null } })
    })
  }
  const range = journal.content.routing
  if (range !== null) {
    await attempt(async () => {
      await applyRouting([], { range })
      journal.update({ routing: null })
    })
  }
  await attempt(() => restoreSysctls(journal.content.sysctls))
  if (failures.length > 0) {
    const reasons = failures.map((failure) => (failure as Error).message).join('; ')
    throw new AggregateError(
      failures,
      `not everything on this host could be put back (${journal.path} says what): ${reasons}`,
    )
  }
  journal.discard()
}

/**
 * Undoes what a killed daemon left behind, as its journal at `path` says. Can be repeated.
 *
 * A journal from before a reboot or of another network namespace is deleted: what it speaks of went away with
 * that kernel or namespace, or is out of reach from here.
 * @throws when the daemon that wrote it is running, when the journal cannot be read, and as {@link undo} does
 */
export async function repair(path: string): Promise<RepairOutcome> {
  const journal = Journal.read(path)
  if (journal === null) return 'nothing'
  refuseRunning(journal)
  if (!isOfThisKernel(journal)) {
    journal.discard()
    return 'from-elsewhere'
  }
  await undo(journal)
  return 'repaired'
}

/**
 * The journal of a daemon that is gone, about what it left on this kernel and in this network namespace; null without one.
 * @throws when the daemon that wrote it is running, and when the journal cannot be read
 */
export function abandonedJournal(path: string): Journal | null {
  const journal = Journal.read(path)
  if (journal === null) return null
  refuseRunning(journal)
  return isOfThisKernel(journal) ? journal : null
}

function refuseRunning({ path, content: { owner } }: Journal): void {
  if (isAlive(owner) && owner.pid !== process.pid)
    throw new Error(`uipvs is running already, as process ${owner.pid} (its journal is ${path})`)
}

const isOfThisKernel = ({ content: { owner } }: Journal): boolean =>
  owner.bootId === identifyThisProcess().bootId && owner.netNamespace === readlinkSync('/proc/self/ns/net')
