import { describe, expect, it } from 'vitest'
import { COMMANDS, OPTIONS, type Spelling } from '../../cli/grammar.ts'
import { type Page, roffOf } from '../../cli/man/roff.ts'
import { uipvsPage } from '../../cli/man/uipvs-page.ts'
import { uipvsadmPage } from '../../cli/man/uipvsadm-page.ts'
import { wrapperPages } from '../../cli/man/wrapper-pages.ts'
import { mandocFindings, shellObstacle } from '../support/completions.ts'
import { program } from '../support/program.ts'

const PAGES: readonly Page[] = [uipvsPage(program()), uipvsadmPage(), ...wrapperPages]
const fileOf = (name: string): string => new URL(`../../docs/man/${name}.8`, import.meta.url).pathname

const noMandoc = shellObstacle('mandoc')
if (noMandoc !== null) console.warn(`SKIPPED: the check of manual pages: ${noMandoc}`)

describe.each(PAGES.map((page) => ({ ...page, roff: roffOf(page) })))('$name(8)', ({ name, roff }) => {
  it('is checked in as it would be made: else, run npm run man', async () => {
    await expect(roff).toMatchFileSnapshot(fileOf(name))
  })

  it.skipIf(noMandoc !== null)('is sound to mandoc', () => {
    expect(mandocFindings(fileOf(name))).toEqual([])
  })
})

/** The page as it is read: without fonts and escapes. */
const readable = (page: Page): string =>
  roffOf(page)
    .replace(/\\f[BIR]/g, '')
    .replaceAll('\\-', '-')

describe('the manual pages', () => {
  it('name every command and option of uipvsadm', () => {
    const spellings: readonly Spelling[] = OPTIONS.flatMap((option): readonly Spelling[] => option.spellings)
    const text = readable(uipvsadmPage())
    for (const { long } of [...COMMANDS, ...spellings])
      expect(text).toMatch(new RegExp(`--${long}( |$)`, 'm'))
  })

  it('name every command and option of uipvs', () => {
    const text = readable(uipvsPage(program()))
    for (const command of program().commands) {
      expect(text).toContain(`\nuipvs ${command.name()}`)
      for (const { long } of command.options) expect(text).toContain(`${long}`)
    }
  })

  it('say with which commands an option goes', () => {
    expect(readable(uipvsadmPage())).toContain(
      '-w, --weight number\nIts share; 1 unless given, 0 gets nothing new.\nFrom 0 to 2147483647.\nGoes with -a, -e.\n',
    )
  })
})

describe('roffOf', () => {
  it('writes what roff would take for its own as text', () => {
    const page = {
      name: 'x',
      summary: 's',
      sections: [{ title: 'T', blocks: [".it's a \\-x", { term: '`-b`', text: 't' }] }],
    }
    expect(roffOf(page)).toBe(
      '.TH X 8 "" uipvs "System Administration"\n.SH NAME\nx \\- s\n.SH T\n\\&.it\\(aqs a \\e\\-x\n.TP\n\\fB\\-b\\fR\nt\n',
    )
  })
})
