/** Runs the host's own tools (iptables, ip, nft): argument arrays only, bounded in time and in output. */

import { spawn } from 'node:child_process'

export interface CommandOptions {
  /** What the program reads on its standard input; empty when left out. */
  readonly input?: string
  readonly timeoutMs?: number
  /** The most that is kept of standard output; a program that writes more is killed. */
  readonly outputBytesMax?: number
  /** Environment variables besides the daemon's own. */
  readonly env?: Readonly<Record<string, string>>
}

export const COMMAND_DEFAULTS = { timeoutMs: 15_000, outputBytesMax: 64 * 1024 * 1024 } as const

/** Standard error is only ever shown to people: more than this says nothing new. */
const STDERR_CHARS_MAX = 64 * 1024

export type CommandFlaw = 'missing' | 'failed' | 'timeout' | 'overflow'

/** A program that could not be run or did not succeed. `status` is null when it did not exit by itself. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly flaw: CommandFlaw
  readonly status: number | null
  readonly stderr: string

  constructor(
    message: string,
    details: { flaw: CommandFlaw; status: number | null; stderr: string; cause?: unknown },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.flaw = details.flaw
    this.status = details.status
    this.stderr = details.stderr
  }
}

/**
 * Runs `program` and returns its standard output once it exited with status 0.
 *
 * The child leads a process group of its own, so that a Ctrl-C meant for the daemon does not cut a change to
 * the host in half, and so that a timeout ends its children too.
 * @throws {CommandError} naming the command, its exit status and the first line of its standard error
 */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { timeoutMs, outputBytesMax } = { ...COMMAND_DEFAULTS, ...options }
  const shown = [program, ...args].join(' ')
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PATH: searchPath(), LC_ALL: 'C', ...options.env },
    })
    const stdout: Buffer[] = []
    let stdoutBytes = 0
    let stderr = ''
    let killedFor: 'timeout' | 'overflow' | null = null

    const fail = (flaw: CommandFlaw, why: string, status: number | null = null, cause?: unknown) =>
      reject(new CommandError(`${shown}: ${why}`, { flaw, status, stderr, cause }))
    const kill = (flaw: 'timeout' | 'overflow') => {
      killedFor = flaw
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }
    const timer = setTimeout(kill, timeoutMs, 'timeout')

    child.stdout.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length
      if (stdoutBytes <= outputBytesMax) stdout.push(chunk)
      else if (killedFor === null) kill('overflow')
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      if (stderr.length < STDERR_CHARS_MAX) stderr += chunk
    })
    // A program that exits without reading its input breaks the pipe; its exit status tells why.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')

    child.once('error', (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      if (cause.code === 'ENOENT' || cause.code === 'EACCES')
        fail('missing', `there is no program '${program}' here that this process may run`, null, cause)
      else fail('failed', `could not be started (${cause.message})`, null, cause)
    })
    child.once('close', (status, signal) => {
      clearTimeout(timer)
      if (killedFor === 'timeout') fail('timeout', `did not end within ${timeoutMs} ms`)
      else if (killedFor === 'overflow') fail('overflow', `wrote more than ${outputBytesMax} bytes`)
      else if (status === 0) resolve(Buffer.concat(stdout).toString('utf8'))
      else if (status === null) fail('failed', `was ended by ${signal}`)
      else fail('failed', `exit status ${status}${firstLine(stderr)}`, status)
    })
  })
}

/** The administrator's tools live in sbin, which an ordinary user's PATH leaves out. */
function searchPath(): string {
  const { PATH = '' } = process.env
  const given = PATH.split(':').filter((part) => part !== '')
  return [...new Set([...given, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'])].join(':')
}

/** The first line that says something: iptables begins with warnings about other tables, marked with `#`. */
function firstLine(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim())
  const said = lines.find((line) => line !== '' && !line.startsWith('#'))
  return said === undefined ? '' : `: ${said}`
}
