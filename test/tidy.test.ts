import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  compiledLitter,
  importsOf,
  impurities,
  isLong,
  leftovers,
  MAX_LINES,
  machinePaths,
  oddNames,
  ROOMS,
  wrongArrows,
} from './support/tidy.ts'

const SOURCES = ['lib', 'testing', 'control', 'forwarder', 'cli', 'bin', 'examples']
const EVERYTHING = [
  ...SOURCES,
  'bench',
  'conformance',
  'fuzz',
  'scripts',
  'native',
  'test',
  'property-tests',
  'docs',
]

/** Sources that are longer than a reader's patience, and why they are one file all the same. */
const LONG: Readonly<Record<string, string>> = {
  'cli/grammar.ts': 'the whole command line as one table, which loses by being torn apart',
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Every file below the folder, by its path from the root. */
const filesOf = (folder: string): string[] =>
  readdirSync(`${ROOT}/${folder}`, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (!entry.isDirectory()) return [path]
    return entry.name === 'build' || entry.name === 'node_modules' ? [] : filesOf(path)
  })

const read = (path: string): string => readFileSync(`${ROOT}/${path}`, 'utf8')
const everyFile = EVERYTHING.flatMap(filesOf)
const texts = everyFile.filter((path) => /\.(?:ts|mjs|c|h|md)$/.test(path))
const sources = texts.filter((path) => SOURCES.includes(path.split('/')[0]!) && /\.(?:ts|mjs)$/.test(path))

describe('the tree is tidy', () => {
  it('has sources to look at', () => {
    for (const folder of SOURCES) expect(sources.filter((path) => path.startsWith(folder))).not.toEqual([])
  })

  it('imports run one way: bin → cli, forwarder → control → lib, and each room of lib to those before it', () => {
    expect(sources.flatMap((path) => wrongArrows(path, read(path)))).toEqual([])
  })

  it('lib reads no clock, draws no chance, and knows nothing of the machine', () => {
    const lib = sources.filter((path) => path.startsWith('lib/'))
    expect(lib.flatMap((path) => impurities(path, read(path)))).toEqual([])
  })

  it('nothing is left over from a minute of work', () => {
    expect(texts.flatMap((path) => leftovers(path, read(path)))).toEqual([])
  })

  it('no path is mentioned that is there on one machine only', () => {
    const elsewhere = ['package.json', 'README.md', 'CHANGELOG.md', 'vitest.config.ts']
    expect([...texts, ...elsewhere].flatMap((path) => machinePaths(path, read(path)))).toEqual([])
  })

  it(`sources are at most ${MAX_LINES} lines long, but for those that say why not`, () => {
    const long = sources.filter((path) => isLong(read(path)))
    expect(long.filter((path) => LONG[path] === undefined)).toEqual([])
    expect(
      Object.keys(LONG).filter((path) => !long.includes(path)),
      'listed as long, but short',
    ).toEqual([])
  })

  it('names are written in kebab-case', () => {
    expect(oddNames(texts.filter((path) => !path.endsWith('.md')))).toEqual([])
  })

  it('no compiled file lies beside its source', () => {
    expect(compiledLitter(everyFile)).toEqual([])
  })
})

