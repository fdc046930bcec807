/** The built daemon on the laboratory's director, and the command line that drives it. */

import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from './addresses.ts'
import { PACKAGE_ROOT } from './compile.ts'
import type { Lab } from './lab.ts'
import type { Program, RunOptions, RunResult } from './process.ts'

export interface UipvsOptions {
  /** Where it runs; default the director. */
  readonly host?: Host
  /** The configuration file's content; default no file. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Default one of its own: daemons that take turns on one socket share the undo journal beside it. */
  readonly socketPath?: string
  /** More options of `uipvs run`. */
  readonly argv?: readonly string[]
}

/** A running daemon. */
export interface Uipvs {
  readonly program: Program
  readonly socketPath: string
  /** Runs uipvsadm; throws when it fails unless `mayFail`. */
  adm(argv: readonly string[], options?: Pick<RunOptions, 'mayFail' | 'input'>): Promise<RunResult>
  /** Ends the daemon with SIGTERM and returns its exit status, once everything it does at its end is done. */
  stop(): Promise<number | null>
}

const START_MS = 15_000

/** Counts the daemons of this process, so that each has a socket of its own. */
let daemonsStarted = 0

/** Starts the daemon; resolves when its control socket answers. Throws with its log when it ends before. */
export async function startUipvs(lab: Lab, options: UipvsOptions = {}): Promise<Uipvs> {
  const { host = 'director', config, env = {} } = options
  const daemon = builtProgram('uipvs')
  const name = `uipvs-${++daemonsStarted}`
  const socketPath = options.socketPath ?? join(lab.directory, `${name}.sock`)
  const argv = [process.execPath, daemon, 'run', '--socket', socketPath]
  if (config !== undefined) {
    const file = join(lab.directory, `${name}.json`)
    await writeFile(file, JSON.stringify(config))
    argv.push('--config', file)
  }
  argv.push(...(options.argv ?? []))
  const program = lab.spawn(host, argv, { env })
  await answering(program, socketPath)
  const adm = builtProgram('uipvsadm')
  return {
    program,
    socketPath,
    adm: (words, admOptions) =>
      lab.exec(host, [process.execPath, adm, ...words], { ...admOptions, env: { UIPVS_SOCKET: socketPath } }),
    stop: () => program.stop(),
  }
}

/** The path of an executable of this package; throws where it has not been built. */
export function builtProgram(name: 'uipvs' | 'uipvsadm' | 'uipvsadm-save' | 'uipvsadm-restore'): string {
  const path = join(PACKAGE_ROOT, 'dist', 'bin', `${name}.js`)
  if (!existsSync(path)) throw new Error(`${path} does not exist: npm run build makes it`)
  return path
}

async function answering(program: Program, socketPath: string): Promise<void> {
  const deadlineMs = performance.now() + START_MS
  while (!(await accepts(socketPath))) {
    if (!program.isRunning) throw new Error(`uipvs ended: ${program.epitaph()}`)
    if (performance.now() > deadlineMs) {
      throw new Error(`uipvs has no control socket after ${START_MS} ms\n${program.stderr}${program.stdout}`)
    }
    await sleep(10)
  }
}

const accepts = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
