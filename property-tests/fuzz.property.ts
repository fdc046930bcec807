import { describe, expect, it } from 'vitest'
import { campaign } from '../fuzz/campaign.ts'
import { TARGETS } from '../fuzz/targets.ts'

/** Always the same cases, some seconds' worth: new ones are `npm run fuzz`'s to look for. */
const SEED = 20_261_122
const CASES: Readonly<Record<string, number>> = { director: 400, wire: 1500, reassembling: 300, ftp: 800 }
/** What has to happen in them, or they would show nothing. */
const HAPPENS: Readonly<Record<string, readonly string[]>> = {
  director: [
    'rewrite',
    'direct',
    'send',
    'accept',
    'no-destination',
    'connection-table-full',
    'hop-limit-exceeded',
  ],
  wire: ['sound', 'ipv4-truncated', 'ipv6-payload-truncated', 'tcp-data-offset', 'udp-payload-truncated'],
  reassembling: ['whole', 'duplicate', 'overlap', 'contradiction', 'timed-out', 'evicted', 'malformed'],
  ftp: ['passive', 'extended-passive', 'active', 'replaced', 'nothing found'],
}

describe('fuzzing', () => {
  it.each(Object.entries(TARGETS))('finds nothing wrong with %s', (name, target) => {
    const { find, cases, tally } = campaign(target, { seed: SEED, cases: CASES[name]!, timeMs: 60_000 })
    expect(find === null ? '' : [find.message, ...target.describe(find.case)].join('\n')).toBe('')
    expect(cases).toBe(CASES[name])
    for (const what of HAPPENS[name]!) expect(tally.counts.get(what) ?? 0, what).toBeGreaterThan(2)
  })
})
