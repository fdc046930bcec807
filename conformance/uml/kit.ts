/**
 * What user-mode-linux needs, from Debian's packages: a kernel that is a program, its modules with IPVS, the real ipvsadm
 * with its libraries, and busybox for the first steps inside. The packages are fetched and unpacked into a cache below
 * `node_modules`; nothing is installed, and no privileges are needed.
 */

import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { PACKAGE_ROOT } from '../../test/support/lab/compile.ts'
import { isInstalled } from '../../test/support/lab/namespaces.ts'
import { run } from '../../test/support/lab/process.ts'

/** The packages unpacked. */
export interface UmlKit {
  readonly folder: string
  /** The kernel, as a program. */
  readonly linux: string
  /** Where `modules.dep` is. */
  readonly modulesFolder: string
  /** As `uname -r` says inside. */
  readonly release: string
  readonly busybox: string
  readonly ipvsadm: string
  /** For `LD_LIBRARY_PATH`. */
  readonly libraryPath: string
  /** Debian's version of each package, by name. */
  readonly versions: Readonly<Record<string, string>>
}

/** No such kernel can run here: one sentence says why, and what would help. */
export class UmlUnavailableError extends Error {
  override readonly name = 'UmlUnavailableError'
}

const PACKAGES = [
  'user-mode-linux',
  'ipvsadm',
  'libnl-3-200',
  'libnl-genl-3-200',
  'libpopt0',
  'busybox-static',
] as const

const CACHE = join(PACKAGE_ROOT, 'node_modules/.cache/uipvs-uml')
/** Written last: a folder without it is not complete. */
const VERSIONS = 'versions.json'
const FETCH_MS = 180_000

/** The kit, from the cache or else fetched. Rejects with {@link UmlUnavailableError} where it cannot be had. */
export async function umlKit(): Promise<UmlKit> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new UmlUnavailableError(
      `user-mode-linux runs on Linux on x86-64, not on ${process.platform} on ${process.arch}`,
    )
  }
  const folder = join(CACHE, 'kit')
  if (!existsSync(join(folder, VERSIONS))) await fetchInto(folder)
  return kitIn(folder)
}

/** Why there is no such kernel here, as one sentence that says what would help; null where there is one. */
export async function umlObstacle(): Promise<string | null> {
  try {
    await umlKit()
    return null
  } catch (error) {
    if (error instanceof UmlUnavailableError) return error.message
    throw error
  }
}

async function kitIn(folder: string): Promise<UmlKit> {
  const versions = JSON.parse(await readFile(join(folder, VERSIONS), 'utf8')) as Record<string, string>
  const modules = join(folder, 'usr/lib/uml/modules')
  const [release] = await readdir(modules)
  if (release === undefined) throw new Error(`${modules} has no kernel's modules: remove ${CACHE}`)
  return {
    folder,
    linux: join(folder, 'usr/bin/linux.uml'),
    modulesFolder: join(modules, release),
    release,
    busybox: join(folder, 'bin/busybox'),
    ipvsadm: join(folder, 'sbin/ipvsadm'),
    libraryPath: ['lib', 'usr/lib']
      .map((each) => join(folder, each, 'x86_64-linux-gnu'))
      .filter((each) => existsSync(each))
      .join(delimiter),
    versions,
  }
}

async function fetchInto(folder: string): Promise<void> {
  const missing = ['apt-get', 'dpkg-deb'].filter((tool) => !isInstalled(tool))
  if (missing.length > 0) {
    throw new UmlUnavailableError(
      `user-mode-linux comes from Debian's packages: ${missing.join(', ')} missing`,
    )
  }
  await mkdir(CACHE, { recursive: true })
  // Unpacked beside, and renamed when complete: two processes may fetch at once, and the first one wins.
  const scratch = await mkdtemp(join(CACHE, 'unpacking-'))
  try {
    const versions: Record<string, string> = {}
    const unpacked = join(scratch, 'kit')
    await mkdir(unpacked)
    for (const archive of await download(scratch)) {
      const { stdout } = await run(['dpkg-deb', '-f', archive, 'Package', 'Version'])
      const [, name = '', version = ''] = /^Package: (\S+)\nVersion: (\S+)$/m.exec(stdout) ?? []
      versions[name] = version
      await run(['dpkg-deb', '-x', archive, unpacked], { timeoutMs: FETCH_MS })
    }
    const absent = PACKAGES.filter((name) => versions[name] === undefined)
    if (absent.length > 0) throw new UmlUnavailableError(`apt-get brought no ${absent.join(', ')}`)
    for (const [name, version] of Object.entries(versions)) console.log(`user-mode-linux: ${name} ${version}`)
    await writeFile(join(unpacked, VERSIONS), `${JSON.stringify(versions, null, 2)}\n`)
    await renameUnlessThere(unpacked, folder)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Downloads the packages below `scratch`; returns their paths. */
async function download(scratch: string): Promise<string[]> {
  const archives = join(scratch, 'archives')
  await mkdir(archives)
  const get = (...options: string[]) =>
    run(['env', `--chdir=${archives}`, 'apt-get', ...options], { timeoutMs: FETCH_MS, mayFail: true })
  // The user that apt would rather be may not write here.
  const sandbox = ['-o', 'APT::Sandbox::User=root']
  let answer = await get(...sandbox, '-qq', 'download', ...PACKAGES)
  if (answer.status !== 0) {
    // The machine's lists are missing or stale: lists of our own, so that the machine's stay as they are.
    const lists = [
      '-o',
      `Dir::State::Lists=${join(scratch, 'lists')}`,
      '-o',
      `Dir::Cache=${join(scratch, 'cache')}`,
    ]
    await mkdir(join(scratch, 'lists/partial'), { recursive: true })
    await mkdir(join(scratch, 'cache'))
    await get(...sandbox, ...lists, '-qq', 'update')
    answer = await get(...sandbox, ...lists, '-qq', 'download', ...PACKAGES)
  }
  if (answer.status !== 0) {
    const reason = answer.stderr.trim().split('\n').at(-1) ?? ''
    throw new UmlUnavailableError(`'apt-get download ${PACKAGES.join(' ')}' failed: ${reason}`)
  }
  const fetched = (await readdir(archives)).filter((name) => name.endsWith('.deb'))
  return fetched.map((name) => join(archives, name))
}

async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}
