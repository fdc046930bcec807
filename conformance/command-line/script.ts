/** A sequence of ipvsadm command lines, and what came of running them: the same for the kernel's program and for ours. */

/** One command line without the program's name. */
export interface Line {
  readonly argv: readonly string[]
  /** Standard input, for `-R`. */
  readonly stdin?: string
}

/** Lines that follow each other on one table, which is empty at first. */
export interface Script {
  readonly name: string
  readonly lines: readonly Line[]
}

export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly status: number
}

/** A line and what came of it. */
export type Played = Line & Outcome

export interface PlayedScript {
  readonly name: string
  readonly lines: readonly Played[]
}

/** What the director's host has, for a subnet's broadcast address is no real server's. */
export const INTERFACE_ADDRESSES: readonly string[] = ['10.0.0.1/24', '192.168.1.254/24', 'fd00::1/64']

/**
 * Reads a script from text: a command line a line, its words between blanks, or between single quotes where they hold
 * blanks or nothing. Lines below that begin with `| ` are its standard input. `# ` on the first line precedes the name.
 */
export function parseScript(text: string): Script {
  const [title = '', ...rest] = text.trimEnd().split('\n')
  if (!title.startsWith('# ')) throw new Error(`a script's first line is '# <name>', not '${title}'`)
  const lines: { argv: string[]; stdin?: string }[] = []
  for (const each of rest) {
    const last = lines.at(-1)
    if (!each.startsWith('| ')) lines.push({ argv: wordsOf(each) })
    else if (last === undefined) throw new Error(`standard input before any command line: ${each}`)
    else last.stdin = `${last.stdin ?? ''}${each.slice(2)}\n`
  }
  return { name: title.slice(2), lines }
}

/** Words as one types them: split at blanks, but for what single quotes keep together. */
export const wordsOf = (text: string): string[] =>
  Array.from(text.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, plain]) => quoted ?? (plain as string))

/** A line as {@link parseScript} reads it, its input behind `<<<`. */
export const typed = ({ argv, stdin }: Line): string => {
  const words = argv.map((word) => (/^[^\s']+$/.test(word) ? word : `'${word}'`))
  return [...words, ...(stdin === undefined ? [] : [`<<< ${JSON.stringify(stdin)}`])].join(' ')
}
