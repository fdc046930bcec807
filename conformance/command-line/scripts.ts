/** Every script there is: those written by hand, in `scripts/`, and those generated. */

import { readdirSync, readFileSync } from 'node:fs'
import { generatedScripts } from './generated.ts'
import { parseScript, type Script } from './script.ts'

const FOLDER = new URL('./scripts/', import.meta.url)

export const writtenScripts = (): Script[] =>
  readdirSync(FOLDER)
    .sort()
    .map((name) => parseScript(readFileSync(new URL(name, FOLDER), 'utf8')))

export const everyScript = (): Script[] => [...writtenScripts(), ...generatedScripts()]
