/** The control API's requests, as the table in `control/schema.ts` lists them: one row each. */

import type * as z from 'zod'
import {
  DestinationConfig,
  DestinationSettings,
  KnobChanges,
  ServiceConfig,
  ServiceSettings,
  Timeouts,
} from '../../control/schema.ts'
import {
  type DestinationKey,
  parseEndpoint,
  parseServiceKey,
  type ServiceKey,
} from '../../lib/service/key.ts'
import { REFUSALS, type Refusal, type RefusalCode } from '../../lib/service/refusal.ts'
import type { Administration } from '../administration.ts'
import { describeIssues } from '../config.ts'

/** A request that is answered with an error. */
export class HttpError extends Error {
  readonly status: number
  readonly code: string
  readonly errno: string

  constructor(status: number, code: string, errno: string, message: string) {
    super(message)
    this.status = status
    this.code = code
    this.errno = errno
  }
}

const REFUSAL_STATUS: Readonly<Record<RefusalCode, number>> = {
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
}

/** What a refusal of the library's becomes on the wire. */
export const refusalError = ({ refused, message }: Refusal): HttpError =>
  new HttpError(REFUSAL_STATUS[refused], refused, REFUSALS[refused], message)

interface Answer {
  readonly status: number
  readonly body?: unknown
}

interface Matched {
  readonly administration: Administration
  readonly body: unknown
  /** The path's service and destination; asking for one that the pattern lacks is a mistake of the row's. */
  readonly service: ServiceKey
  readonly endpoint: DestinationKey
}

interface Row {
  readonly method: string
  readonly path: string
  answer(request: Matched): Promise<Answer>
}

const ok = (body: unknown): Answer => ({ status: 200, body })
const created = (body: unknown): Answer => ({ status: 201, body })
const done: Answer = { status: 204 }

const ROWS: readonly Row[] = [
  row('GET', '/v1/services', async ({ administration }) => ok({ services: await administration.services() })),
  row('POST', '/v1/services', async ({ administration, body }) =>
    created(await administration.addService(valid(ServiceConfig, body))),
  ),
  row('DELETE', '/v1/services', async ({ administration }) => {
    await administration.flush()
    return done
  }),
  row('GET', '/v1/services/{id}', async ({ administration, service }) =>
    ok(await administration.service(service)),
  ),
  row('PUT', '/v1/services/{id}', async ({ administration, service, body }) =>
    ok(await administration.editService(service, valid(ServiceSettings, body))),
  ),
  row('DELETE', '/v1/services/{id}', async ({ administration, service }) => {
    await administration.removeService(service)
    return done
  }),
  row('POST', '/v1/services/{id}/zero', async ({ administration, service }) => {
    await administration.zero(service)
    return done
  }),
  row('POST', '/v1/services/{id}/destinations', async ({ administration, service, body }) =>
    created(await administration.addDestination(service, valid(DestinationConfig, body))),
  ),
  row(
    'PUT',
    '/v1/services/{id}/destinations/{endpoint}',
    async ({ administration, service, endpoint, body }) =>
      ok(await administration.editDestination(service, endpoint, valid(DestinationSettings, body))),
  ),
  row(
    'DELETE',
    '/v1/services/{id}/destinations/{endpoint}',
    async ({ administration, service, endpoint }) => {
      await administration.removeDestination(service, endpoint)
      return done
    },
  ),
  row('POST', '/v1/zero', async ({ administration }) => {
    await administration.zero(null)
    return done
  }),
  row('GET', '/v1/connections', async ({ administration }) =>
    ok({ connections: await administration.connections() }),
  ),
  row('GET', '/v1/timeouts', async ({ administration }) => ok(await administration.timeouts())),
  row('PUT', '/v1/timeouts', async ({ administration, body }) =>
    ok(await administration.setTimeouts(valid(Timeouts, body))),
  ),
  row('GET', '/v1/knobs', async ({ administration }) => ok(await administration.knobs())),
  row('PUT', '/v1/knobs', async ({ administration, body }) =>
    ok(await administration.setKnobs(valid(KnobChanges, body))),
  ),
  row('GET', '/v1/info', async ({ administration }) => ok(await administration.info())),
]

/** The answer to a request; throws {@link HttpError}. */
export async function route(
  method: string,
  url: string,
  body: unknown,
  administration: Administration,
): Promise<Answer> {
  const segments = segmentsOf(url)
  const candidates = ROWS.filter(({ path }) => isMatch(path.split('/'), segments))
  if (candidates.length === 0)
    throw new HttpError(404, 'no-such-resource', 'ENOENT', `there is no resource ${url}`)
  const found = candidates.find((each) => each.method === method)
  if (found === undefined) {
    const allowed = candidates.map((each) => each.method).join(', ')
    throw new HttpError(405, 'method-not-allowed', 'EPERM', `${method} is not one of: ${allowed}`)
  }
  return await found.answer({
    administration,
    body,
    get service() {
      return orInvalid(parseServiceKey(segments[3] ?? ''), segments[3], 'tcp:10.0.0.1:80 or fwmark:5')
    },
    get endpoint() {
      return orInvalid(parseEndpoint(segments[5] ?? ''), segments[5], '192.168.1.1:80')
    },
  })
}

function row(method: string, path: string, answer: Row['answer']): Row {
  return { method, path, answer }
}

function segmentsOf(url: string): string[] {
  const path = url.split('?')[0] as string
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    throw new HttpError(400, 'invalid-value', 'EINVAL', `'${path}' is not validly percent-encoded`)
  }
}

const isMatch = (pattern: readonly string[], segments: readonly string[]): boolean =>
  pattern.length === segments.length &&
  pattern.every((part, index) => part.startsWith('{') || part === segments[index])

function orInvalid<T>(value: T | null, text: string | undefined, example: string): T {
  if (value !== null) return value
  throw new HttpError(400, 'invalid-value', 'EINVAL', `'${text}' is not of the form ${example}`)
}

function valid<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  if (body === undefined) throw new HttpError(400, 'invalid-value', 'EINVAL', 'a JSON body was expected')
  const result = schema.safeParse(body)
  if (result.success) return result.data
  throw new HttpError(422, 'invalid-value', 'EINVAL', describeIssues(result.error))
}
