/** A configuration as JSON, with the line of whatever is wrong in it. */

import { WantedConfiguration } from '../../control/configuration.ts'
import { firstFlaw } from '../../control/issues.ts'
import type { FileFlaw, WantedFile } from './wanted.ts'

export function readJsonConfiguration(text: string): WantedFile | FileFlaw {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return syntaxFlaw(text, error)
  }
  const lineOf = (path: readonly (string | number)[]) => lineAt(text, offsetOf(text, path))
  const result = WantedConfiguration.safeParse(json)
  if (result.success) return { configuration: result.data, lineOf }
  const { message, path } = firstFlaw(result.error)
  return { line: lineOf(path), message }
}

/** V8 tells the place as an offset, or that the text ended too early. */
function syntaxFlaw(text: string, { message }: SyntaxError): FileFlaw {
  const [reason = ''] = message.split(/,? (?:\.\.\.|in JSON at|at) position|\n|, "/)
  const offset = /at position (\d+)/.exec(message)?.[1]
  return {
    line: lineAt(text, offset === undefined ? text.trimEnd().length : Number(offset)),
    message: `not JSON: ${reason}`,
  }
}

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length

/**
 * Where the value that `path` leads to begins in a valid JSON text. A path that leads further than the text goes, as to
 * a key that is missing, ends at the last value that is there.
 */
function offsetOf(text: string, path: readonly (string | number)[]): number {
  const cursor = new Cursor(text)
  for (const step of path) if (!cursor.enter(step)) break
  return cursor.offset
}

/** A place in a valid JSON text, always at the first character of a value. */
class Cursor {
  readonly #text: string
  offset: number

  constructor(text: string) {
    this.#text = text
    this.offset = 0
    this.#skipBlank()
  }

  /** Goes to a member or element of the value here; false, and stays, where there is none. */
  enter(step: string | number): boolean {
    const outer = this.offset
    const isObject = this.#text[outer] === '{'
    if (!isObject && this.#text[outer] !== '[') return false
    this.offset++
    this.#skipBlank()
    for (let index = 0; !/[\]}]/.test(this.#text[this.offset] as string); index++) {
      let key: unknown = index
      if (isObject) {
        key = JSON.parse(this.#scalar())
        this.#skipBlank()
        this.offset++ // the colon
        this.#skipBlank()
      }
      if (key === step) return true
      this.#skipValue()
      this.#skipBlank()
      if (this.#text[this.offset] === ',') this.offset++
      this.#skipBlank()
    }
    this.offset = outer
    return false
  }

  #skipBlank(): void {
    while (/\s/.test(this.#text[this.offset] ?? '')) this.offset++
  }

  /** A text, number or word; returns it as it is written. */
  #scalar(): string {
    const pattern = /"(?:[^"\\]|\\.)*"|[^\s,\]}]+/y
    pattern.lastIndex = this.offset
    const [found = ''] = pattern.exec(this.#text) ?? []
    this.offset += found.length
    return found
  }

  #skipValue(): void {
    let depth = 0
    do {
      const character = this.#text[this.offset] as string
      if (/[[{]/.test(character)) depth++
      else if (/[\]}]/.test(character)) depth--
      if (/[[\]{},:\s]/.test(character)) this.offset++
      else this.#scalar()
    } while (depth > 0)
  }
}
