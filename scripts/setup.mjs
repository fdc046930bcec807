/**
 * Set-up for the project's own commands: Debian packages, npm packages, the native addon, the TypeScript build. Each step
 * is skipped when it is done already, and says what it does. Plain JavaScript without dependencies: it runs first.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** What a command is looked for by, the Debian package it comes in, and for what it is needed. */
const PACKAGES = [
  { probe: 'cc', package: 'gcc', for: ['test', 'demo', 'bench'] },
  { probe: '/usr/include/linux/if_tun.h', package: 'linux-libc-dev', for: ['test', 'demo', 'bench'] },
  { probe: '/usr/include/stdio.h', package: 'libc6-dev', for: ['test', 'demo', 'bench'] },
  { probe: 'ip', package: 'iproute2', for: ['test', 'demo', 'bench'] },
  { probe: 'iptables', package: 'iptables', for: ['test', 'demo', 'bench'] },
  { probe: 'nft', package: 'nftables', for: ['test', 'demo'] },
  { probe: 'nginx', package: 'nginx-light', for: ['test', 'demo'] },
  { probe: 'curl', package: 'curl', for: ['test', 'demo'] },
  { probe: 'socat', package: 'socat', for: ['test', 'demo'] },
  { probe: 'tcpdump', package: 'tcpdump', for: ['test'] },
  { probe: 'iperf3', package: 'iperf3', for: ['test', 'bench'] },
  { probe: 'sysctl', package: 'procps', for: ['test', 'demo', 'bench'] },
  // Completion is tried in the shells themselves, and manual pages are checked by what shows them.
  { probe: 'zsh', package: 'zsh', for: ['test'] },
  { probe: 'fish', package: 'fish', for: ['test'] },
  { probe: 'mandoc', package: 'mandoc', for: ['test'] },
  { probe: 'ping', package: 'iputils-ping', for: ['test'] },
  { probe: 'ethtool', package: 'ethtool', for: ['bench', 'test'] },
  { probe: 'haproxy', package: 'haproxy', for: ['bench'] },
  { probe: 'ldirectord', package: 'ldirectord', for: ['test'] },
  // The npm packages nfqueue and cap are optional drivers; they compile against these.
  {
    probe: '/usr/include/libnetfilter_queue/libnetfilter_queue.h',
    package: 'libnetfilter-queue-dev',
    for: ['test', 'bench'],
  },
  { probe: '/usr/include/pcap.h', package: 'libpcap0.8-dev', for: ['test'] },
  { probe: 'g++', package: 'g++', for: ['test', 'bench'] },
  { probe: 'make', package: 'make', for: ['test', 'bench'] },
  { probe: 'python3', package: 'python3', for: ['test', 'bench'] },
]

/** Modules that are only there when the optional native drivers were built. */
const OPTIONAL_DRIVERS = ['nfqueue', 'cap']

/**
 * Does everything that `purpose` needs. Returns what could not be had, as sentences with the way out; throws only
 * where nothing can run at all.
 * @param {{ for: 'test' | 'demo' | 'bench' | 'fuzz' }} options
 * @returns {Promise<string[]>}
 */
export async function setUp({ for: purpose }) {
  requireNode()
  const lacking = debianPackages(purpose)
  npmPackages()
  lacking.push(...optionalDrivers(purpose))
  lacking.push(...nativeAddon())
  typescript()
  if (process.getuid?.() !== 0) {
    lacking.push(
      `not root: real queues, network namespaces and the daemon cannot run; use sudo, or a root shell`,
    )
  }
  return lacking
}

/** One line on standard output for each step that takes time. */
const say = (text) => process.stdout.write(`set-up: ${text}\n`)

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new Error(`Node ${process.versions.node} is too old: 20.19 or newer is needed`)
}

