/** Clients nobody here wrote: curl for HTTP, socat for datagrams and for TCP connections that stay. */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { endpoint, type Host } from './addresses.ts'
import type { Lab } from './lab.ts'
import type { Program } from './process.ts'

export interface CurlOptions {
  /** Default 3 s for the whole request. */
  readonly timeoutMs?: number
  /** The address to connect from; default the kernel's choice. */
  readonly from?: string
  /** More curl arguments, for what the other options do not cover. */
  readonly argv?: readonly string[]
}

/** What came back: `status` 0 and curl's exit code where no answer did. */
export interface Answer {
  readonly status: number
  readonly body: string
  /** 0 for an answer; else as in curl(1): 7 refused, 28 timed out, 52 empty reply, 56 reset. */
  readonly exitCode: number
}

export async function curl(lab: Lab, host: Host, url: string, options: CurlOptions = {}): Promise<Answer> {
  const { timeoutMs = 3000, argv = [] } = options
  const write = ['--write-out', '%{stderr}%{http_code}']
  const { status, stdout, stderr } = await lab.exec(
    host,
    ['curl', '--silent', ...bounds(timeoutMs), ...source(options.from), ...write, ...argv, url],
    { mayFail: true, timeoutMs: timeoutMs + 5000 },
  )
  return { status: Number(stderr), body: stdout, exitCode: status ?? -1 }
}

export interface LoadOptions {
  readonly count: number
  /** Connections at a time, at most 300; default 10. */
  readonly parallel?: number
  /** Default 5 s for each request. */
  readonly timeoutMs?: number
  readonly from?: string
}

export interface Load {
  /** Answers by their body without the newline: by real server, as {@link Lab.web} answers. */
  readonly byBody: ReadonlyMap<string, number>
  /** Requests that brought anything but a 200. */
  readonly failed: number
}

export async function requests(lab: Lab, host: Host, url: string, options: LoadOptions): Promise<Load> {
  const { count, parallel = 10, timeoutMs = 5000 } = options
  if (!Number.isSafeInteger(count) || count < 1 || count > 100_000) {
    throw new RangeError(`request count ${count}: expected 1 to 100000`)
  }
  const folder = await mkdtemp(join(lab.directory, 'requests-'))
  // curl makes the URLs itself, from a range in brackets, and names each body's file after the number.
  const many = ['--parallel', '--parallel-max', String(parallel), '--parallel-immediate']
  const write = ['--output', join(folder, '#1'), '--write-out', '%{http_code} %{filename_effective}\\n']
  const { stdout } = await lab.exec(
    host,
    [
      'curl',
      '--silent',
      ...bounds(timeoutMs),
      ...source(options.from),
      ...many,
      ...write,
      `${url}?[1-${count}]`,
    ],
    { mayFail: true, timeoutMs: timeoutMs * Math.ceil(count / parallel) + 5000 },
  )
  const byBody = new Map<string, number>()
  let answered = 0
  for (const line of stdout.split('\n').filter((each) => each.startsWith('200 '))) {
    const body = (await readFile(line.slice('200 '.length), 'utf8')).trimEnd()
    byBody.set(body, (byBody.get(body) ?? 0) + 1)
    answered++
  }
  await rm(folder, { recursive: true })
  return { byBody, failed: count - answered }
}

const bounds = (timeoutMs: number): string[] => ['--max-time', String(timeoutMs / 1000), '--noproxy', '*']

const source = (from: string | undefined): string[] => (from === undefined ? [] : ['--interface', from])

export interface UdpOptions {
  readonly address: string
  readonly port: number
  readonly text: string
  /** The client's port; default the kernel's choice. */
  readonly fromPort?: number
  /** How long to wait for the answer; default 1 s. */
  readonly timeoutMs?: number
}

export async function udpRequest(lab: Lab, host: Host, options: UdpOptions): Promise<string | null> {
  const { address, port, text, fromPort, timeoutMs = 1000 } = options
  const target = `UDP${address.includes(':') ? 6 : 4}:${endpoint(address, port)}`
  const program = lab.spawn(host, [
    'socat',
    '-T',
    String(Math.ceil(timeoutMs / 1000) + 1),
    'STDIO',
    fromPort === undefined ? target : `${target},sourceport=${fromPort}`,
  ])
  program.write(text)
  try {
    await program.until('answer', () => program.stdout !== '', timeoutMs)
    return program.stdout
  } catch (error) {
    // A timeout or an ICMP refusal: no answer. Anything else is a fault of the laboratory.
    if (program.isRunning || program.stderr.includes('Connection refused')) return null
    throw error
  } finally {
    program.kill('SIGKILL')
    await program.exited
  }
}

/** A TCP connection held open by socat. */
export class Conversation {
  readonly #program: Program
  /** How much of the program's output {@link read} has returned. */
  #consumed = 0

  private constructor(program: Program) {
    this.#program = program
  }

  /** Throws unless the connection is established within `timeoutMs`, 3 s by default. */
  static async open(
    lab: Lab,
    host: Host,
    { address, port, timeoutMs = 3000 }: { address: string; port: number; timeoutMs?: number },
  ): Promise<Conversation> {
    const family = address.includes(':') ? 6 : 4
    const target = `TCP${family}:${endpoint(address, port)},connect-timeout=${timeoutMs / 1000}`
    // At -d -d socat tells of the established connection; -t is how long it stays after we close our end.
    const program = lab.spawn(host, ['socat', '-d', '-d', '-t', '5', 'STDIO', target])
    const isOpen = () => program.stderr.includes('starting data transfer loop')
    await program.until('connection', isOpen, timeoutMs + 500)
    return new Conversation(program)
  }

  write(text: string): void {
    this.#program.write(text)
  }

  /** Everything received since the last read, as soon as it contains `expected`; throws when that does not come. */
  async read(expected: string, timeoutMs = 3000): Promise<string> {
    const unread = () => this.#program.stdout.slice(this.#consumed)
    await this.#program.until(`'${expected}' from the server`, () => unread().includes(expected), timeoutMs)
    const text = unread()
    this.#consumed += text.length
    return text
  }

  /** Sends `line` and a newline; returns the answering line. */
  async ask(line: string, timeoutMs?: number): Promise<string> {
    this.write(`${line}\n`)
    return (await this.read('\n', timeoutMs)).trimEnd()
  }

  get isOpen(): boolean {
    return this.#program.isRunning
  }

  /** How the connection ended, in socat's words, once {@link isOpen} is false. */
  get epitaph(): string {
    return this.#program.epitaph()
  }

  /** Closes our side (FIN) and waits for the other. */
  async close(): Promise<void> {
    this.#program.end()
    await this.#program.exited
  }
}
