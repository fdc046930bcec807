/**
 * The package as it would be published, and a fresh project that installs it. Needs the npm registry, or
 * npm's cache.
 */

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { publint } from 'publint'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../support/lab/compile.ts'
import { type RunResult, run } from '../support/lab/process.ts'

const MODULES = join(PACKAGE_ROOT, 'node_modules')
const NPM_MS = 150_000
/** What is not of the sources; a build of its own is made in the copy. */
const NOT_COPIED = new Set(['node_modules', 'dist', 'build', 'coverage', '.git'])
/** Folders whose every module is shipped. */
const SHIPPED = ['lib', 'testing', 'control', 'forwarder', 'cli', 'bin']
/** Tests, programs of the checkout, sources whose build is shipped, and what a compiler made for this machine. */
const NOT_SHIPPED = /(?:^|\/)(?:test|property-tests|bench|fuzz|coverage|node_modules)\/|(?<!\.d)\.ts$|\.node$/

const CONSUMER = `
import {
  type Destination, Director, granted, isEligible, OFFLOAD, parseEndpoint, parseServiceKey, SCHEDULERS,
  type SchedulerFactory,
} from 'uipvs'
import { ControlClient } from 'uipvs/control'
import { type SchedulerCheck, schedulerChecks } from 'uipvs/testing'
import { openTun, type Tun } from 'uipvs/tun'

const first: SchedulerFactory = () => ({
  pick: (_flow, pool): Destination | null => pool.find(isEligible) ?? null,
})
const director = new Director({ nowMs: 0, random: () => 0.5, schedulers: { ...SCHEDULERS, first } })
const key = parseServiceKey('tcp:10.0.0.1:80')!
granted(director.services.add(key, { scheduler: 'first', schedulerFlags: 0 }))
granted(
  director.services.addDestination(key, parseEndpoint('192.168.1.1:80')!, {
    method: 'masquerading', weight: 1, upperThreshold: 0, lowerThreshold: 0,
  }),
)
const bytes = Uint8Array.of(
  0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0x26, 0xc5, 10, 0, 0, 9, 10, 0, 0, 1,
  0x0b, 0xb8, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
)
const verdict = director.process({
  bytes, start: 0, end: bytes.length, hook: 'inbound', mark: 0, offload: OFFLOAD.finished, nowMs: 0,
})
const failing: readonly SchedulerCheck[] = schedulerChecks('first', first).filter(({ run }) => {
  try {
    run()
    return false
  } catch {
    return true
  }
})
let tun = ''
try {
  const opened: Tun = openTun('no/device')
  tun = opened.name
} catch (error) {
  tun = (error as Error).message
}
export const outcome: readonly unknown[] = [
  verdict.kind, verdict.reason, String(verdict.destination?.address), failing.map(({ name }) => name),
  typeof ControlClient, tun,
]
`

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

/** npm answers so when there is no registry, and the cache has not everything. */
const NO_REGISTRY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ENOTCACHED/

