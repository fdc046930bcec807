/** What the kernel's ipvsadm was seen to do: a file among the test vectors, so that it can be replayed anywhere. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../test/support/lab/compile.ts'
import type { Played, PlayedScript } from './script.ts'

export interface Recording {
  readonly origin: string
  /** As `uname -r` says. */
  readonly kernel: string
  /** Debian's versions, by package. */
  readonly versions: Readonly<Record<string, string>>
  readonly scripts: readonly PlayedScript[]
}

const PATH = join(PACKAGE_ROOT, 'test/vectors/ipvsadm-recording.json')
const ORIGIN =
  'ipvsadm in user-mode-linux, each script in a network namespace of its own; made by npm run conformance -- --record'

/** The recording, or null where none has been made. Texts that are empty are left out of the file. */
export function readRecording(): Recording | null {
  if (!existsSync(PATH)) return null
  const recording = JSON.parse(readFileSync(PATH, 'utf8')) as Recording
  const whole = (line: Played): Played => ({ ...line, stdout: line.stdout ?? '', stderr: line.stderr ?? '' })
  return {
    ...recording,
    scripts: recording.scripts.map(({ name, lines }) => ({ name, lines: lines.map(whole) })),
  }
}

/** Writes the recording, a command a line, so that a change of it can be read. */
export function writeRecording({ kernel, versions, scripts }: Omit<Recording, 'origin'>): void {
  const text = scripts.map(({ name, lines }) => {
    const rows = lines.map((line) => `      ${JSON.stringify(line, withoutEmptyTexts)}`)
    return `    {\n      "name": ${JSON.stringify(name)},\n      "lines": [\n${rows.join(',\n')}\n      ]\n    }`
  })
  const head = Object.entries({ origin: ORIGIN, kernel, versions }).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`,
  )
  writeFileSync(PATH, `{\n${head.join('')}  "scripts": [\n${text.join(',\n')}\n  ]\n}\n`)
}

const withoutEmptyTexts = (key: string, value: unknown): unknown =>
  value === '' && (key === 'stdout' || key === 'stderr') ? undefined : value
