/** Ways to damage a saved configuration, each from lines to lines. */

import * as fc from 'fast-check'
import { plausibleArgv } from './argv.ts'

export type Damage = (lines: readonly string[]) => string[]

const at = (index: number, lines: readonly string[]): number => index % (lines.length + 1)

/** A blank line, a comment, another command, or any text. `-h`, `-v` and `-R` are not among them: they end a run otherwise. */
const line = fc.oneof(
  fc.constantFrom('', '   ', '# a comment', 'ipvsadm', 'uipvsadm -C', '-A -f 1 # one', '-Z', '-L -f 77'),
  plausibleArgv
    .filter(([first = '']) => !/^(?:-[hvR].*|--help|--version|--restore)$/.test(first))
    .map((argv) => argv.join(' ')),
  fc.string({ unit: 'grapheme', maxLength: 30 }).filter((text) => !/-/.test(text)),
)

/** One line or one character more or less, or two lines exchanged. */
export const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.tuple(fc.nat(), line).map(
    ([index, text]): Damage =>
      (lines) =>
        lines.toSpliced(at(index, lines), 0, text),
  ),
  fc.nat().map(
    (index): Damage =>
      (lines) =>
        lines.toSpliced(at(index, lines), 1),
  ),
  fc.tuple(fc.nat(), fc.nat(), fc.constantFrom('', ' ', '0', 'x', ':', '-', '#')).map(
    ([index, column, text]): Damage =>
      (lines) =>
        lines.map((each, number) => {
          if (number !== at(index, lines)) return each
          const place = column % (each.length + 1)
          return each.slice(0, place) + text + each.slice(place + 1)
        }),
  ),
  fc.tuple(fc.nat(), fc.nat()).map(
    ([from, to]): Damage =>
      (lines) => {
        const moved = lines[at(from, lines)]
        return moved === undefined
          ? [...lines]
          : lines.toSpliced(at(from, lines), 1).toSpliced(at(to, lines), 0, moved)
      },
  ),
)
