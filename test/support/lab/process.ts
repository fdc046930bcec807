/** Commands and long-lived programs: always by argument array, always bounded in time and output. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RunOptions {
  /** Default 10 s; at the bound the command is killed and counts as failed. */
  readonly timeoutMs?: number
  readonly input?: string | Uint8Array
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Return a failing exit status instead of throwing. */
  readonly mayFail?: boolean
}

export interface RunResult {
  /** Null where a signal ended the command. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. Throws an Error quoting command and stderr unless it exits 0 or `mayFail`. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { timeoutMs = 10_000, input = '', mayFail = false } = options
  const program = new Program(argv, options)
  program.end(input)
  const timer = setTimeout(() => program.kill('SIGKILL'), timeoutMs)
  const status = await program.exited.finally(() => clearTimeout(timer))
  if (program.wasKilled)
    throw new Error(`${quote(argv)}: not finished after ${timeoutMs} ms\n${program.stderr}`)
  if (status !== 0 && !mayFail) throw new Error(`${quote(argv)}: ${program.epitaph()}`)
  return { status, stdout: program.stdout, stderr: program.stderr }
}

/** Output kept of one program; older text is let go. */
const OUTPUT_CHARS_MAX = 16 * 1024 * 1024
const STOP_PATIENCE_MS = 3000

export interface ProgramOptions extends Pick<RunOptions, 'env'> {
  /** Takes stdout as raw chunks; it is then not kept as text. */
  readonly onStdout?: (chunk: Buffer) => void
  /** Told once, when the program has ended and its output is complete. */
  readonly onExit?: () => void
}

/** A running program: its output so far, its input, its end. */
export class Program {
  stdout = ''
  stderr = ''
  /** The program's exit status once it has ended and all output has been read; null after a signal. */
  readonly exited: Promise<number | null>
  wasKilled = false
  readonly #argv: readonly string[]
  readonly #child: ChildProcess
  #status: number | null | undefined
  #failure: Error | undefined
  /** Called after every chunk of output and at the end. */
  readonly #watchers = new Set<() => void>()

  constructor(argv: readonly string[], { env = {}, onStdout, onExit }: ProgramOptions = {}) {
    this.#argv = argv
    const [command = '', ...rest] = argv
    const child = spawn(command, rest, { env: { ...process.env, LC_ALL: 'C', ...env } })
    this.#child = child
    const decoders = { stdout: new StringDecoder(), stderr: new StringDecoder() }
    child.stdout.on('data', (chunk: Buffer) => {
      if (onStdout !== undefined) onStdout(chunk)
      else this.stdout = (this.stdout + decoders.stdout.write(chunk)).slice(-OUTPUT_CHARS_MAX)
      this.#tell()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr = (this.stderr + decoders.stderr.write(chunk)).slice(-OUTPUT_CHARS_MAX)
      this.#tell()
    })
    // Writing to a program that has gone is no failure of ours: its exit status tells the story.
    child.stdin.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') this.#failure = error
    })
    child.on('error', (error) => {
      this.#failure = error
    })
    this.exited = once(child, 'close').then(
      ([status]) => this.#ended(status as number | null, onExit),
      () => this.#ended(null, onExit),
    )
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${quote(this.#argv)}: could not be started`)
    return this.#child.pid
  }

  get isRunning(): boolean {
    return this.#status === undefined
  }

  write(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** Writes `text` and closes the program's input. */
  end(text: string | Uint8Array = ''): void {
    this.#child.stdin?.end(text)
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.isRunning) return
    this.wasKilled ||= signal === 'SIGKILL'
    this.#child.kill(signal)
  }

  /** Asks the program to end, kills it when it has not after 3 s; resolves with its exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.kill(signal)
    const timer = setTimeout(() => this.kill('SIGKILL'), STOP_PATIENCE_MS)
    return this.exited.finally(() => clearTimeout(timer))
  }

  /** Waits until `isTrue` after some output. Throws when the program ends or `timeoutMs` passes without it. */
  async until(what: string, isTrue: () => boolean, timeoutMs = 5000): Promise<void> {
    const deadline = sleep(timeoutMs, 'late' as const, { ref: false })
    while (!isTrue()) {
      if (!this.isRunning) throw new Error(`${quote(this.#argv)}: ended before ${what}: ${this.epitaph()}`)
      if ((await Promise.race([this.#news(), deadline])) === 'late') {
        throw new Error(`${quote(this.#argv)}: no ${what} after ${timeoutMs} ms\n${this.stderr}`)
      }
    }
  }

  /** How the program ended, in a line or two. */
  epitaph(): string {
    if (this.#failure !== undefined) return this.#failure.message
    const end = this.#status === null ? 'ended by a signal' : `exit status ${this.#status}`
    return `${end}\n${this.stderr || this.stdout}`.trim()
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        this.#watchers.delete(watcher)
        resolve()
      }
      this.#watchers.add(watcher)
    })
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher()
  }

  #ended(status: number | null, onExit: (() => void) | undefined): number | null {
    this.#status = status
    this.#tell()
    onExit?.()
    return status
  }
}

/** A command as one would type it, for error messages. */
export const quote = (argv: readonly string[]): string =>
  argv.map((word) => (/^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word}'`)).join(' ')
