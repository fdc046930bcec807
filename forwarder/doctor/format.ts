/** The doctor's report as text for people: a table that fits a screen. Pure. */

import type { Report } from './index.ts'

/** Columns; what is longer is broken between words. */
const WIDTH = 110

export function formatReport({ isReady, findings, methods }: Report): string {
  const nameWidth = Math.max(
    ...findings.map(({ name }) => name.length),
    ...methods.map(({ method }) => method.length),
  )
  const row = (state: string, name: string, text: string) => {
    const head = `${state.padEnd(8)}  ${name.padEnd(nameWidth)}  `
    return wrap(text, WIDTH - head.length).map(
      (line, index) => (index === 0 ? head : ' '.repeat(head.length)) + line,
    )
  }
  const lines = [
    ...findings.flatMap(({ status, name, found, remedy }) => [
      ...row(status, name, found),
      ...(status === 'ok' || remedy === undefined ? [] : row('', '', `-> ${remedy}`)),
    ]),
    '',
    ...methods.flatMap(({ method, works, path, missing }) =>
      row(works ? 'works' : 'fails', method, works ? path : `${path}; missing: ${missing.join(', ')}`),
    ),
    '',
    isReady ? 'All forwarding methods work here.' : 'Not all forwarding methods work here.',
  ]
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}

/** At least one line; a word longer than the width has a line of its own. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}
