/** Every text that ends a command in failure, and its exit status: ipvsadm 1.31's, word for word. */

import type { ApiError } from '../control/index.ts'
import type { CommandName } from './grammar.ts'

/** Why a command line was not carried out. */
export interface Refusal {
  /** For standard error; a newline is added. */
  readonly text: string
  readonly exitStatus: 1 | 2 | 255
  /** Whether a `-R` that meets this on one of its lines stops there, or goes on with the next. */
  readonly endsRestore: boolean
}

export const isRefusal = (result: object): result is Refusal => 'exitStatus' in result

/** An argument that ipvsadm itself finds at fault. */
export const usageError = (text: string): Refusal => ({ text, exitStatus: 2, endsRestore: true })

/** Where a command should have been, there was none. */
export const TRY_HELP: Refusal = {
  text: "Try `ipvsadm -h' or 'ipvsadm --help' for more information.",
  exitStatus: 255,
  endsRestore: true,
}

/** A word after the command that cannot be read as an option. */
export const badWord = (word: string, flaw: string): Refusal => ({
  text: `${word}: ${flaw}`,
  exitStatus: 255,
  endsRestore: false,
})

/** No daemon to talk to: the counterpart of a kernel without IPVS. */
export const cannotInitialize = (reason: string, remedy: string): Refusal => ({
  text: `Can't initialize ipvs: ${reason}\n${remedy}`,
  exitStatus: 2,
  endsRestore: true,
})

const NO_SERVICE = 'No such service'
const NOT_FOUND = 'Scheduler or persistence engine not found'
const NOT_DEFINED = 'Service not defined'
const NO_DESTINATION = 'No such destination'

/** Sync daemons cannot be started, so none was: ipvsadm's texts for ENOPROTOOPT and ESRCH. */
export const NO_SYNC = {
  'start-daemon': 'Protocol not available (uipvs has no sync daemons yet)',
  'stop-daemon': 'No daemon is running',
} as const

/** What an errno means to one command; other commands fall back on {@link ANYWHERE}. */
const BY_COMMAND: Partial<Record<CommandName, Readonly<Record<string, string>>>> = {
  'add-service': { EEXIST: 'Service already exists', ENOENT: NOT_FOUND },
  'edit-service': { ESRCH: NO_SERVICE, ENOENT: NOT_FOUND },
  'delete-service': { ESRCH: NO_SERVICE },
  'add-server': { ESRCH: NOT_DEFINED, EEXIST: 'Destination already exists' },
  'edit-server': { ESRCH: NOT_DEFINED, ENOENT: NO_DESTINATION },
  'delete-server': { ESRCH: NOT_DEFINED, ENOENT: NO_DESTINATION },
  list: { ESRCH: NO_SERVICE },
  zero: { ESRCH: NO_SERVICE },
}

const ANYWHERE: Readonly<Record<string, string>> = {
  EPERM: 'Permission denied (you must be root)',
  EINVAL: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  ENOPROTOOPT: 'Protocol not available',
  ENOMEM: 'Memory allocation problem',
  EAFNOSUPPORT: 'Operation not supported with specified address family',
  EMSGSIZE: 'Module is wrong version',
  ERANGE: 'Numerical result out of range',
}

/** The daemon's refusal of a request as ipvsadm would have told it, or else in the daemon's own words. */
export const daemonRefusal = (command: CommandName, { errno, message }: ApiError): Refusal =>
  kernelError(command, BY_COMMAND[command]?.[errno] ?? ANYWHERE[errno] ?? `uipvsadm: ${message}`)

/** A request that was understood and failed. Listings say so with 1, everything else with 255. */
export const kernelError = (command: CommandName, text: string): Refusal =>
  command === 'list' || command === 'save'
    ? { text, exitStatus: 1, endsRestore: true }
    : { text, exitStatus: 255, endsRestore: false }
