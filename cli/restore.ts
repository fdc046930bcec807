/** The lines of standard input for `-R`. */

/** Longest line accepted, in characters: no command comes near it. */
export const LINE_LIMIT = 65_536

/** A line was longer than {@link LINE_LIMIT}. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError'

  constructor(lineNumber: number) {
    super(`line ${lineNumber} of the input is longer than ${LINE_LIMIT} characters`)
  }
}

/**
 * The command lines in `input`, as argv without the program's name. Words stand between blanks; there are no quotes
 * and no comments. The program's name is skipped wherever it stands, and lines without words are skipped too.
 */
export async function* commandLines(input: AsyncIterable<string | Uint8Array>): AsyncGenerator<string[]> {
  let lineNumber = 0
  for await (const line of linesOf(input)) {
    lineNumber++
    if (line.length > LINE_LIMIT) throw new LineTooLongError(lineNumber)
    const words = wordsOf(line)
    if (words.length > 0) yield words
  }
}

/** The words of a line, without the program's name. */
export const wordsOf = (line: string): string[] =>
  line.split(/[ \t\r]+/).filter((word) => word !== '' && word !== 'ipvsadm' && word !== 'uipvsadm')

/** Lines without their newlines. Of one that is too long, only the beginning, which is still too long. */
async function* linesOf(input: AsyncIterable<string | Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let pending = ''
  for await (const chunk of input) {
    pending += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    const lines = pending.split('\n')
    pending = lines.pop() as string
    yield* lines
    if (pending.length > LINE_LIMIT) break
  }
  if (pending !== '') yield pending
}
