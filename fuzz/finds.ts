/** What was found, kept for ever: every case that ever failed, to be checked again by the tests. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../test/support/lab/compile.ts'

/** A case as it was when it failed, at its smallest. */
export interface KeptFind {
  readonly target: string
  /** What was wrong. */
  readonly message: string
  readonly case: unknown
}

export const FINDS_FILE: string = join(PACKAGE_ROOT, 'test', 'vectors', 'fuzz-finds.json')

/** Throws what is wrong with the file; one that is not there has no finds. */
export function readFinds(file = FINDS_FILE): readonly KeptFind[] {
  if (!existsSync(file)) return []
  const { finds } = JSON.parse(readFileSync(file, 'utf8')) as { readonly finds: readonly KeptFind[] }
  return finds
}

/** Adds a find, unless the same case is kept already. */
export function keepFind(find: KeptFind, file = FINDS_FILE): void {
  const finds = readFinds(file)
  const text = JSON.stringify(find.case)
  if (finds.some((each) => each.target === find.target && JSON.stringify(each.case) === text)) return
  writeFinds([...finds, find], file)
}

const ABOUT =
  'cases that fuzzing has found, each as small as it could be made: test/fuzz/finds.test.ts checks them all'

/** A find a line, so that a new one is one line of a change. */
function writeFinds(finds: readonly KeptFind[], file: string): void {
  const lines = finds.map((find) => JSON.stringify(find)).join(',\n')
  writeFileSync(file, `{\n"about": ${JSON.stringify(ABOUT)},\n"finds": [\n${lines}\n]}\n`)
}
