/** The two programs around `uipvsadm -S` and `uipvsadm -R`: ipvsadm-save(8) and ipvsadm-restore(8). */

import { type Io, uipvsadm } from './run.ts'

/** Most that `uipvsadm-restore` reads, in characters: it must have all of it before it clears anything. */
export const INPUT_LIMIT = 64 * 1024 * 1024

/** What a wrapper needs: `program` is the name it was called by, which its messages begin with. */
export interface WrapperIo extends Io {
  readonly program: string
}

/** `uipvsadm-save [-n]`: the services on standard output. Resolves to the exit status of `-S`, 1 for another option. */
export async function uipvsadmSave(argv: readonly string[], io: WrapperIo): Promise<number> {
  if (argv.some((word) => word.startsWith('-') && word !== '-n')) {
    io.stderr.write(
      `${io.program}: Script to save the IPVS table to stdout.\n` +
        '   With the -n option, prints out the table in numeric format.\n',
    )
    return 1
  }
  return await uipvsadm(argv.includes('-n') ? ['-S', '-n'] : ['-S'], io)
}

/**
 * `uipvsadm-restore`: clears the table, then runs the commands on standard input, lines that begin with `#` left out.
 * Resolves to the exit status of whichever failed, or of the last line.
 *
 * Deviation from ipvsadm 1.31, which ignores its arguments: with any but `-n` nothing is done. Whoever names a file
 * to restore from would otherwise wait in front of a table that is about to be cleared.
 */
export async function uipvsadmRestore(argv: readonly string[], io: WrapperIo): Promise<number> {
  if (argv.some((word) => word !== '-n')) {
    io.stderr.write(`${io.program}: Restores the IPVS table from stdin; there are no arguments.\n`)
    return 1
  }
  const text = await textOf(io.stdin)
  if (text === null) {
    io.stderr.write(
      `${io.program}: the input is longer than ${INPUT_LIMIT} characters; nothing was changed\n`,
    )
    return 2
  }
  const cleared = await uipvsadm(['-C'], io)
  if (cleared !== 0) return cleared
  const lines = text.split('\n').filter((line) => !line.startsWith('#'))
  return await uipvsadm(['-R'], { ...io, stdin: oneChunk(lines.join('\n')) })
}

/** All of the input, or null where it is too long. */
async function textOf(input: AsyncIterable<string | Uint8Array>): Promise<string | null> {
  const decoder = new TextDecoder()
  const chunks: string[] = []
  let characters = 0
  for await (const chunk of input) {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    characters += text.length
    if (characters > INPUT_LIMIT) return null
    chunks.push(text)
  }
  return chunks.join('') + decoder.decode()
}

async function* oneChunk(text: string): AsyncGenerator<string> {
  yield text
}
