/**
 * A second kernel, one with IPVS, as a program: user-mode-linux. It reads the host's files and can write to none of them,
 * and has a network of its own.
 *
 *     const uml = await Uml.boot()
 *     const { stdout } = await uml.run(['ipvsadm', '-Ln'])
 *     await uml.close()
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { FIXED_ETC } from './etc.ts'
import { type UmlKit, umlKit } from './kit.ts'
import { loadOrder } from './modules.ts'

export interface BootOptions {
  /** Default 384. */
  readonly memoryMib?: number
  /** Files of the guest's /etc that are not the host's, by name; default {@link FIXED_ETC}. */
  readonly etc?: Readonly<Record<string, string>>
  /** However long anything takes, the machine is gone after this; default 10 minutes. */
  readonly lifeMs?: number
}

export interface Step {
  readonly argv: readonly string[]
  /** Standard input; empty unless given. */
  readonly stdin?: string
}

export interface StepResult {
  readonly stdout: string
  readonly stderr: string
  /** As a shell counts: 128 and more where a signal ended it. */
  readonly status: number
}

export interface JobOptions {
  /** A network namespace of the guest, as `ip netns` calls it; default the first one. */
  readonly namespace?: string
  /** For all steps together; default 60 s. At the bound the machine is killed. */
  readonly timeoutMs?: number
}

const INIT = fileURLToPath(new URL('./init.sh', import.meta.url))
/** Followed by the process id of whoever booted, by which leftovers are known. */
const EXCHANGE_PREFIX = 'uipvs-uml-'
const BOOT_MS = 30_000
const LIFE_MS = 600_000
const JOB_MS = 60_000
const KERNEL_LOG_CHARS = 64 * 1024

export class Uml {
  readonly kit: UmlKit
  /** A folder of the host that the guest has as {@link Uml.exchangeInside}, for files in and out. */
  readonly exchange: string
  readonly exchangeInside = '/run/exchange'
  readonly #child: ChildProcess
  readonly #doorbell: Duplex
  readonly #ended: Promise<void>
  readonly #waiting = new Map<string, () => void>()
  #kernelLog = ''
  #jobs = 0

