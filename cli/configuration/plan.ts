/** A file against the configuration in force: what would change, and whom it would touch. */

import {
  type Change,
  type ConfigurationControl,
  type Control,
  difference,
  type Service,
} from '../../control/index.ts'
import { CommandError } from '../commands/command-error.ts'
import type { Names } from '../names.ts'
import { counted, formatChange, type Touched, touchedBy } from './format-changes.ts'
import { isFlaw, readConfiguration, type WantedFile } from './wanted.ts'

export type PlanControl = Pick<Control, 'services'> &
  Pick<ConfigurationControl, 'configuration' | 'replaceConfiguration'>

/** A file that cannot be put in force: `FILE:LINE: what is wrong`. */
export const refused = (file: string, line: number | null, message: string): CommandError =>
  new CommandError(`${file}:${line === null ? '' : `${line}:`} ${message}`, 1)

/** Reads what a file says; throws {@link CommandError}. */
export async function readWanted(file: string, text: string, names: Names): Promise<WantedFile> {
  const wanted = await readConfiguration(text, names)
  if (isFlaw(wanted)) throw refused(file, wanted.line, wanted.message)
  return wanted
}

export interface Plan {
  /** In force when the plan was made. */
  readonly revision: string
  readonly changes: readonly (Change & { readonly touches: Touched | null })[]
}

/** What must be changed for `wanted` to be in force, and which connections each change touches. */
export async function planFor({ configuration: wanted }: WantedFile, client: PlanControl): Promise<Plan> {
  const { revision, configuration } = await client.configuration()
  const services = new Map((await client.services()).map((each): [string, Service] => [each.id, each]))
  const changes = difference(configuration, wanted)
  return { revision, changes: changes.map((each) => ({ ...each, touches: touchedBy(each, services) })) }
}

/** A line for each change, and one for them all. */
export function formatPlan({ revision, changes }: Plan): string {
  const lines = changes.map((change) => formatChange(change, change.touches))
  const summary = changes.length === 0 ? 'nothing to do' : counted(changes.length, 'change')
  return `${lines.join('')}${summary} at revision ${revision}\n`
}
