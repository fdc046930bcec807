/** Which options a command must, may and must not have: the tables of grammar.ts, applied. */

import {
  type Command,
  LIST_CONFLICTS,
  OPTIONS,
  type Option,
  type OptionName,
  TUNNEL_OPTIONS,
  TUNNEL_TYPES,
  type TunnelRow,
  type TunnelType,
} from './grammar.ts'
import { type Refusal, usageError } from './messages.ts'

/** The first fault of a command with these options, or null. */
export function checkOptions({ name: command }: Command, given: ReadonlySet<OptionName>): Refusal | null {
  let exclusive: OptionName | null = null
  for (const option of OPTIONS as readonly Option[]) {
    const isNeeded = option.needs?.includes(command)
    if (!given.has(option.name)) {
      if (isNeeded)
        return usageError(`You need to supply the '${option.name}' option for the '${command}' command`)
    } else if (option.oneOf?.includes(command)) {
      if (exclusive !== null)
        return usageError(
          `The option '${option.name}' conflicts with the '${exclusive}' option in the '${command}' command`,
        )
      exclusive = option.name
    } else if (!isNeeded && !option.takes?.includes(command) && !option.unchecked) {
      return usageError(`Illegal '${option.name}' option with the '${command}' command`)
    }
  }
  return null
}

/** The conflicts among the options of `-L` that the table of options cannot express. */
export const checkList = (given: ReadonlySet<OptionName>): Refusal | null =>
  LIST_CONFLICTS.some((sides) => sides.every((side) => side.some((name) => given.has(name))))
    ? usageError('options conflicts in the list command')
    : null

/** The first fault of these options with that kind of tunnel, or null. */
export function checkTunnel(type: TunnelType, given: ReadonlySet<OptionName>): Refusal | null {
  const row: TunnelRow = TUNNEL_TYPES[type]
  let exclusive: OptionName | null = null
  for (const name of TUNNEL_OPTIONS) {
    if (!given.has(name)) {
      if (row.needs?.includes(name))
        return usageError(`You need to supply the '${name}' option for the '${type}' tunnel type`)
    } else if (row.oneOf?.includes(name)) {
      if (exclusive !== null)
        return usageError(
          `The option '${name}' conflicts with the '${exclusive}' option in the '${type}' tunnel type`,
        )
      exclusive = name
    } else if (!row.needs?.includes(name)) {
      return usageError(`Illegal '${name}' option with the '${type}' tunnel type`)
    }
  }
  return null
}
