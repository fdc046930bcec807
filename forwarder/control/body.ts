/** A request's body, read within bounds and as JSON. */

import type { IncomingMessage } from 'node:http'
import { RequestError } from './request-error.ts'

/** The body as JSON; undefined where there is none. Throws {@link RequestError}. */
export async function readJson(request: IncomingMessage, limitBytes: number): Promise<unknown> {
  // What says beforehand that it is too long is not read at all.
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes)
  const chunks: Buffer[] = []
  let lengthBytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    lengthBytes += chunk.length
    if (lengthBytes > limitBytes) throw tooLarge(limitBytes)
    chunks.push(chunk)
  }
  if (lengthBytes === 0) return undefined
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))) as unknown
  } catch (error) {
    const [flaw] = (error as Error).message.split('\n')
    throw new RequestError('not-json', `the body is not JSON: ${flaw}`, { cause: error })
  }
}

const tooLarge = (limitBytes: number): RequestError =>
  new RequestError('body-too-large', `the body is longer than ${limitBytes} bytes`)