  private constructor(kit: UmlKit, exchange: string, { memoryMib = 384, lifeMs = LIFE_MS }: BootOptions) {
    this.kit = kit
    this.exchange = exchange
    const child = spawn(
      kit.linux,
      [
        `mem=${memoryMib}M`,
        ...['root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro', 'quiet'],
        `init=${exchange}/init`,
        `UIPVS_EXCHANGE=${exchange}`,
        ...[`uml_dir=${exchange}`, 'con=null', 'con0=null,fd:1', 'ssl=null', 'ssl0=fd:3'],
      ],
      // A process group of its own: the kernel is many processes, and all of them must go.
      { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], detached: true },
    )
    this.#child = child
    this.#doorbell = child.stdio[3] as Duplex
    // Where the machine has ended, that it cannot be written to is not the news.
    this.#doorbell.on('error', (error) => this.#log(`doorbell: ${error.message}\n`))
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#log(text))
    }
    createInterface({ input: this.#doorbell }).on('line', (line) => {
      this.#waiting.get(line)?.()
      this.#waiting.delete(line)
    })
    const life = setTimeout(() => this.#kill(), lifeMs)
    process.on('exit', this.#kill)
    this.#ended = once(child, 'close').then(
      () => undefined,
      (error: Error) => this.#log(`${kit.linux}: ${error.message}\n`),
    )
    void this.#ended.finally(() => {
      clearTimeout(life)
      process.off('exit', this.#kill)
    })
  }

  /**
   * Boots; resolves when the modules are loaded and commands can be run, about 3 s later. Rejects with
   * `UmlUnavailableError` where there is no kernel to be had.
   */
  static async boot(options: BootOptions = {}): Promise<Uml> {
    const kit = await umlKit()
    await sweep()
    const exchange = await mkdtemp(join(tmpdir(), `${EXCHANGE_PREFIX}${process.pid}-`))
    try {
      await furnish(exchange, kit, options.etc ?? FIXED_ETC)
      const uml = new Uml(kit, exchange, options)
      await uml.#answer('ready', BOOT_MS)
      return uml
    } catch (error) {
      await rm(exchange, { recursive: true, force: true })
      throw error
    }
  }

  /** Everything that the kernel and the first process have said, the latest 64 KiB. */
  get kernelLog(): string {
    return this.#kernelLog
  }

  /** Runs one command to its end, whatever its exit status. */
  async run(argv: readonly string[], options: JobOptions & Pick<Step, 'stdin'> = {}): Promise<StepResult> {
    const { stdin = '', ...job } = options
    const [result] = await this.runAll([{ argv, stdin }], job)
    return result as StepResult
  }

  /** Runs commands one after the other, which is much quicker than to ask for each. */
  async runAll(steps: readonly Step[], options: JobOptions = {}): Promise<StepResult[]> {
    const { namespace, timeoutMs = JOB_MS } = options
    const job = `job-${++this.#jobs}`
    const folder = join(this.exchange, job)
    await mkdir(folder)
    await Promise.all(
      steps.flatMap(({ stdin }, index) =>
        stdin === undefined || stdin === '' ? [] : [writeFile(join(folder, `${index}.in`), stdin)],
      ),
    )
    const inside = `${this.exchangeInside}/${job}`
    const enter = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]
    await writeFile(join(folder, 'steps'), script(steps, inside, this.kit))
    await writeFile(join(folder, 'run'), `${[...enter, 'sh', `${inside}/steps`].map(quoted).join(' ')} >&2\n`)
    const answer = this.#answer(job, timeoutMs)
    this.#doorbell.write(`${job}\n`)
    await answer
    const results = await Promise.all(steps.map((_, index) => resultOf(folder, index, this)))
    await rm(folder, { recursive: true, force: true })
    return results
  }

  /** Kills the machine; nothing of it is left. May be called twice. */
  async close(): Promise<void> {
    this.#kill()
    await this.#ended
    await rm(this.exchange, { recursive: true, force: true })
  }

  /** Waits for a line from inside. Rejects, the machine being killed, when it does not come in time. */
  async #answer(line: string, timeoutMs: number): Promise<void> {
    const answered = new Promise<'answered'>((resolve) => this.#waiting.set(line, () => resolve('answered')))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), timeoutMs)
    })
    const outcome = await Promise.race([answered, late, this.#ended])
    clearTimeout(timer)
    if (outcome === 'answered') return
    await this.close()
    const what = outcome === 'late' ? `no '${line}' after ${timeoutMs} ms` : `ended before '${line}'`
    throw new Error(`user-mode-linux: ${what}\n${this.#kernelLog.slice(-2000)}`)
  }

  #log(text: string): void {
    this.#kernelLog = (this.#kernelLog + text).slice(-KERNEL_LOG_CHARS)
  }

  readonly #kill = (): void => {
    const { pid } = this.#child
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch (error) {
      // No such group any more: it has ended already.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** Writes what the first process finds in the exchange. */
async function furnish(exchange: string, kit: UmlKit, etc: Readonly<Record<string, string>>): Promise<void> {
  if (/\s/.test(exchange))
    throw new Error(`a kernel command line has no room for blanks: TMPDIR is ${tmpdir()}`)
  const order = loadOrder(await readFile(join(kit.modulesFolder, 'modules.dep'), 'utf8'))
  await mkdir(join(exchange, 'etc'))
  await Promise.all([
    copyFile(INIT, join(exchange, 'init')).then(() => chmod(join(exchange, 'init'), 0o755)),
    writeFile(join(exchange, 'kit'), `${kit.folder}\n`),
    writeFile(join(exchange, 'modules'), order.map((path) => `${join(kit.modulesFolder, path)}\n`).join('')),
    ...Object.entries(etc).map(([name, text]) => writeFile(join(exchange, 'etc', name), text)),
  ])
}

/** Removes the exchanges of dead processes. Their machines have powered off: the doorbell's other end was gone. */
async function sweep(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(EXCHANGE_PREFIX))
  const left = names.filter((name) => !existsSync(`/proc/${name.split('-')[2]}`))
  await Promise.all(left.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true })))
}

/** A shell script of the steps, each leaving `<index>.out`, `.err` and `.status` in `folder`. */
function script(steps: readonly Step[], folder: string, { folder: kit, libraryPath }: UmlKit): string {
  const lines = steps.map(({ argv, stdin }, index) => {
    // The kit's libraries are for the kit's program alone.
    const environment = argv[0] === 'ipvsadm' ? `LD_LIBRARY_PATH=${quoted(libraryPath)} ` : ''
    const input = stdin === undefined || stdin === '' ? '/dev/null' : `${index}.in`
    const command = `${environment}${argv.map(quoted).join(' ')}`
    return `${command} < ${input} > ${index}.out 2> ${index}.err; echo $? > ${index}.status`
  })
  return [`cd ${folder}`, `PATH=${quoted(join(kit, 'sbin'))}:$PATH`, ...lines, ''].join('\n')
}

/** A word for sh, which takes everything between single quotes as it is. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

async function resultOf(folder: string, index: number, { kernelLog }: Uml): Promise<StepResult> {
  const text = (kind: string) => readFile(join(folder, `${index}.${kind}`), 'utf8')
  try {
    const [stdout, stderr, status] = await Promise.all([text('out'), text('err'), text('status')])
    return { stdout, stderr, status: Number(status) }
  } catch (cause) {
    throw new Error(`user-mode-linux: step ${index} left no result\n${kernelLog.slice(-2000)}`, { cause })
  }
}
