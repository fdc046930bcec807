/** From a request line to its row, from the row to its answer. */

import { firstFlaw } from '../../control/issues.ts'
import { REQUESTS, type RequestName, type RequestRow, statusOf } from '../../control/requests.ts'
import { parseEndpoint, parseServiceKey } from '../../lib/service/key.ts'
import type { Administration } from '../administration.ts'
import { type AnsweredName, type Asked, HANDLERS, type Revised } from './handlers.ts'
import { RequestError } from './request-error.ts'

/** A request whose row has been found: what it is, and the decoded segments of its path. */
export interface Route {
  readonly name: RequestName
  readonly row: RequestRow
  readonly segments: readonly string[]
}

/** An answer as it is sent; `body` is JSON to be, undefined for none. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

const ROWS = Object.entries(REQUESTS).map(([name, row]) => ({
  name: name as RequestName,
  row: row as RequestRow,
  pattern: row.path.split('/'),
}))

/** Finds the row of a request; throws {@link RequestError} where there is none. */
export function routeOf(method: string, url: string): Route {
  const segments = segmentsOf(url)
  const candidates = ROWS.filter(({ pattern }) => isMatch(pattern, segments))
  if (candidates.length === 0)
    throw new RequestError('no-such-resource', `there is no resource ${shown(url)}`)
  const found = candidates.find(({ row }) => row.method === method)
  if (found === undefined) {
    const allowed = candidates.map(({ row }) => row.method).join(', ')
    throw new RequestError('method-not-allowed', `${method} is not one of: ${allowed}`)
  }
  return { name: found.name, row: found.row, segments }
}

/** What a request brings besides its request line. */
export interface Content {
  /** JSON; undefined where the request has none. */
  readonly body: unknown
  /** The header of that name. */
  readonly ifMatch: string | undefined
}

/** Answers a request that is not answered by a stream; throws {@link RequestError}. */
export async function answer(
  { name, row, segments }: Route,
  { body, ifMatch }: Content,
  administration: Administration,
): Promise<Answer> {
  const asked = {
    administration,
    body: row.body === undefined ? undefined : valid(row.body, body),
    ifRevision: row.conditional ? revisionsOf(ifMatch) : undefined,
    get service() {
      return orMalformed(parseServiceKey(segments[3] ?? ''), segments[3], 'tcp:10.0.0.1:80 or fwmark:5')
    },
    get endpoint() {
      return orMalformed(parseEndpoint(segments[5] ?? ''), segments[5], '192.168.1.1:80')
    },
  }
  // The table of handlers has been checked row by row: here the row is known at run time only.
  const handle = HANDLERS[name as AnsweredName] as (asked: Asked<RequestName>) => unknown
  const result = await handle(asked as unknown as Asked<RequestName>)
  if (!row.revised) return { status: statusOf(row), headers: {}, body: result }
  const { revision, answer } = result as Revised<unknown>
  return { status: statusOf(row), headers: { etag: `"${revision}"` }, body: answer }
}

/** The revisions that `If-Match` names, undefined for any. A weak one matches nothing. RFC 9110 §13.1.1 */
function revisionsOf(ifMatch: string | undefined): readonly string[] | undefined {
  if (ifMatch === undefined) {
    const message = 'If-Match must say which revision this replaces, the ETag of GET /v1/config, or * for any'
    throw new RequestError('revision-required', message)
  }
  if (ifMatch.trim() === '*') return undefined
  const tags = ifMatch.split(',').map((each) => each.trim())
  return tags.map((tag) => /^"([^"]*)"$/.exec(tag)?.[1] ?? tag)
}

function segmentsOf(url: string): string[] {
  const path = url.split('?')[0] as string
  try {
    return path.split('/').map(decodeURIComponent)
  } catch (error) {
    const message = `'${shown(path)}' is not validly percent-encoded`
    throw new RequestError('malformed-request', message, { cause: error })
  }
}

const isMatch = (pattern: readonly string[], segments: readonly string[]): boolean =>
  pattern.length === segments.length &&
  pattern.every((part, index) => part.startsWith('{') || part === segments[index])

function orMalformed<T>(value: T | null, text: string | undefined, example: string): T {
  if (value !== null) return value
  throw new RequestError('malformed-request', `'${shown(text ?? '')}' is not of the form ${example}`)
}

function valid(shape: NonNullable<RequestRow['body']>, body: unknown): unknown {
  if (body === undefined) throw new RequestError('malformed-request', 'a JSON body was expected')
  const result = shape.safeParse(body)
  if (result.success) return result.data
  const { message, path } = firstFlaw(result.error)
  throw new RequestError('invalid-value', message, { path })
}

/** What a client wrote, short enough for an error's one line. */
const shown = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text)
