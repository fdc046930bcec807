import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Runs a command to its end and returns its output; throws with its error output where it fails. */
export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })
}

/** Runs a command inside a network namespace. */
export const runIn = (namespace: string, command: string, ...args: string[]): string =>
  run('ip', 'netns', 'exec', namespace, command, ...args)

/** One end of a veth pair. */
export interface LinkEnd {
  readonly namespace: string
  readonly device: string
  /** Addresses with prefix length, of both families. */
  readonly addresses: readonly string[]
}

/** Two namespaces joined by a veth pair, loopback up. */
export interface Namespaces {
  /** Starts a built script of test/support, such as `queue-child.js`, in a namespace. */
  startIn(namespace: string, script: string, ...args: string[]): LineChild
  /** Ends whatever a failed test left running. */
  killChildren(): void
  /** Leaves nothing behind. */
  remove(): void
}

export function joinedNamespaces(near: LinkEnd, far: LinkEnd): Namespaces {
  const children: LineChild[] = []
  const killChildren = () => {
    for (const child of children.splice(0)) child.process.kill('SIGKILL')
  }
  const remove = () => {
    killChildren()
    for (const { namespace } of [near, far]) {
      if (run('ip', 'netns', 'list').split(/\s/).includes(namespace)) run('ip', 'netns', 'delete', namespace)
    }
  }
  remove()
  for (const { namespace } of [near, far]) run('ip', 'netns', 'add', namespace)
  run(
    'ip',
    'link',
    'add',
    near.device,
    'netns',
    near.namespace,
    'type',
    'veth',
    'peer',
    'name',
    far.device,
    'netns',
    far.namespace,
  )
  for (const { namespace, device, addresses } of [near, far]) {
    for (const each of addresses) {
      // Without duplicate address detection an IPv6 address may be used at once.
      const nodad = each.includes(':') ? ['nodad'] : []
      run('ip', '-n', namespace, 'address', 'add', each, 'dev', device, ...nodad)
    }
    run('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
    // An address that waits for duplicate address detection cannot be used for neighbour discovery.
    runIn(namespace, 'sysctl', '-qw', `net.ipv6.conf.${device}.accept_dad=0`)
    run('ip', '-n', namespace, 'link', 'set', device, 'up')
  }
  return {
    startIn(namespace, script, ...args) {
      const child = startIn(namespace, script, ...args)
      children.push(child)
      return child
    },
    killChildren,
    remove,
  }
}

/** A child process that speaks in lines of JSON. */
export interface LineChild {
  readonly process: ChildProcess
  /** The next line it prints, parsed; rejects when it ends first, with its error output. */
  next(): Promise<unknown>
  /** Ends its standard input, which asks it to finish, and gives the lines it still prints. */
  finish(): Promise<unknown[]>
}

function startIn(namespace: string, script: string, ...args: string[]): LineChild {
  const path = fileURLToPath(new URL(`../../dist/test/support/${script}`, import.meta.url))
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, path, ...args], { stdio: 'pipe' })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const closed = once(child, 'close')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    process: child,
    async next() {
      const line = await lines.next()
      if (!line.done) return JSON.parse(line.value) as unknown
      await closed
      throw new Error(`${script} ${args.join(' ')} ended with ${child.exitCode}: ${errors}`)
    },
    async finish() {
      child.stdin.end()
      const rest: unknown[] = []
      for (let line = await lines.next(); !line.done; line = await lines.next())
        rest.push(JSON.parse(line.value))
      await closed
      if (child.exitCode !== 0) throw new Error(`${script} ended with ${child.exitCode}: ${errors}`)
      return rest
    },
  }
}
