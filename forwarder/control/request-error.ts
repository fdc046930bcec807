/** A request that is answered with an error of the API's. */

import { ERRORS, type ErrorCode } from '../../control/errors.ts'
import type { Refusal } from '../../lib/service/refusal.ts'

/** The way to a value within a request's body: `['services', 2, 'port']`. */
export type ValuePath = readonly (string | number)[]

export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly code: ErrorCode
  /** Where in the body the fault is, where it can be said. */
  readonly path: ValuePath | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions & { path?: ValuePath } = {}) {
    super(message, options)
    this.code = code
    this.path = options.path
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  get errno(): string {
    return ERRORS[this.code].errno
  }
}

/** What a refusal of the library's becomes on the wire. */
export const refusalError = ({ refused, message }: Refusal, path?: ValuePath): RequestError =>
  new RequestError(refused, message, path === undefined ? {} : { path })
