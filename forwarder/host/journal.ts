/** The undo journal: what has to be put back on this host, on disk before it is changed. */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import * as z from 'zod'
import { identifyThisProcess } from './process-identity.ts'

/** Below /proc/sys/net, and nowhere else: `..` as a part would lead out. */
const sysctlName = z.string().regex(/^net(\/(?!\.\.?(\/|$))[^/]+)+$/)

const NetfilterRecord = z.strictObject({
  program: z.string().regex(/^ip6?tables(-nft|-legacy)?$/),
  backend: z.enum(['nft', 'legacy']),
  before: z.record(z.string(), z.array(z.string()).readonly().nullable()).readonly(),
})

const JournalContent = z.strictObject({
  version: z.literal(1),
  owner: z.strictObject({
    pid: z.int().min(1),
    startTicks: z.string(),
    bootId: z.string(),
    netNamespace: z.string(),
  }),
  netfilter: z.strictObject({ ipv4: NetfilterRecord.nullable(), ipv6: NetfilterRecord.nullable() }),
  routing: z
    .strictObject({
      preference: z.int().min(1),
      tableBase: z.int().min(256),
      tableCount: z.int().min(1),
      protocol: z.int().min(5).max(255),
    })
    .nullable(),
  sysctls: z
    .array(
      z.strictObject({
        name: sysctlName,
        former: z.string(),
        ours: z.string(),
        sideEffects: z.array(z.strictObject({ name: sysctlName, former: z.string() })).readonly(),
      }),
    )
    .readonly(),
})
export type JournalContent = z.infer<typeof JournalContent>

export class Journal {
  readonly path: string
  #content: JournalContent

  private constructor(path: string, content: JournalContent) {
    this.path = path
    this.#content = content
  }

  /** A new journal of this process, with nothing to undo, in place of whatever is at `path`. */
  static create(path: string): Journal {
    const nothing = { netfilter: { ipv4: null, ipv6: null }, routing: null, sysctls: [] }
    const journal = new Journal(path, { version: 1, owner: identifyThisProcess(), ...nothing })
    mkdirSync(dirname(path), { recursive: true })
    journal.update({})
    return journal
  }

  /**
   * The journal at `path`, or null when there is none.
   * @throws when it cannot be read, with what to do about it
   */
  static read(path: string): Journal | null {
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw unreadable(path, (error as Error).message, error)
    }
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch (error) {
      throw unreadable(path, (error as Error).message, error)
    }
    const parsed = JournalContent.safeParse(json)
    if (parsed.success) return new Journal(path, parsed.data)
    const [issue] = parsed.error.issues
    throw unreadable(path, `${issue?.path.join('.') || 'the whole'}: ${issue?.message}`, parsed.error)
  }

  get content(): Readonly<JournalContent> {
    return this.#content
  }

  /** Writes the journal with `changes`; once this returns, it survives the death of the process and of the machine. */
  update(changes: Partial<JournalContent>): void {
    const content = { ...this.#content, ...changes }
    const draft = `${this.path}.new`
    const fd = openSync(draft, 'w', 0o600)
    try {
      writeSync(fd, `${JSON.stringify(content, null, 1)}\n`)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(draft, this.path)
    syncDirectory(dirname(this.path))
    this.#content = content
  }

  /** Deletes the journal: everything in it is undone. */
  discard(): void {
    rmSync(this.path, { force: true })
    rmSync(`${this.path}.new`, { force: true })
    syncDirectory(dirname(this.path))
  }
}

/** The rename itself is only on disk once the directory is. */
function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const unreadable = (path: string, why: string, cause: unknown): Error =>
  new Error(
    [
      `the undo journal ${path} cannot be read (${why}).`,
      'It lists what a uipvs that was killed left on this host: chains named UIPVS-… in the mangle and raw tables',
      '(iptables-save and ip6tables-save show them), routing rules with protocol 117 at preference 1 (ip rule, ip -6 rule)',
      'and forwarding settings. Put back what you find, or reboot, then delete the file.',
    ].join('\n'),
    { cause },
  )
