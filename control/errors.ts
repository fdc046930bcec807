/** Every error that the API answers with: its stable code, HTTP status, and kernel IPVS's (or errno(3)'s) name for it. */

import { REFUSALS, type RefusalCode } from '../lib/service/refusal.ts'

interface ErrorRow {
  readonly status: number
  readonly errno: string
}

const REFUSAL_STATUS = {
  'service-exists': 409,
  'no-such-service': 404,
  'scheduler-not-found': 422,
  'engine-not-found': 422,
  'destination-exists': 409,
  'no-such-destination': 404,
  'invalid-value': 422,
  'out-of-range': 422,
  'table-full': 507,
  'not-supported': 501,
} as const satisfies Record<RefusalCode, number>

/** What is said of the request rather than of what it asks for. */
const REQUEST_ERRORS = {
  'malformed-request': { status: 400, errno: 'EINVAL' },
  'not-json': { status: 400, errno: 'EINVAL' },
  'no-such-resource': { status: 404, errno: 'ENOENT' },
  'method-not-allowed': { status: 405, errno: 'EPERM' },
  'too-slow': { status: 408, errno: 'ETIMEDOUT' },
  'stale-revision': { status: 412, errno: 'ESTALE' },
  'body-too-large': { status: 413, errno: 'EMSGSIZE' },
  'revision-required': { status: 428, errno: 'EINVAL' },
  'headers-too-large': { status: 431, errno: 'EMSGSIZE' },
  /** The host's rules, routes or settings could not be brought in line. */
  host: { status: 500, errno: 'EIO' },
  internal: { status: 500, errno: 'EIO' },
  'too-many-listeners': { status: 503, errno: 'EBUSY' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = RefusalCode | keyof typeof REQUEST_ERRORS

export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = {
  ...(Object.fromEntries(
    Object.entries(REFUSALS).map(([code, errno]) => [
      code,
      { status: REFUSAL_STATUS[code as RefusalCode], errno },
    ]),
  ) as Record<RefusalCode, ErrorRow>),
  ...REQUEST_ERRORS,
}
