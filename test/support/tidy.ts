/** What keeps the tree tidy: each rule is a function of a file's path and text, and answers with what it found. */

/** Which folder at the top may import from which others; `bin` ties everything together. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  testing: ['lib'],
  control: ['lib'],
  forwarder: ['control', 'lib'],
  cli: ['control', 'lib'],
  bin: ['cli', 'forwarder', 'control', 'lib'],
  examples: [],
}

/**
 * Which modules each folder may use. Of Node's own `lib` and `testing` have none, and `control` the one its client speaks
 * through; examples can be copied out, since they know the package by its name.
 */
const MAY_USE: Readonly<Record<string, readonly RegExp[]>> = {
  lib: [],
  testing: [],
  control: [/^zod$/, /^node:http$/],
  forwarder: [/^node:/, /^pino$/, /^zod$/],
  cli: [/^node:/, /^commander$/],
  bin: [/^node:/, /^commander$/],
  examples: [/^node:/, /^uipvs(?:\/|$)/],
}

/** The rooms of `lib`: each imports only from itself and those before it. */
export const ROOMS = [
  'bytes',
  'wire',
  'service',
  'conn',
  'sched',
  'persistence',
  'encode',
  'apps',
  'director',
] as const

/** Every module that the source names: imports, re-exports and dynamic imports. */
export function importsOf(source: string): string[] {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)'([^'\n]+)'/g
  return Array.from(withoutComments(source).matchAll(pattern), (match) => match[1]!)
}

/** Imports that run the wrong way, each as a sentence. */
export function wrongArrows(path: string, source: string): string[] {
  return importsOf(source).flatMap((specifier) => wrongArrow(path, specifier) ?? [])
}

function wrongArrow(path: string, specifier: string): string | null {
  const from = path.split('/')[0]!
  if (MAY_IMPORT[from] === undefined) return null
  if (!specifier.startsWith('.')) {
    const isAllowed = MAY_USE[from]!.some((pattern) => pattern.test(specifier))
    return isAllowed ? null : `${path} uses the module ${specifier}, which ${from} may not`
  }
  const target = resolved(path, specifier)
  const to = target.split('/')[0]!
  if (to !== from) {
    return MAY_IMPORT[from].includes(to) ? null : `${path} imports ${target}, which is not for ${from}`
  }
  return from === 'lib' ? wrongRoom(path, target) : null
}

function wrongRoom(path: string, target: string): string | null {
  if (path === 'lib/index.ts') return null
  const [own, other] = [path, target].map((each) => (ROOMS as readonly string[]).indexOf(each.split('/')[1]!))
  if (own === -1) return `${path} is in no room of lib: ${ROOMS.join(' ')}`
  if (other === -1) return `${path} imports ${target}, which is in no room of lib`
  return other! <= own! ? null : `${path} imports ${target}, which is in a later room`
}

function resolved(path: string, specifier: string): string {
  const parts = path.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** What only the world outside can give: lib is handed its time, chance and bytes. */
const IMPURE: readonly RegExp[] = [
  /\bDate\b/,
  /\bMath\.random\b/,
  /\bconsole\b/,
  /\bperformance\b/,
  /(?<![.\w])process\.\w/,
  /\bglobalThis\b/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bqueueMicrotask\b/,
  /\bBuffer\b/,
]

/** Globals that lib must not touch. What a comment or a text says does not count. */
export function impurities(path: string, source: string): string[] {
  const code = withoutTexts(withoutComments(source))
  return IMPURE.flatMap((pattern) => {
    const found = pattern.exec(code)
    return found === null ? [] : [`${path} uses ${found[0]}`]
  })
}

const LEFTOVERS: readonly RegExp[] = [
  /\.only\(/,
  /^\s*debugger\b/m,
  /\bTO(?:DO)\b/,
  /\bFIX(?:ME)\b/,
  /\bX{3}\b/,
]

/** What is for a minute of work and must not stay. */
export const leftovers = (path: string, source: string): string[] =>
  LEFTOVERS.flatMap((pattern) => {
    const found = pattern.exec(source)
    return found === null ? [] : [`${path}:${lineOf(source, found.index)} has ${found[0].trim()}`]
  })

/** Paths that are there on one machine only. */
const MACHINE_PATH = /(?<![\w.:/-])\/(?:work|home|root|Users|mnt)\/[\w.-]+/

export function machinePaths(path: string, source: string): string[] {
  const found = MACHINE_PATH.exec(source)
  return found === null ? [] : [`${path}:${lineOf(source, found.index)} mentions ${found[0]}`]
}

export const MAX_LINES = 300

/** Whether the file is longer than a reader's patience. */
export const isLong = (source: string): boolean => source.trimEnd().split('\n').length > MAX_LINES

/** Names of other than small letters, digits, dashes and dots. */
export function oddNames(paths: readonly string[]): string[] {
  return paths.filter((path) => !/^[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(path.split('/').at(-1)!))
}

/** What a compiler left beside the source it was made from. */
export function compiledLitter(paths: readonly string[]): string[] {
  const all = new Set(paths)
  return paths.filter((path) => /\.(?:js|d\.ts|map)$/.test(path) && all.has(path.replace(/\.[^/]*$/, '.ts')))
}

const lineOf = (source: string, index: number): number => source.slice(0, index).split('\n').length

/** Comments replaced by nothing; those within texts do not matter to any rule. */
const withoutComments = (source: string): string =>
  source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1')

/** Quoted texts and templates without `${…}` emptied. */
const withoutTexts = (source: string): string => source.replace(/'(?:[^'\\\n]|\\.)*'|`[^`$]*`/g, "''")
