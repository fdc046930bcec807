/** What a validation found, in one line for people and as a path for programs. */

import type * as z from 'zod'

export interface Flaw {
  /** Names the value: `services[0].port: expected number, received string`. */
  readonly message: string
  readonly path: readonly (string | number)[]
}

/** The first flaw of a validation. */
export function firstFlaw(error: z.ZodError): Flaw {
  const issue = deepest(error.issues[0] as z.core.$ZodIssue)
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)))
  const place = formatPath(path)
  const message = issue.message.replace(/^Invalid input: /, '')
  return { message: place === '' ? message : `${place}: ${message}`, path }
}

const formatPath = (path: Flaw['path']): string =>
  path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}${text === '' ? '' : '.'}${key}`),
    '',
  )

/** Of a union's failure, the branch that came farthest says most. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue
  const branches = [...issue.errors].sort((a, b) => a.length - b.length || depth(b) - depth(a))
  const inner = branches[0]?.[0]
  return inner === undefined ? issue : deepest({ ...inner, path: [...issue.path, ...inner.path] })
}

const depth = (issues: readonly z.core.$ZodIssue[]): number =>
  Math.max(0, ...issues.map(({ path }) => path.length))
