import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { keepFind, readFinds } from '../../fuzz/finds.ts'
import { TARGETS } from '../../fuzz/targets.ts'

describe('what fuzzing has found stays mended', () => {
  const finds = readFinds()

  it('some has been found', () => {
    expect(finds.length).toBeGreaterThan(0)
  })

  it.each(finds.map((find) => [find.message.slice(0, 100), find] as const))('%s', (_message, find) => {
    const target = TARGETS[find.target]
    expect(target, find.target).toBeDefined()
    target!.check(find.case)
  })
})

describe('keepFind', () => {
  it('keeps each case once, and all that were there', () => {
    const directory = mkdtempSync(join(tmpdir(), 'uipvs-finds-'))
    const file = join(directory, 'finds.json')
    try {
      expect(readFinds(file)).toEqual([])
      keepFind({ target: 'wire', message: 'one', case: { hex: '45' } }, file)
      keepFind({ target: 'wire', message: 'one, told otherwise', case: { hex: '45' } }, file)
      keepFind({ target: 'ftp', message: 'two', case: { segments: [] } }, file)
      expect(readFinds(file)).toEqual([
        { target: 'wire', message: 'one', case: { hex: '45' } },
        { target: 'ftp', message: 'two', case: { segments: [] } },
      ])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