describe('the rules of tidiness find what is wrong', () => {
  it('imports of every form', () => {
    const source = `
      import { a } from './a.ts'
      import type { B } from './b.ts'
      import {
        c,
      } from './c.ts'
      import './d.ts'
      export * from './e.ts'
      const f = await import('./f.ts')
      // import './not-this.ts'
      /* from './nor-this.ts' */
    `
    expect(importsOf(source)).toEqual(['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts'])
  })

  it.each([
    ['cli/parse.ts', '../forwarder/daemon.ts'],
    ['forwarder/daemon.ts', '../cli/run.ts'],
    ['control/schema.ts', '../forwarder/config.ts'],
    ['control/schema.ts', 'node:fs'],
    ['control/schema.ts', 'pino'],
    ['lib/service/key.ts', '../../control/schema.ts'],
    ['lib/service/key.ts', 'node:net'],
    ['lib/service/key.ts', 'fs'],
    ['lib/service/key.ts', 'zod'],
    ['lib/bytes/address.ts', '../wire/packet.ts'],
    ['lib/wire/packet.ts', '../service/key.ts'],
    ['lib/service/key.ts', '../conn/layout.ts'],
    ['lib/conn/layout.ts', '../sched/rr.ts'],
    ['lib/encode/nat.ts', '../director/verdict.ts'],
    ['lib/bytes/address.ts', '../index.ts'],
    ['lib/cellar/new.ts', '../bytes/address.ts'],
    ['forwarder/queue/index.ts', '../../test/support/packets.ts'],
    ['bin/uipvs.ts', '../bench/run.ts'],
    ['testing/rig.ts', 'vitest'],
    ['testing/rig.ts', '../control/schema.ts'],
    ['lib/sched/rr.ts', '../../testing/rig.ts'],
    ['examples/tun-balancer.mjs', '../lib/index.ts'],
    ['examples/tun-balancer.mjs', 'pino'],
  ])('an arrow that runs the wrong way: %s → %s', (path, specifier) => {
    expect(wrongArrows(path, `import { x } from '${specifier}'`)).toHaveLength(1)
  })

  it.each([
    ['bin/uipvs.ts', '../forwarder/daemon.ts'],
    ['bin/uipvsadm.ts', '../cli/run.ts'],
    ['forwarder/daemon.ts', '../control/index.ts'],
    ['forwarder/daemon.ts', '../lib/index.ts'],
    ['forwarder/daemon.ts', 'node:fs'],
    ['cli/run.ts', '../control/index.ts'],
    ['control/schema.ts', '../lib/service/key.ts'],
    ['lib/director/director.ts', '../bytes/address.ts'],
    ['lib/conn/protocol.ts', '../service/key.ts'],
    ['lib/sched/rr.ts', './lc.ts'],
    ['lib/index.ts', './director/director.ts'],
    ['test/tidy.test.ts', '../forwarder/daemon.ts'],
    ['testing/rig.ts', '../lib/service/service-table.ts'],
    ['examples/tun-balancer.mjs', 'uipvs/tun'],
  ])('but not one that runs the right way: %s → %s', (path, specifier) => {
    expect(wrongArrows(path, `import { x } from '${specifier}'`)).toEqual([])
  })

  it('knows every room of lib there is', () => {
    const rooms = new Set(
      filesOf('lib').flatMap((path) => (path.split('/').length > 2 ? [path.split('/')[1]!] : [])),
    )
    expect([...rooms].sort()).toEqual([...ROOMS].sort())
  })

  it.each([
    'const now = Date.now()',
    'const n = Math.random()',
    'console.log(1)',
    'performance.now()',
    'process.exit(1)',
    'setTimeout(run, 1)',
    'setInterval(run, 1)',
    'setImmediate(run)',
    'queueMicrotask(run)',
    'globalThis.x = 1',
    'Buffer.from(bytes)',
  ])('an impurity: %s', (source) => {
    expect(impurities('lib/x.ts', source)).toHaveLength(1)
  })

  it.each([
    '/** Not by Date.now(), nor by Math.random. */',
    '// console.log',
    'director.process(arrival)',
    'process(arrival: Arrival): Verdict {',
    "refuse('process.exit is no scheduler')",
    'const candidate = updated',
  ])('but not: %s', (source) => {
    expect(impurities('lib/x.ts', source)).toEqual([])
  })

  it.each([
    ['it.', 'only(name, run)'],
    ['  debug', 'ger'],
    ['// TO', 'DO: later'],
    ['// FIX', 'ME'],
    ['// XX', 'X'],
  ])('a leftover: %s%s', (...halves) => {
    expect(leftovers('test/x.test.ts', `first line\n${halves.join('')}\n`)).toEqual([
      expect.stringMatching(/^test\/x\.test\.ts:2 has /),
    ])
  })

  it.each([
    ['/ho', 'me/me/uipvs'],
    ['see /wo', 'rk/notes.md'],
    ["'/ro", "ot/x'"],
  ])('a path of one machine: %s%s', (...halves) => {
    expect(machinePaths('docs/x.md', halves.join(''))).toHaveLength(1)
  })

  it.each(['../home/x', 'https://example.org/home/page', '/proc/net', '/run/uipvs.sock', '/etc/x'])(
    'but not: %s',
    (source) => {
      expect(machinePaths('docs/x.md', source)).toEqual([])
    },
  )

  it('a file of one line too many', () => {
    expect(isLong('line\n'.repeat(MAX_LINES))).toBe(false)
    expect(isLong('line\n'.repeat(MAX_LINES + 1))).toBe(true)
  })

  it('an odd name, and compiled litter', () => {
    const names = ['lib/wire/ipv4.ts', 'lib/camelCase.ts', 'lib/snake_case.ts', 'test/tidy.test.ts']
    expect(oddNames(names)).toEqual(['lib/camelCase.ts', 'lib/snake_case.ts'])
    const paths = ['lib/a.ts', 'lib/a.js', 'lib/a.js.map', 'lib/a.d.ts', 'lib/b.js', 'lib/c.ts']
    expect(compiledLitter(paths)).toEqual(['lib/a.js', 'lib/a.js.map', 'lib/a.d.ts'])
  })
})