function debianPackages(purpose) {
  const missing = PACKAGES.filter((each) => each.for.includes(purpose) && !isThere(each.probe))
  if (missing.length === 0) return []
  const names = [...new Set(missing.map((each) => each.package))]
  const way = `apt-get install ${names.join(' ')}`
  if (process.getuid?.() !== 0)
    return [`missing: ${missing.map(({ probe }) => probe).join(', ')}; as root: ${way}`]
  if (!isThere('apt-get')) return [`missing, and there is no apt-get: ${names.join(', ')}`]
  say(way)
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // A server's package may start its service on installation; this file says no while we install.
  const policy = '/usr/sbin/policy-rc.d'
  const isOurs = !existsSync(policy)
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const install = ['install', '-y', '-qq', '--no-install-recommends', ...names]
    if (run('apt-get', install, { env: environment, isQuiet: true }) !== 0) {
      run('apt-get', ['update', '-qq'], { env: environment, isQuiet: true })
      run('apt-get', install, { env: environment, isQuiet: true })
    }
  } finally {
    if (isOurs) spawnSync('rm', ['-f', policy])
  }
  const still = missing.filter((each) => !isThere(each.probe))
  return still.length === 0
    ? []
    : [`still missing after '${way}': ${still.map(({ probe }) => probe).join(', ')}`]
}

/** `npm ci`, unless node_modules is what the lock file says already. */
function npmPackages() {
  const stamp = join(ROOT, 'node_modules', '.uipvs-lock')
  const lock = hash(readFileSync(join(ROOT, 'package-lock.json')))
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  say('npm ci')
  if (run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']) !== 0) {
    throw new Error("'npm ci' failed; its output is above")
  }
  writeFileSync(stamp, lock)
}

/** An optional dependency that failed to compile is not there at all: try again now that the libraries are. */
function optionalDrivers(purpose) {
  if (purpose === 'demo' || purpose === 'fuzz') return []
  const missing = () => OPTIONAL_DRIVERS.filter((name) => !isBuilt(name))
  if (missing().length > 0) {
    say(`npm ci, for the optional ${missing().join(' and ')}`)
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { isQuiet: true })
    writeFileSync(
      join(ROOT, 'node_modules', '.uipvs-lock'),
      hash(readFileSync(join(ROOT, 'package-lock.json'))),
    )
  }
  return missing().map((name) => `the optional driver '${name}' did not compile: try 'npm rebuild ${name}'`)
}

const isBuilt = (name) => {
  const release = join(ROOT, 'node_modules', name, 'build', 'Release')
  return existsSync(release) && readdirSync(release).some((file) => file.endsWith('.node'))
}

function nativeAddon() {
  const status = run(process.execPath, [join(ROOT, 'scripts', 'build-native.mjs')])
  return status === 0 ? [] : ['the native addon could not be built (see above): no queue, no raw socket']
}

/** The build, unless nothing has changed since the last. */
function typescript() {
  const stamp = join(ROOT, 'dist', '.uipvs-sources')
  const sources = [
    'lib',
    'testing',
    'control',
    'forwarder',
    'cli',
    'bin',
    'bench',
    'fuzz',
    'test/support',
  ].flatMap((room) => filesBelow(join(ROOT, room)).filter((file) => file.endsWith('.ts')))
  const state = hash(sources.map((file) => `${file} ${statSync(file).mtimeMs}`).join('\n'))
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === state) return
  say('tsc')
  const compiler = join(ROOT, 'node_modules', '.bin', 'tsc')
  if (run(compiler, ['-p', join(ROOT, 'tsconfig.build.json')]) !== 0)
    throw new Error('the TypeScript build failed')
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, state)
}

function filesBelow(directory) {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
}

/** A program on the path (or in the system directories that a user's path may lack), or a file. */
function isThere(probe) {
  if (probe.startsWith('/')) return existsSync(probe)
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return directories.some((directory) => existsSync(join(directory, probe)))
}

/** Runs to its end; its output is shown unless quiet, and then only where it failed. */
function run(program, args, { env = process.env, isQuiet = false } = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: ROOT,
    env,
    stdio: ['ignore', isQuiet ? 'pipe' : 'inherit', isQuiet ? 'pipe' : 'inherit'],
  })
  if (error !== undefined) process.stderr.write(`${program}: ${error.message}\n`)
  if (isQuiet && status !== 0) process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
  return status ?? 1
}

const hash = (content) => createHash('sha256').update(content).digest('hex')
