import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NotRunningError } from '../control/index.ts'
import { program, runUipvs } from '../test/support/program.ts'
import { plausibleArgv } from './arbitraries/argv.ts'

const names = program().commands.map((command) => command.name())
/** What the kernel can hand to a program: no null byte. */
const word = fc.oneof(
  fc.string().map(withoutNull),
  fc.string({ unit: 'binary' }).map(withoutNull),
  fc.constantFrom(
    '--json',
    '--hz',
    '--socket',
    '--socket=',
    '--bogus',
    '--',
    '-',
    '0',
    '-1',
    'ip_vs',
    'bash',
    '=1',
  ),
)
const words = fc.array(word, { maxLength: 6 })

/** Every word is refused in so many lines, the last of which says where help is. */
async function expectRefusal(argv: readonly string[]): Promise<void> {
  const { stdout, stderr, status } = await runUipvs(...argv)
  expect(stdout).toBe('')
  expect(status).not.toBe(0)
  expect(stderr).toMatch(/\(uipvs --help shows what there is\)\n$|^Usage: uipvs /)
}

describe('uipvs', () => {
  it('refuses whatever is no command of its own', async () => {
    const noCommand = fc
      .oneof(words, plausibleArgv)
      .filter(
        (argv) => !argv.some((each) => names.includes(each) || /^(?:-[hV]|--help|--version|help)/.test(each)),
      )
    await fc.assert(fc.asyncProperty(noCommand, expectRefusal), { numRuns: 300 })
  })

  it('asks the daemon or refuses, whatever the words behind a command that only reads', async () => {
    const reading = fc.constantFrom('proc', 'config', 'status')
    await fc.assert(
      fc.asyncProperty(reading, words, async (name, rest) => {
        const argv = [
          name,
          '--socket',
          '/nonexistent/control.sock',
          ...rest.filter((each) => !/^-h|^--help/.test(each)),
        ]
        try {
          await expectRefusal(argv)
        } catch (error) {
          if (!(error instanceof NotRunningError)) throw error
        }
      }),
      { numRuns: 300 },
    )
  })
})

function withoutNull(text: string): string {
  return text.replaceAll('\0', '')
}
