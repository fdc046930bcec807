/** Why a configuration request was refused: a value with a stable code, never an exception. */

/** The codes follow the errors of kernel IPVS; `errno` is what ipvsadm's messages are chosen by. */
export const REFUSALS = {
  'service-exists': 'EEXIST',
  'no-such-service': 'ESRCH',
  'scheduler-not-found': 'ENOENT',
  'engine-not-found': 'ENOENT',
  'destination-exists': 'EEXIST',
  'no-such-destination': 'ENOENT',
  'invalid-value': 'EINVAL',
  'out-of-range': 'ERANGE',
  'table-full': 'ENOMEM',
  'not-supported': 'EOPNOTSUPP',
} as const

export type RefusalCode = keyof typeof REFUSALS

/** `message` names the value and what was expected. */
export interface Refusal {
  readonly refused: RefusalCode
  readonly message: string
}

export const refuse = (refused: RefusalCode, message: string): Refusal => ({ refused, message })

export const isRefusal = (result: unknown): result is Refusal =>
  typeof result === 'object' && result !== null && 'refused' in result

/** The value itself; a refusal is thrown as an Error with its message. For callers that cannot be refused, or not go on. */
export function granted<Granted extends object>(result: Granted | Refusal): Granted {
  if (isRefusal(result)) throw new Error(result.message)
  return result
}