describe('the package', () => {
  let directory: string
  let copy: string
  let project: string
  let tarball: string
  let paths: readonly string[]
  let installation: RunResult

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'uipvs-package-'))
    copy = join(directory, 'copy')
    cpSync(PACKAGE_ROOT, copy, { recursive: true, filter: (path) => !NOT_COPIED.has(basename(path)) })
    symlinkSync(MODULES, join(copy, 'node_modules'))
    mkdirSync(join(copy, 'dist', 'lib'), { recursive: true })
    writeFileSync(join(copy, 'dist', 'lib', 'left-over.js'), '')
    const pack = ['npm', 'pack', '--json', '--silent', '--pack-destination', directory]
    const { stdout } = await npm(copy, pack)
    const [packed] = JSON.parse(stdout) as [Packed]
    tarball = join(directory, packed.filename)
    paths = packed.files.map(({ path }) => path)

    project = join(directory, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
    writeFileSync(join(project, 'consumer.ts'), CONSUMER)
    const flags = ['--ignore-scripts', '--omit=optional', '--prefer-offline', '--no-audit', '--no-fund']
    installation = await npm(project, ['npm', 'install', ...flags, tarball])
  }, 2 * NPM_MS)

  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('holds the modules of its folders and nothing that an earlier build left', () => {
    const modules = paths
      .filter((path) => path.endsWith('.js'))
      .map((path) => path.slice('dist/'.length, -'.js'.length))
    const sources = SHIPPED.flatMap((folder) =>
      readdirSync(join(copy, folder), { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.ts'))
        .map((path) => `${folder}/${path.slice(0, -'.ts'.length)}`),
    )
    expect(modules.sort()).toEqual(sources.sort())
  })

  it('holds no tests and no programs of the checkout', () => {
    expect(paths.filter((path) => NOT_SHIPPED.test(path))).toEqual([])
    for (const path of ['README.md', 'LICENSE', 'native/seam.c', 'scripts/build-native.mjs']) {
      expect(paths).toContain(path)
    }
  })

  it('has nothing that publint objects to', async () => {
    const bytes = readFileSync(tarball)
    const pack = { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) }
    const { messages } = await publint({ pack, strict: true, level: 'warning' })
    expect(messages).toEqual([])
  })

  describe('in a fresh project', () => {
    const installed = (path: string): string => join(project, 'node_modules', 'uipvs', path)

    /** Nobody's types but those that the package brings: `@types/node` is not there. */
    function compiled(options: Readonly<Record<string, unknown>>): Promise<RunResult> {
      const strict = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true }
      const compilerOptions = { target: 'es2023', types: [], skipLibCheck: false, ...strict, ...options }
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
      )
      return run([join(MODULES, '.bin', 'tsc'), '-p', project], { timeoutMs: 60_000, mayFail: true })
    }

    beforeEach(({ skip }) => {
      const isUnreachable = installation.status !== 0 && NO_REGISTRY.test(installation.stderr)
      if (isUnreachable) skip(`the npm registry cannot be reached: ${installation.stderr}`)
    })

    it('can be installed without its scripts and without optional packages', () => {
      expect(installation).toMatchObject({ status: 0 })
      expect(existsSync(join(project, 'node_modules', 'nfqueue'))).toBe(false)
    })

    it('brings the sources with the source maps, and no path of the machine it was made on', () => {
      for (const path of paths.filter((each) => /\.(?:js|ts|map|json)$/.test(each))) {
        const text = readFileSync(installed(path), 'utf8')
        expect(
          [PACKAGE_ROOT, directory].filter((each) => text.includes(each)),
          path,
        ).toEqual([])
        if (path.endsWith('.map')) expect(JSON.parse(text), path).toHaveProperty('sourcesContent.0')
      }
    })

    it.each([
      ['node16', 'node16'],
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ])(
      'has types that a strict project takes, its libraries checked too: module %s, resolved as %s',
      async (module, resolution) => {
        const { status, stdout } = await compiled({ module, moduleResolution: resolution, noEmit: true })
        expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
      },
    )

    it('is a director, a conformance suite and a control client for a program that imports it', async () => {
      expect(await compiled({ module: 'nodenext' })).toMatchObject({ status: 0 })
      const main = join(project, 'main.js')
      writeFileSync(main, "import { outcome } from './consumer.js'\nconsole.log(JSON.stringify(outcome))\n")
      const { stdout } = await run([process.execPath, main], { timeoutMs: 30_000 })
      expect(JSON.parse(stdout)).toEqual([
        'rewrite',
        '',
        '192.168.1.1',
        ['equal-shares', 'weighted-shares'],
        'function',
        expect.stringMatching(
          /^the native addon .*seam\.node is missing: run 'node scripts\/build-native\.mjs'/,
        ),
      ])
    })

    it('says what its programs are without the native addon', async () => {
      for (const name of ['uipvs', 'uipvsadm']) {
        const { stdout } = await run([join(project, 'node_modules', '.bin', name), '--help'], {
          mayFail: true,
        })
        expect(stdout).toContain(name)
      }
    })

    it('can build its native addon where scripts were held back, and then has tun devices', async () => {
      await run([process.execPath, installed('scripts/build-native.mjs')], { timeoutMs: 60_000 })
      const { stdout } = await run([process.execPath, join(project, 'main.js')], { timeoutMs: 30_000 })
      expect(JSON.parse(stdout).at(-1)).toMatch(/^tun device name 'no\/device': expected 1 to 15 octets/)
    })

    it('has examples that run where they lie', async () => {
      const { stdout } = await run([process.execPath, installed('examples/custom-scheduler.mjs')])
      expect(stdout).toMatch(/^10\.9\.0\.1 → 192\.168\.1\.[123]:80\n/)
    })
  })
})

/** npm in a folder, as a user would run it: without what npm tells the scripts that it runs itself. */
function npm(folder: string, argv: readonly string[]): Promise<RunResult> {
  const own = Object.keys(process.env).filter((name) => /^npm_/i.test(name))
  const words = ['env', '-C', folder, ...own.flatMap((name) => ['-u', name]), ...argv]
  return run(words, { timeoutMs: NPM_MS, mayFail: true })
}
