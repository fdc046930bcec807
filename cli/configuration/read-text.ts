/** The text of a file that an operator names, within bounds. */

import { createReadStream } from 'node:fs'
import { CommandError } from '../commands/command-error.ts'

/** As long as the API takes a configuration. */
const LIMIT_BYTES = 16 * 1024 * 1024

/** `-` is standard input. Throws {@link CommandError}, naming the file. */
export async function readText(file: string, stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  const input: AsyncIterable<Uint8Array | string> = file === '-' ? stdin : createReadStream(file)
  const chunks: Buffer[] = []
  let lengthBytes = 0
  try {
    for await (const chunk of input) {
      const bytes = Buffer.from(chunk)
      chunks.push(bytes)
      lengthBytes += bytes.length
      if (lengthBytes > LIMIT_BYTES) throw new Error(`it is longer than ${LIMIT_BYTES} bytes`)
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (error) {
    const reason = (error as Error).message
    throw new CommandError(`cannot read ${fileName(file)}: ${reason}`, 2, { cause: error })
  }
}

/** What messages call the file. */
export const fileName = (file: string): string => (file === '-' ? 'standard input' : file)
