import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { campaign } from '../../fuzz/campaign.ts'
import { must, type Target } from '../../fuzz/target.ts'

/** Lists of numbers, none of which may be above 90. */
const target: Target<readonly number[]> = {
  about: 'numbers',
  share: 1,
  cases: () => fc.array(fc.nat({ max: 100 })),
  check: (numbers, tally) => {
    tally?.count(numbers.length === 0 ? 'empty' : 'some')
    for (const each of numbers) must(each <= 90, `${each} is at most 90`)
  },
  describe: (numbers) => numbers.map(String),
}

describe('campaign', () => {
  it('makes what it finds as small as can be, and says where it was', () => {
    const { find } = campaign(target, { seed: 1, cases: 1000, timeMs: 10_000 })
    expect(find).toMatchObject({ case: [91], message: '91 is at most 90' })
    const again = campaign(target, { seed: 1, path: find!.path, cases: 1000, timeMs: 10_000 })
    expect(again.find?.case).toEqual([91])
  })

  it('does the same for the same seed', () => {
    const sound = { ...target, check: (numbers: readonly number[]) => must(numbers.length < 1000, 'short') }
    const seen = (seed: number) => {
      const lines: string[] = []
      campaign({ ...sound, check: (each) => lines.push(each.join()) }, { seed, cases: 50, timeMs: 10_000 })
      return lines
    }
    expect(seen(3)).toEqual(seen(3))
    expect(seen(3)).not.toEqual(seen(4))
  })

  it('stops when time is up, and counts what it has done', () => {
    const sound = { ...target, check: target.check, cases: () => fc.constant([1]) }
    const { cases, find, tally } = campaign(sound, { seed: 1, cases: 2 ** 31 - 1, timeMs: 50 })
    expect(find).toBeNull()
    expect(cases).toBeGreaterThan(0)
    expect(tally.counts.get('some')).toBe(cases)
  })
})
