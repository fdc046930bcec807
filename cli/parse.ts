/** argv to a {@link Request}, or to the {@link Refusal} that ipvsadm would have found first. */

import type { Timeouts } from '../control/index.ts'
import { serviceFamily } from '../lib/service/key.ts'
import { type Command, type OptionName, TUNNEL_OPTIONS } from './grammar.ts'
import { checkList, checkOptions, checkTunnel } from './legality.ts'
import { isRefusal, type Refusal, TRY_HELP, usageError } from './messages.ts'
import type { Names } from './names.ts'
import { type Draft, newDraft, READERS } from './readers.ts'
import type { Request } from './request.ts'
import { type CommandLine, requestOf } from './request-of.ts'
import { parseSchedulerFlags } from './sched-flags.ts'
import { parseTimeout } from './values.ts'
import { type Given, readWords } from './words.ts'

/**
 * Reads a command line without its program name. The first option must be the command. Options are read from left
 * to right and each argument is judged as it is met; what goes with what is judged afterwards.
 */
export async function parse(argv: readonly string[], names: Names): Promise<Request | Refusal> {
  const { given, rest, mistake } = readWords(argv)
  const [first, ...others] = given
  if (first?.meaning.kind !== 'command') return TRY_HELP
  const { command } = first.meaning
  if (command.name === 'help' || command.name === 'version') return { command: command.name }

  const draft = newDraft()
  const options = new Set<OptionName>()
  const flaw =
    checkDaemonState(command, first.argument) ?? (await readOptions(others, draft, options, names)) ?? mistake
  if (flaw !== null) return flaw

  const timeouts = command.name === 'set' ? parseTimeouts(rest) : null
  if (timeouts !== null && isRefusal(timeouts)) return timeouts
  const extra = rest[timeouts === null ? 0 : 3]
  if (extra !== undefined) return usageError(`unexpected argument ${extra}`)
  const schedulerFlags = parseSchedulerFlags(draft.schedulerFlags, draft.scheduler)
  if (isRefusal(schedulerFlags)) return schedulerFlags

  const line: CommandLine = { command, draft, options, schedulerFlags, timeouts }
  return (
    checkOptions(command, options) ??
    checkService(line) ??
    checkServer(line) ??
    (command.name === 'list' ? checkList(options) : null) ??
    requestOf(line)
  )
}

/** Reads the options in order into `draft`, and their names into `options`. */
async function readOptions(
  given: readonly Given[],
  draft: Draft,
  options: Set<OptionName>,
  names: Names,
): Promise<Refusal | null> {
  for (const { meaning, argument, word } of given) {
    if (meaning.kind === 'command') return usageError(`invalid option \`${word}'`)
    const { name, unchecked } = meaning.option
    if (options.has(name) && !unchecked) return usageError(`multiple '${name}' options specified`)
    options.add(name)
    const flaw = await READERS[meaning.long](draft, argument, names)
    if (flaw !== null) return flaw
  }
  return null
}

function checkDaemonState({ name }: Command, word: string | null): Refusal | null {
  if (word === null || word === 'master' || word === 'backup') return null
  // The two texts differ in ipvsadm.
  return usageError(
    name === 'start-daemon' ? 'illegal start-daemon parameter specified' : 'illegal start_daemon specified',
  )
}

function parseTimeouts(words: readonly string[]): Timeouts | Refusal {
  if (words.length < 3) return usageError('--set option requires 3 timeout values')
  const seconds: number[] = []
  for (const word of words.slice(0, 3)) {
    const value = parseTimeout(word, 0)
    if (value === null) return usageError(`invalid timeout value \`${word}' specified`)
    seconds.push(value)
  }
  const [tcp, tcpFin, udp] = seconds as [number, number, number]
  return { tcp, tcpFin, udp }
}

function checkService({ command, draft: { service }, options }: CommandLine): Refusal | null {
  if (command.name !== 'add-service' && command.name !== 'edit-service') return null
  if (service?.kind !== 'address') return null
  if (service.port === 0 && !options.has('persistent'))
    return usageError('Zero port specified for non-persistent service')
  return options.has('ops') && service.transport !== 'udp'
    ? usageError('One-Packet Scheduling is only for UDP virtual services')
    : null
}

function checkServer({ command, draft, options }: CommandLine): Refusal | null {
  if (command.name !== 'add-server' && command.name !== 'edit-server') return null
  const { service, server, method, tunnel } = draft
  if (method === 'ipip') return checkTunnel(tunnel.type, options)
  if (service !== null && server !== null && server.address.family !== serviceFamily(service))
    return usageError('Different address family is allowed only for tunneling servers')
  return options.has('tun-type') || TUNNEL_OPTIONS.some((name) => options.has(name))
    ? usageError('Tunnel options conflict with forward method')
    : null
}
