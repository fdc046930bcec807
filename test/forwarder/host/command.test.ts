import { describe, expect, it } from 'vitest'
import { CommandError, runCommand } from '../../../forwarder/host/command.ts'

const failure = (promise: Promise<unknown>): Promise<CommandError> =>
  promise.then(
    () => {
      throw new Error('the command succeeded')
    },
    (error: unknown) => {
      if (error instanceof CommandError) return error
      throw error
    },
  )

describe('runCommand', () => {
  it('hands over arguments and input as they are, without a shell', async () => {
    expect(await runCommand('printf', ['%s', '$HOME;`id` "x"'])).toBe('$HOME;`id` "x"')
    expect(await runCommand('cat', [], { input: 'lines\nof\ninput' })).toBe('lines\nof\ninput')
  })

  it('names command, exit status and the first line of standard error that is not a remark', async () => {
    const error = await failure(
      runCommand('sh', ['-c', 'echo "# Warning: legacy" >&2; echo bad thing >&2; exit 3']),
    )
    expect(error).toMatchObject({ flaw: 'failed', status: 3 })
    expect(error.message).toMatch(/^sh -c .*: exit status 3: bad thing$/s)
  })

  it('tells a program that is not there from one that failed', async () => {
    const error = await failure(runCommand('uipvs-no-such-program', []))
    expect(error.flaw).toBe('missing')
    expect(error.message).toContain("no program 'uipvs-no-such-program'")
  })

  it('ends a program that takes too long, with its children', async () => {
    const error = await failure(runCommand('sh', ['-c', 'sleep 60 & wait'], { timeoutMs: 100 }))
    expect(error.flaw).toBe('timeout')
    expect(error.message).toContain('100 ms')
  })

  it('ends a program that writes without end', async () => {
    const error = await failure(runCommand('yes', [], { outputBytesMax: 1000 }))
    expect(error.flaw).toBe('overflow')
  })

  it('survives a program that does not read its input', async () => {
    expect(await runCommand('true', [], { input: 'x'.repeat(1_000_000) })).toBe('')
  })
})
