/** The flags of `-b`: their API names, and the names that some schedulers give them. */

import type { ServiceSettings } from '../control/index.ts'
import { type Refusal, usageError } from './messages.ts'

export type SchedulerFlag = ServiceSettings['schedulerFlags'][number]

const FLAGS = ['flag-1', 'flag-2', 'flag-3'] as const satisfies readonly SchedulerFlag[]

/** What `sh` and `mh` call their flags. */
const ALIASES: readonly {
  readonly alias: string
  readonly scheduler: string
  readonly flag: SchedulerFlag
}[] = [
  { alias: 'sh-fallback', scheduler: 'sh', flag: 'flag-1' },
  { alias: 'sh-port', scheduler: 'sh', flag: 'flag-2' },
  { alias: 'mh-fallback', scheduler: 'mh', flag: 'flag-1' },
  { alias: 'mh-port', scheduler: 'mh', flag: 'flag-2' },
]

/** Every word that the list may hold. */
export const SCHEDULER_FLAG_WORDS: readonly string[] = [...ALIASES.map(({ alias }) => alias), ...FLAGS]

/** The flags in a comma-separated list, in order and each once; aliases only for their scheduler. */
export function parseSchedulerFlags(text: string, scheduler: string): SchedulerFlag[] | Refusal {
  const found = new Set<SchedulerFlag>()
  for (const word of text.split(',')) {
    if (word === '') continue
    const alias = ALIASES.find((each) => each.alias === word)
    const flag = alias?.flag ?? FLAGS.find((each) => each === word)
    if (flag === undefined) return usageError(`invalid scheduler flag \`${word}'`)
    if (alias !== undefined && alias.scheduler !== scheduler)
      return usageError(`incompatible scheduler flag \`${word}'`)
    found.add(flag)
  }
  return FLAGS.filter((flag) => found.has(flag))
}

/** The inverse, as listings show it: by the scheduler's own names, and only those if it has any. */
export const formatSchedulerFlags = (flags: readonly SchedulerFlag[], scheduler: string): string =>
  namesOf(flags, scheduler, !ALIASES.some((each) => each.scheduler === scheduler))

/**
 * The inverse, as it is saved: with every flag.
 *
 * Deviation from ipvsadm 1.31, which leaves out flags that its scheduler has no name for, and so can save a `-b`
 * without argument that it cannot restore.
 */
export const saveSchedulerFlags = (flags: readonly SchedulerFlag[], scheduler: string): string =>
  namesOf(flags, scheduler, true)

function namesOf(flags: readonly SchedulerFlag[], scheduler: string, withNumbered: boolean): string {
  const names = FLAGS.filter((flag) => flags.includes(flag)).map((flag) => {
    const own = ALIASES.find((each) => each.scheduler === scheduler && each.flag === flag)
    return own?.alias ?? (withNumbered ? flag : '')
  })
  return names.filter((name) => name !== '').join(',')
}
